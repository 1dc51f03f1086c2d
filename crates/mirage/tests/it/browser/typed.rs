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
