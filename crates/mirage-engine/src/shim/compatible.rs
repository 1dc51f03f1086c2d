//! What shims of version 0.1.0 say and write, and what they are told. They outlive the control plane that started them,
//! so every later one has to understand them and to be understood: fields are only added, with a default, and no name
//! changes. A sample is never changed; where a format grows, another one is added beside it.

use super::message::Request;
use super::spec::ShimSpec;
use super::state::{self, Phase, ShimState};

const HEAD: &str = r#""instance":"00000000-0000-4000-8000-000000000001","service":"00000000-0000-4000-8000-000000000002","deployment":"00000000-0000-4000-8000-000000000003","shim":{"pid":41,"started":9},"boot":"9d1f""#;

/// Behind the head, one for each phase.
const PHASES: &[&str] = &[
    r#""state":"starting""#,
    r#""state":"running","pid":42,"started":10,"since":"2026-11-21T09:30:00Z""#,
    r#""state":"stopping","pid":42,"started":10,"since":"2026-11-21T09:30:00Z""#,
    r#""state":"exited","exit":{"code":1,"signal":null,"oom":false,"start_error":null,"at":"2026-11-21T09:30:00Z"}"#,
    r#""state":"exited","exit":{"code":null,"signal":9,"oom":true,"at":"2026-11-21T09:30:00Z"}"#,
];

const SPEC: &str = r#"{"instance":"00000000-0000-4000-8000-000000000001","service":"00000000-0000-4000-8000-000000000002","deployment":"00000000-0000-4000-8000-000000000003","process":{"arguments":["/bin/web"],"user":"","working_directory":"","stop_signal":null},"layers":["/data/run/layers/1"],"writable":"/data/writable/1","network_namespace":"/data/run/netns/1","hostname":"web-1","files":[{"source":"/data/run/instances/1/hosts","target":"/etc/hosts"}],"resources":{"memory_bytes":null,"cpu_millis":null,"pids":4096},"allow_new_privileges":true,"log":{"directory":"/data/logs/1","max_bytes":1},"cgroup":"/mirage-abcdef/1","start_seconds":20,"grace_millis":10000}"#;

#[test]
fn the_state_of_an_older_shim_is_understood() {
    for (phase, sample) in PHASES.iter().enumerate() {
        for more in ["", r#","since_next_year":{"a":[1]}"#] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(state::STATE_FILE), format!("{{{HEAD},{sample}{more}}}"))
                .unwrap();
            let found: ShimState =
                state::read(folder.path()).unwrap_or_else(|error| panic!("{error}: {sample}"));
            assert_eq!(found.shim.pid, 41);
            match (phase, found.phase) {
                (0, Phase::Starting) => {}
                (1, Phase::Running { process, .. }) | (2, Phase::Stopping { process, .. }) => {
                    assert_eq!((process.pid, process.started), (42, 10));
                }
                (3, Phase::Exited { exit }) => assert_eq!(exit.code, Some(1)),
                (4, Phase::Exited { exit }) => assert!(exit.oom && exit.signal == Some(9)),
                (_, other) => panic!("{sample} is {other:?}"),
            }
        }
    }
}

#[test]
fn an_older_shim_is_told_in_words_that_it_knows() {
    let stop = Request::Stop { signal: Some(15), grace_millis: 10_000 };
    assert_eq!(serde_json::to_string(&stop).unwrap(), r#"{"stop":{"signal":15,"graceMillis":10000}}"#);
    assert_eq!(serde_json::to_string(&Request::Kill {}).unwrap(), r#"{"kill":{}}"#);
}

#[test]
fn the_folder_of_an_instance_that_an_older_control_plane_wrote_is_understood() {
    let spec: ShimSpec = serde_json::from_str(SPEC).unwrap();
    assert_eq!(spec.cgroup, "/mirage-abcdef/1");
}
