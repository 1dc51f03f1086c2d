//! Two platforms on one machine.

use crate::sample::{pushed, web};
use crate::stage::Stage;

#[test]
fn two_platforms_started_at_once_keep_their_addresses_apart() {
    let test = "two platforms started at once keep their addresses apart";
    let Some(left) = Stage::set(test) else { return };
    let Some(right) = Stage::set(test) else { return };
    for (stage, page) in [(&left, "left"), (&right, "right")] {
        let reference = pushed(&stage.registry, "acme/web:1", &web(page));
        stage.done(&["deploy", &reference, "--name", "web"]);
    }
    let addresses = [&left, &right].map(|stage| stage.platform.backend("web", 8080).unwrap());
    assert_ne!(addresses[0], addresses[1]);
    assert_eq!((left.served("web"), right.served("web")), ("left".into(), "right".into()));
}

#[test]
fn a_platform_that_goes_down_takes_nothing_from_its_neighbour() {
    let test = "a platform that goes down takes nothing from its neighbour";
    let Some(stays) = Stage::set(test) else { return };
    let Some(goes) = Stage::set(test) else { return };
    for (stage, page) in [(&stays, "stays"), (&goes, "goes")] {
        let reference = pushed(&stage.registry, "acme/web:1", &web(page));
        stage.done(&["deploy", &reference, "--name", "web"]);
    }
    drop(goes);
    assert_eq!(stays.served("web"), "stays");
    stays.done(&["restart", "web"]);
    assert_eq!(stays.served("web"), "stays");
}
