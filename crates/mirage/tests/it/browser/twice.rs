//! The same button, pressed more than once.

use serde_json::Value;
use xtask::browser::{button, heading};

use super::seat::Seat;
use super::wizard::begin;
use crate::sample::web;

#[test]
fn deploy_that_is_pressed_in_two_tabs_and_again_after_going_back_makes_one_service() {
    let test = "deploy that is pressed in two tabs, and again after going back, makes one service";
    let Some(seat) = Seat::take(test) else { return };
    let (page, stage) = (&seat.page, &seat.stage);
    let reference = seat.pushed("acme/web:1", &web("once"));
    begin(page, &reference);
    page.until_text("Latest or exactly this").unwrap();
    page.follow(&button("Next: settings")).unwrap();
    page.follow(&button("Next: review")).unwrap();
    page.until(&heading("What will happen")).unwrap();
    let review = page.path().unwrap();
    let other = page.beside().unwrap();
    other.visit(&review).unwrap();
    other.until(&heading("What will happen")).unwrap();

    page.follow(&button("Deploy")).unwrap();
    page.until(&heading("web #1")).unwrap();
    let deployment = page.path().unwrap();
    other.follow(&button("Deploy")).unwrap();
    other.until(&heading("web #1")).unwrap();
    assert_eq!(other.path().unwrap(), deployment, "the other tab is led to what came of it");
    // A browser that kept the page shows it, and its button is pressed once more; another one asks for it.
    page.back().unwrap();
    if page.path().unwrap() == review {
        page.follow(&button("Deploy")).unwrap();
    }
    page.until_at(&deployment).unwrap();
    other.visit(&review).unwrap();
    other.until_at(&deployment).unwrap();

    other.until_text("web #1 is active").unwrap();
    assert_eq!(stage.served("web"), "once");
    let count = |path: &str, all: &str| {
        let told: Value = stage.platform.api("GET", path, None).unwrap().json().unwrap();
        told[all].as_array().unwrap_or_else(|| panic!("no {all} in {told}")).len()
    };
    assert_eq!(count("/api/services", "services"), 1);
    assert_eq!(count("/api/services/web/deployments", "deployments"), 1);
    assert_eq!(other.complaints(), Vec::<String>::new());
    seat.is_content();
}
