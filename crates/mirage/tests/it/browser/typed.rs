//! What was typed is there again, however somebody comes back.

use xtask::browser::{button, checkbox};

use super::seat::Seat;
use super::wizard::begin;
use crate::sample::web;

#[test]
fn what_was_typed_survives_back_and_forward_and_a_page_that_is_loaded_anew() {
    let Some(seat) = Seat::take("what was typed survives back, forward, and a page that is loaded anew")
    else {
        return;
    };
    let page = &seat.page;
    seat.pushed("library/nginx:1.27", &web("kept"));
    begin(page, "nginx:1.27");
    page.until_text("Latest or exactly this").unwrap();
    page.follow(&button("Next: settings")).unwrap();
    let settings = page.path().unwrap();
    page.write("Name", "kept").unwrap();
    page.write("Name of variable 1", "KEY").unwrap();
    page.write("Value of variable 1", "a secret of mine").unwrap();
    page.click(&checkbox("Sealed variable 1")).unwrap();
    page.write("Memory of each", "256MiB").unwrap();
    let is_there = |what: &str| {
        assert_eq!(page.written("Name").unwrap(), "kept", "{what}");
        assert_eq!(page.written("Name of variable 1").unwrap(), "KEY", "{what}");
        assert_eq!(page.written("Memory of each").unwrap(), "256MiB", "{what}");
    };
    // Somebody else sees when the platform has the last of it.
    let other = seat.browser.open(seat.stage.platform.api_port()).unwrap();
    other.log_in(&seat.stage.platform.token()).unwrap();
    let is_kept = || other.visit(&settings).and_then(|()| Ok(other.written("Memory of each")? == "256MiB"));
    other.until_so("what was typed last, kept", is_kept).unwrap();
    page.reload().unwrap();
    is_there("after it was loaded anew");
    let without_secret = |what: &str| {
        assert!(!page.markup().unwrap().contains("a secret of mine"), "{what}");
    };
    without_secret("loaded anew");
    page.back().unwrap();
    assert_eq!(page.written("Image").unwrap(), "nginx:1.27");
    page.forward().unwrap();
    is_there("after back and forward");
    page.visit("/events").unwrap();
    page.visit(&settings).unwrap();
    is_there("after another page");
    without_secret("come back");
    page.follow(&button("Next: review")).unwrap();
    without_secret("in review");
    page.back().unwrap();
    is_there("back from the review");
    seat.is_content();
}

#[test]
fn a_form_that_is_older_than_the_log_in_comes_back_with_what_was_typed_and_is_sent_again() {
    let test = "a form that is older than the log-in comes back with what was typed, and is sent again";
    let Some(seat) = Seat::take(test) else { return };
    let (page, stage) = (&seat.page, &seat.stage);
    let reference = seat.pushed("acme/web:1", &web("one"));
    stage.done(&["deploy", &reference, "--name", "web"]);
    let variables = "/projects/default/production/web/variables";
    page.visit(variables).unwrap();
    page.write("Name of new variable 1", "GREETING").unwrap();
    page.write("Value of new variable 1", "hello").unwrap();
    page.write("Name of new variable 2", "KEY").unwrap();
    page.write("Value of new variable 2", "a secret of mine").unwrap();
    page.click(&checkbox("Seal new variable 2")).unwrap();
    let other = page.beside().unwrap();
    other.visit("/projects").unwrap();
    other.follow(&button("Log out")).unwrap();
    other.log_in(&stage.platform.token()).unwrap();

    page.follow(&button("Save and deploy")).unwrap();
    page.until_text("you logged in again after this form was made").unwrap();
    assert_eq!(page.written("Name of GREETING").unwrap(), "GREETING");
    assert_eq!(page.written("Value of GREETING").unwrap(), "hello");
    assert_eq!(page.written("Name of KEY").unwrap(), "KEY");
    assert!(!page.markup().unwrap().contains("a secret of mine"), "a secret never comes back");
    other.visit(variables).unwrap();
    assert!(!other.text().unwrap().contains("GREETING"), "nothing was done");
    page.write("Value of KEY", "a secret of mine").unwrap();
    page.follow(&button("Save and deploy")).unwrap();
    page.until_text("web #2 is active").unwrap();
    other.visit(variables).unwrap();
    assert_eq!(other.written("Value of GREETING").unwrap(), "hello");
    assert_eq!(other.complaints(), Vec::<String>::new());
    seat.is_content();
}
