//! Pages that change while somebody looks at them.

use serde_json::Value;
use xtask::browser::{heading, link};

use super::seat::Seat;
use crate::sample::{SERVE, script, web};

#[test]
fn a_deployment_made_in_a_terminal_is_seen_on_the_pages_without_loading_them_anew() {
    let test = "a deployment made in a terminal is seen on the pages without loading them anew";
    let Some(seat) = Seat::take(test) else { return };
    let (page, stage) = (&seat.page, &seat.stage);
    let one = seat.pushed("acme/web:1", &web("one"));
    let slow = seat.pushed("acme/web:2", &script(&format!("sleep 1; {SERVE}")));
    stage.done(&["deploy", &one, "--name", "web"]);
    let services = seat.browser.open(stage.platform.api_port()).unwrap();
    services.log_in(&stage.platform.token()).unwrap();
    services.visit("/projects/default/production").unwrap();
    page.visit("/projects/default/production/web").unwrap();
    services.watch_for("acme/web:2").unwrap();
    let id = stage.platform.begin_deploy("web", &slow).unwrap();
    // The page of the service is told of it, and leads there.
    page.until(&link("#2")).unwrap();
    page.follow(&link("#2")).unwrap();
    page.until(&heading("web #2")).unwrap();
    page.watch_for("web #2 is active").unwrap();
    stage.platform.until_active(&id).unwrap();
    page.until_text("web #2 is active").unwrap();
    services.until_text("acme/web:2").unwrap();

    let path = format!("/api/deployments/{id}");
    let shown: Value = stage.platform.api("GET", &path, None).unwrap().json().unwrap();
    let at = |name: &str| {
        let time: jiff::Timestamp = shown[name].as_str().unwrap().parse().unwrap();
        time.as_millisecond() as f64
    };
    println!("ended, to the page of the deployment: {:.0} ms", page.seen_at().unwrap() - at("finishedAt"));
    println!("begun, to the page of the services: {:.0} ms", services.seen_at().unwrap() - at("createdAt"));
    assert_eq!(services.complaints(), Vec::<String>::new());
    seat.is_content();
}

#[test]
fn pages_that_are_left_hold_no_stream_and_are_live_again_when_somebody_comes_back() {
    let test = "pages that are left hold no stream, and are live again when somebody comes back";
    let Some(seat) = Seat::take(test) else { return };
    let (page, stage) = (&seat.page, &seat.stage);
    let one = seat.pushed("acme/web:1", &web("one"));
    stage.done(&["deploy", &one, "--name", "web"]);
    // More than a browser has connections for one place.
    for path in ["", "/web", "", "/web", "", "/web", "", "/web", ""] {
        page.visit(&format!("/projects/default/production{path}")).unwrap();
    }
    page.visit("/keys").unwrap();
    page.back().unwrap();
    page.until(&link("web")).unwrap();
    let two = seat.pushed("acme/web:2", &web("two"));
    stage.done(&["deploy", &two, "--name", "web"]);
    page.until_text("acme/web:2").unwrap();

    // One in the background hears nothing, and everything when somebody looks at it.
    page.in_background(true).unwrap();
    let three = seat.pushed("acme/web:3", &web("three"));
    stage.done(&["deploy", &three, "--name", "web"]);
    assert!(!page.text().unwrap().contains("acme/web:3"));
    page.in_background(false).unwrap();
    page.until_text("acme/web:3").unwrap();
    let four = seat.pushed("acme/web:4", &web("four"));
    stage.done(&["deploy", &four, "--name", "web"]);
    page.until_text("acme/web:4").unwrap();
    seat.is_content();
}
