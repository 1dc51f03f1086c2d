//! The first command of the README.

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use xtask::bed::{Process, eventually, free_port, http, may_run_as_root, residue};

use crate::stage::BINARY;

#[test]
fn the_demo_prints_an_address_that_answers_and_ctrl_c_leaves_nothing() {
    if !may_run_as_root("the demo prints an address that answers and ctrl-c leaves nothing") {
        return;
    }
    let folder = tempfile::Builder::new().prefix("mirage-demo-").tempdir().unwrap();
    let at = |port: u16| format!("127.0.0.1:{port}");
    let mut command = Command::new(BINARY);
    command.args(["demo", "--proxy-listen", &at(free_port().unwrap())]);
    let mut demo = Process::start(&mut command, folder.path(), "demo").unwrap();
    let address = eventually("an address", Duration::from_secs(60), || {
        let text = demo.stdout() + &demo.stderr();
        assert!(demo.is_running(), "{text}");
        let found =
            text.split_whitespace().rfind(|word| word.starts_with("http://") && word.contains(".localhost:"));
        found.map(str::to_owned)
    })
    .unwrap();
    let answer = eventually("an answer", Duration::from_secs(60), || {
        http::get(&address).ok().filter(|a| a.status == 200)
    });
    assert!(!answer.unwrap().body.is_empty());

    let home = std::env::temp_dir().join(format!("mirage-demo-{}", demo.id()));
    let marks = residue::marks_of(&home);
    assert!(residue::carrying(&marks).len() > 3, "the demo has processes, mounts and links: {marks:?}");

    demo.signal(Signal::SIGINT).unwrap();
    assert_eq!(demo.wait(Duration::from_secs(60)).unwrap(), Some(0), "{}", demo.stderr());
    let left =
        eventually("nothing", Duration::from_secs(10), || residue::carrying(&marks).is_empty().then_some(()));
    assert!(left.is_ok(), "{:#?}", residue::carrying(&marks));
    assert!(!home.exists());
}
