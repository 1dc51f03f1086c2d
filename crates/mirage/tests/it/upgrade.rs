//! Another binary takes the place of the one that runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use xtask::bed::{Platform, PlatformOptions, Registry, eventually, http, may_run_as_root};

use crate::sample::{pushed, web};
use crate::stage::{BINARY, Stage};

/// Asks for one address again and again, each time by a new connection.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Vec<String>)>,
}

impl Load {
    pub(crate) fn on(url: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (told, url) = (over.clone(), url.to_owned());
        let thread = std::thread::spawn(move || {
            let (mut answered, mut failed) = (0, Vec::new());
            while !told.load(Ordering::Relaxed) {
                match http::get(&url) {
                    Ok(answer) if answer.status == 200 => answered += 1,
                    Ok(answer) => failed.push(format!("{}: {}", answer.status, answer.text())),
                    Err(error) => failed.push(format!("{error:#}")),
                }
            }
            (answered, failed)
        });
        Self { over, thread }
    }

    /// How many were answered with 200, and what happened to the others.
    pub(crate) fn end(self) -> (usize, Vec<String>) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

impl Stage {
    /// The process of the proxy that took its place last; none of them is there for a moment where one was killed.
    pub(crate) fn proxy(&self) -> u32 {
        let record = || {
            let text = fs::read_to_string(self.platform.data().join("run/proxy.json")).ok()?;
            let record: serde_json::Value = serde_json::from_str(&text).ok()?;
            u32::try_from(record["pid"].as_u64()?).ok()
        };
        eventually("the record of a proxy", Duration::from_secs(10), record).unwrap()
    }

    fn shims(&self) -> BTreeSet<u32> {
        let processes = self.platform.processes().into_iter();
        processes.filter(|(_, line)| line.split(' ').any(|word| word == "shim")).map(|(id, _)| id).collect()
    }
}

/// Puts a binary into its place, as a package manager does: another file under the same name.
pub(crate) fn install(at: &Path) {
    let draft = at.with_extension("new");
    fs::copy(BINARY, &draft).unwrap();
    fs::rename(draft, at).unwrap();
}

#[test]
fn an_upgrade_replaces_control_and_proxy_under_load_and_no_container() {
    let test = "an upgrade replaces control and proxy under load and no container";
    if !may_run_as_root(test) {
        return;
    }
    for handed in [false, true] {
        let folder = tempfile::Builder::new().prefix("mirage-upgrade-").tempdir().unwrap();
        let binary = folder.path().join("mirage");
        install(&binary);
        let options = PlatformOptions { handed, ..PlatformOptions::default() };
        let platform = Platform::start(&binary, options).unwrap();
        let mut stage = Stage { registry: Registry::start().unwrap(), platform };
        let reference = pushed(&stage.registry, "acme/web:1", &web("served on"));
        stage.done(&["deploy", &reference, "--name", "web", "--replicas", "2"]);
        let shims = stage.shims();
        let proxy = stage.proxy();
        stage.platform.stop_control().unwrap();
        stage.platform.serve().unwrap();
        assert_eq!(stage.proxy(), proxy, "the same binary has no reason to replace it");

        let load = [0; 2].map(|_| Load::on(&stage.platform.url("web-production")));
        for round in 0..3 {
            let before = stage.proxy();
            install(&binary);
            match round {
                1 => stage.platform.kill_control(),
                _ => stage.platform.stop_control().unwrap(),
            }
            stage.platform.serve().unwrap();
            assert_ne!(stage.proxy(), before, "the proxy is of the new binary too");
            assert_eq!(stage.shims(), shims, "containers are left alone");
        }
        for load in load {
            let (answered, failed) = load.end();
            assert!(answered > 10 && failed.is_empty(), "{answered} answered, {failed:?}");
        }
        // The instances of before can be told to end by the new one.
        stage.done(&["redeploy", "web"]);
        let gone = || stage.shims().is_disjoint(&shims).then_some(());
        eventually("the end of the instances of before", Duration::from_secs(20), gone).unwrap();
        assert_eq!(stage.served("web"), "served on");
    }
}

#[test]
fn a_second_control_plane_on_the_same_folder_is_refused() {
    let Some(mut stage) = Stage::set("a second control plane on the same folder is refused") else { return };
    let data = stage.platform.data().display().to_string();
    let holder = stage.platform.control_id().unwrap().to_string();
    let words = ["serve", "--data-dir", &data, "--listen", "127.0.0.1:0", "--proxy-listen", "127.0.0.1:0"];
    let told = stage.refused(&words, "CONFLICT").stderr;
    assert!(told.contains(&format!("rocess {holder} runs a platform in `{data}` already")), "{told}");
    // Killed and started at once, over and over: whoever comes waits until the one before is gone.
    for _ in 0..5 {
        stage.platform.kill_without_waiting();
        stage.platform.serve().unwrap();
    }
}
