//! What whoever sits at a terminal reads.

use std::time::Duration;

use xtask::bed::{Process, eventually};

use crate::sample::{pushed, web};
use crate::stage::Stage;

/// The numbers of the events in what `mirage events -f` wrote, as far as its lines are whole.
fn numbers(text: &str) -> Vec<i64> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn events_are_followed_over_restarts_and_none_is_lost_or_comes_twice() {
    let test = "events are followed over restarts and none is lost or comes twice";
    let Some(mut stage) = Stage::set(test) else { return };
    let reference = pushed(&stage.registry, "acme/web:1", &web("followed"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    let folder = tempfile::tempdir().unwrap();
    let mut command = stage.platform.command();
    command.args(["events", "-f", "--since", "1d"]);
    let following = Process::start(&mut command, folder.path(), "events").unwrap();
    let heard = |what: &str, times: usize| {
        let heard = || (following.stdout().matches(what).count() == times).then_some(());
        eventually(what, Duration::from_secs(30), heard).unwrap();
    };
    heard("the deployment is active", 1);
    for (round, kill) in [(1, false), (2, true)] {
        match kill {
            true => stage.platform.kill_control(),
            false => stage.platform.stop_control().unwrap(),
        }
        stage.platform.serve().unwrap();
        stage.done(&["restart", "web"]);
        heard("restarted the service", round);
    }
    let seen = numbers(&following.stdout());
    let all: Vec<i64> = (1..=seen.len() as i64).collect();
    assert_eq!(seen, all, "{}", following.stdout());
    assert!(following.stdout().contains("  web  "), "by its name: {}", following.stdout());
    let told = following.stderr();
    assert!(told.matches("went away").count() <= 2, "{told}");
    assert_eq!(told.matches("went away").count(), told.matches("is back").count(), "{told}");
}

#[test]
fn who_changed_something_is_led_to_the_page_of_it_unless_data_alone_is_wanted() {
    let test = "who changed something is led to the page of it unless data alone is wanted";
    let Some(mut stage) = Stage::set(test) else { return };
    let reference = pushed(&stage.registry, "acme/web:1", &web("led"));
    let deploy = ["deploy", &reference, "--name", "web", "--domain", "shop.example"];
    let told = stage.done(&deploy).stderr;
    assert!(told.contains("Domain    shop.example: it answers over plain HTTP alone"), "{told}");
    for words in [
        &deploy[..],
        &["restart", "web"],
        &["domain", "add", "web", "shop.example", "--no-redirect"],
        &["variables", "set", "-s", "web", "MODE=quick"],
    ] {
        let told = stage.done(words).stderr;
        let page = told.lines().find_map(|line| line.strip_prefix("Page      http://")).unwrap();
        let path = page.find('/').map(|at| &page[at..]).unwrap();
        let answer = stage.platform.api("GET", path, None).unwrap();
        // Who is not logged in is led there by way of the log-in.
        assert_eq!(answer.status, 303, "{path}: {}", answer.text());
        for quiet in ["--quiet", "--json"] {
            let told = stage.done(&[words, &[quiet]].concat());
            assert!(!told.stderr.contains("Page"), "{}", told.stderr);
            assert!(!told.stdout.contains('\u{1b}'), "{}", told.stdout);
            assert!(quiet == "--quiet" || told.stdout.starts_with(['{', '[']), "{}", told.stdout);
        }
    }
    let again = stage.done(&["domain", "add", "web", "shop.example"]).stderr;
    assert!(again.starts_with("Kept      shop.example of web"), "{again}");
    let by = stage.done(&["deployments", "web"]).stdout;
    assert!(by.lines().all(|line| line.contains("BY") || line.contains(" admin ")), "{by}");
    assert_eq!(stage.platform.down().unwrap(), Vec::<String>::new());
    let nothing = stage.done(&["down"]).stderr;
    assert!(nothing.starts_with("nothing ran in"), "{nothing}");
}
