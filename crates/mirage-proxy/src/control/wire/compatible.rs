//! What proxies and control planes of version 0.1.0 said to each other, and what lay on the disk. A newer one has to
//! understand it, and to be understood: fields are only added, with a default, and no name changes. A sample is never
//! changed; where a format grows, another one is added beside it.

use mirage_core::RouteTable;
use serde_json::Value;

use super::{Command, Reply};
use crate::record::{ProxyRecord, read_routes};

const TABLE: &str = r#"{"generation":7,"routes":[{"host":"web-production.localhost","service":"00000000-0000-4000-8000-000000000001","service_name":"web","backends":[{"instance":"00000000-0000-4000-8000-000000000002","address":"10.210.0.5:8080"}]}],"zones":[{"resolver":"10.210.0.1","records":[{"name":"web","addresses":["10.210.0.5"]}]}]}"#;

/// With `TABLE` in place of `$`.
const COMMANDS: &[&str] = &[
    r#"{"op":"publish","table":$,"newEpoch":true}"#,
    r#"{"op":"follow","table":$}"#,
    r#"{"op":"drain","backend":{"instance":"00000000-0000-4000-8000-000000000002","address":"10.210.0.5:8080"},"limitMillis":5}"#,
    r#"{"op":"table"}"#,
    r#"{"op":"status"}"#,
    r#"{"op":"shutdown","limitMillis":5}"#,
    r#"{"op":"handOver"}"#,
    r#"{"op":"sockets"}"#,
    r#"{"op":"retire"}"#,
    r#"{"op":"retire","adopts":true}"#,
];

const REPLIES: &[&str] = &[
    r#"{"answer":"done"}"#,
    r#"{"answer":"drained","open":{"requests":1,"upgraded":2}}"#,
    r#"{"answer":"table","table":$}"#,
    r#"{"answer":"status","status":{"pid":41,"version":"0.1.0","listen":["127.0.0.1:8080"],"generation":7,"connections":3,"open":{"requests":1,"upgraded":2},"unboundZones":["10.210.0.1"],"hasPredecessor":false}}"#,
    r#"{"answer":"handingOver","inheritance":{"sockets":[{"services":"127.0.0.1:8080"},{"namesUdp":"10.210.0.1:53"},{"namesTcp":"10.210.0.1:53"}],"table":$,"socket":"proxy-0a0b0c0d0e0f.sock"}}"#,
    r#"{"answer":"refused","code":"CONFLICT","message":"no","hint":null}"#,
];

#[test]
fn what_an_older_one_says_is_understood_and_said_again_in_its_words() {
    for sample in COMMANDS {
        let text = sample.replace('$', TABLE);
        let read = serde_json::from_str::<Command>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        has_all_of(&serde_json::to_value(read).unwrap(), &serde_json::from_str(&text).unwrap());
    }
    for sample in REPLIES {
        let text = sample.replace('$', TABLE);
        let read = serde_json::from_str::<Reply>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        has_all_of(&serde_json::to_value(read).unwrap(), &serde_json::from_str(&text).unwrap());
    }
}

#[test]
fn what_a_newer_one_adds_is_passed_over() {
    let text =
        r#"{"op":"follow","sinceNextYear":1,"table":{"generation":7,"routes":[],"zones":[],"more":[1]}}"#;
    assert!(serde_json::from_str::<Command>(text).is_ok());
    assert!(serde_json::from_str::<Command>(r#"{"op":"sockets","sinceNextYear":true}"#).is_ok());
    let text = REPLIES[3].replace("\"pid\"", "\"more\":{},\"pid\"");
    assert!(serde_json::from_str::<Reply>(&text).is_ok());
}

#[test]
fn the_files_of_an_older_proxy_are_read() {
    let run = tempfile::tempdir().unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let kept = format!(r#"{{"boot":"{}","table":{TABLE}}}"#, boot.trim());
    std::fs::write(run.path().join("routes.json"), kept).unwrap();
    assert_eq!(read_routes(run.path()), serde_json::from_str::<RouteTable>(TABLE).unwrap());
    let record = r#"{"pid":41,"startTicks":9,"listen":["127.0.0.1:8080"],"version":"0.1.0"}"#;
    std::fs::write(run.path().join("proxy.json"), record).unwrap();
    assert_eq!(ProxyRecord::read(run.path()).unwrap().pid, 41);
}

/// Whether everything that an older one looks for is there, with the same value.
#[track_caller]
fn has_all_of(said: &Value, sample: &Value) {
    match (said, sample) {
        (Value::Object(said), Value::Object(sample)) => {
            for (name, value) in sample {
                has_all_of(said.get(name).unwrap_or_else(|| panic!("no `{name}` any more")), value);
            }
        }
        (Value::Array(said), Value::Array(sample)) => {
            assert_eq!(said.len(), sample.len());
            said.iter().zip(sample).for_each(|(said, sample)| has_all_of(said, sample));
        }
        _ => assert_eq!(said, sample),
    }
}
