//! Images of the built-in registry, taken away by hand.

use xtask::browser::{button, heading, link};

use super::seat::Seat;
use crate::sample::web;

#[test]
fn an_image_is_removed_after_a_look_at_who_uses_it_and_what_runs_goes_on() {
    let test = "an image is removed after a look at who uses it, and what runs goes on";
    let Some(seat) = Seat::take(test) else { return };
    let (page, stage) = (&seat.page, &seat.stage);
    let own = |tag: &str| format!("127.0.0.1:{}/acme/docs:{tag}", stage.platform.api_port());
    for tag in ["1", "2"] {
        web(tag).push_as(&own(tag), ("token", &stage.platform.token())).unwrap();
    }
    // Nobody uses the first.
    page.visit("/images").unwrap();
    page.follow(&link("acme/docs")).unwrap();
    page.follow(&link("Remove acme/docs:1")).unwrap();
    page.until(&heading("Remove acme/docs:1")).unwrap();
    page.until_text("No service is set to it.").unwrap();
    page.follow(&button("Remove")).unwrap();
    page.until_at("/images/repository").unwrap();
    page.until(&link("Remove acme/docs:2")).unwrap();
    assert!(!page.has(&link("Remove acme/docs:1")).unwrap());
    stage.refused(&["deploy", &own("1"), "--name", "gone"], "IMAGE_NOT_FOUND");

    // Somebody begins to use the second while its end is looked at.
    page.follow(&link("Remove acme/docs:2")).unwrap();
    page.until_text("No service is set to it.").unwrap();
    stage.done(&["deploy", &own("2"), "--name", "docs"]);
    page.follow(&button("Remove")).unwrap();
    page.until_text("finds no image").unwrap();
    page.until(&link("docs")).unwrap();
    page.follow(&button("Remove it all the same")).unwrap();
    page.until_at("/images").unwrap();
    page.visit("/images").unwrap();
    assert!(!page.has(&link("Remove acme/docs:2")).unwrap());
    assert_eq!(stage.served("docs"), "2", "what runs goes on");
    stage.refused(&["deploy", &own("2"), "--name", "again"], "IMAGE_NOT_FOUND");
    seat.is_content();
}
