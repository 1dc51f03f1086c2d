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

#[test]
fn a_demo_that_does_not_come_up_leaves_nothing_either() {
    if !may_run_as_root("a demo that does not come up leaves nothing either") {
        return;
    }
    let folder = tempfile::Builder::new().prefix("mirage-taken-").tempdir().unwrap();
    // Left by demos of processes that cannot exist: one of this user, one of another.
    let [own, foreign] =
        [4_194_305, 4_194_306].map(|pid| std::env::temp_dir().join(format!("mirage-demo-{pid}")));
    for left in [&own, &foreign] {
        std::fs::create_dir(left).unwrap();
    }
    std::os::unix::fs::chown(&foreign, Some(65_534), Some(65_534)).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new(BINARY);
    command.args(["demo", "--proxy-listen", &taken.local_addr().unwrap().to_string()]);
    let mut demo = Process::start(&mut command, folder.path(), "demo").unwrap();
    let home = std::env::temp_dir().join(format!("mirage-demo-{}", demo.id()));
    assert_eq!(demo.wait(Duration::from_secs(60)).unwrap(), Some(1), "{}", demo.stderr());
    let told = format!("The proxy cannot listen on `{}`", taken.local_addr().unwrap());
    assert!(demo.stderr().contains(&told), "{}", demo.stderr());
    assert!(!home.exists() && !own.exists());
    std::fs::remove_dir(foreign).expect("what another user left is not ours to take away");
    assert_eq!(residue::carrying(&residue::marks_of(&home)), Vec::<String>::new());
}

#[test]
fn ctrl_c_ends_a_demo_that_is_still_waiting_for_its_image() {
    if !may_run_as_root("ctrl-c ends a demo that is still waiting for its image") {
        return;
    }
    let folder = tempfile::Builder::new().prefix("mirage-waiting-").tempdir().unwrap();
    // Takes connections and says nothing.
    let registry = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let reference = format!("{}/acme/web:1", registry.local_addr().unwrap());
    let mut command = Command::new(BINARY);
    command.args(["demo", &reference, "--proxy-listen", &format!("127.0.0.1:{}", free_port().unwrap())]);
    let mut demo = Process::start(&mut command, folder.path(), "demo").unwrap();
    let asked = registry.accept().unwrap();
    demo.signal(Signal::SIGINT).unwrap();
    assert_eq!(demo.wait(Duration::from_secs(60)).unwrap(), Some(0), "{}", demo.stderr());
    assert!(!std::env::temp_dir().join(format!("mirage-demo-{}", demo.id())).exists());
    drop(asked);
}
