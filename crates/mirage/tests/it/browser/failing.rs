//! What went wrong, and the way back.

use xtask::browser::{button, heading, link};

use super::seat::Seat;
use crate::sample::{script, web};

#[test]
fn an_image_that_listens_elsewhere_fails_with_the_reason_its_last_lines_and_a_hint() {
    let Some(seat) = Seat::take("an image that listens elsewhere fails with reason, last lines and a hint")
    else {
        return;
    };
    let page = &seat.page;
    let good = seat.pushed("acme/web:1", &web("one"));
    let astray = script("echo it comes up; echo it listens on 3000; exec httpd -f -p 3000 -h /www");
    let astray = seat.pushed("acme/web:2", &astray);
    seat.stage.done(&["deploy", &good, "--name", "web", "--health-timeout", "3"]);
    page.visit("/projects/default/production/web").unwrap();
    seat.stage.done(&["deploy", &astray, "--name", "web", "--health-timeout", "3", "--detach"]);
    page.visit("/projects/default/production/web").unwrap();
    page.follow(&link("#2")).unwrap();
    // It is told while it is looked at.
    page.until(&heading("Why it failed")).unwrap();
    let told = page.text().unwrap();
    for words in ["PROBE_FAILED", "it listens on port 3000 instead", "it comes up", "it listens on 3000"] {
        assert!(told.contains(words), "no `{words}` in: {told}");
    }
    assert_eq!(seat.stage.served("web"), "one", "the old one serves on");
    seat.is_content();
}

#[test]
fn a_bad_release_is_rolled_back_by_a_button() {
    let Some(seat) = Seat::take("a bad release is rolled back by a button") else { return };
    let page = &seat.page;
    for tag in ["1", "2"] {
        let reference = seat.pushed(&format!("acme/web:{tag}"), &web(tag));
        seat.stage.done(&["deploy", &reference, "--name", "web"]);
    }
    assert_eq!(seat.stage.served("web"), "2");
    page.visit("/projects/default/production/web").unwrap();
    page.follow(&link("#1")).unwrap();
    page.until(&heading("web #1")).unwrap();
    let before = page.path().unwrap();
    page.follow(&button("Roll back to #1")).unwrap();
    assert_ne!(page.path().unwrap(), before, "another deployment, of the first revision");
    page.until(&heading("web #1")).unwrap();
    page.until_text("web #1 is active").unwrap();
    assert_eq!(seat.stage.served("web"), "1");
    seat.is_content();
}

#[test]
fn a_failed_deployment_is_told_wherever_the_service_looks_well_until_the_next_one_goes_well() {
    let test = "a failed deployment is told wherever the service looks well, until the next one goes well";
    let Some(seat) = Seat::take(test) else { return };
    let (page, stage) = (&seat.page, &seat.stage);
    let (services, service) = ("/projects/default/production", "/projects/default/production/web");
    let good = seat.pushed("acme/web:1", &web("one"));
    let astray = seat.pushed("acme/web:2", &script("exec httpd -f -p 3000 -h /www"));
    stage.done(&["deploy", &good, "--name", "web", "--health-timeout", "2"]);
    page.visit(service).unwrap();
    let overview = page.beside().unwrap();
    overview.visit(service).unwrap();
    assert!(!overview.text().unwrap().contains("failed"));
    page.write("Image", &astray).unwrap();
    page.follow(&button("Deploy")).unwrap();
    page.until(&heading("Why it failed")).unwrap();
    // The other page is told without being loaded anew.
    overview.until_text("Deployment #2 failed").unwrap();
    for words in ["port 8080 gave connection refused", "What ran before, #1, still serves."] {
        overview.until_text(words).unwrap();
    }
    assert_eq!(stage.served("web"), "one");
    overview.visit(services).unwrap();
    overview.until_text("✕ failed").unwrap();
    overview.visit(service).unwrap();
    overview.follow(&link("See what happened")).unwrap();
    overview.until(&heading("web #2")).unwrap();
    assert_eq!(overview.path().unwrap(), page.path().unwrap());

    // What ran before is taken again, and nothing is said to have failed any more.
    page.visit(service).unwrap();
    page.follow(&button("Redeploy")).unwrap();
    page.until_text("web #1 is active").unwrap();
    page.visit(service).unwrap();
    assert!(!page.text().unwrap().contains("Deployment #2 failed"));
    // So it is with the image, once it is mended.
    seat.pushed("acme/web:2", &web("two"));
    page.write("Image", &astray).unwrap();
    page.follow(&button("Deploy")).unwrap();
    page.until_text("web #3 is active").unwrap();
    assert_eq!(stage.served("web"), "two");
    page.visit(services).unwrap();
    assert!(!page.text().unwrap().contains("failed"));
    assert_eq!(overview.complaints(), Vec::<String>::new());
    seat.is_content();
}
