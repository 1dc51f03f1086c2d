//! The keyboard map, key by key.

use xtask::browser::{heading, link};

use super::seat::Seat;
use crate::sample::web;

#[test]
fn each_key_of_the_map_does_what_the_map_says() {
    let Some(seat) = Seat::take("each key of the map does what the map says") else { return };
    let (page, stage) = (&seat.page, &seat.stage);
    for (tag, words) in [("1", "one"), ("2", "two")] {
        let image = seat.pushed(&format!("acme/web:{tag}"), &web(words));
        stage.done(&["deploy", &image, "--name", "web"]);
    }
    let go = |keys: &str, path: &str| {
        page.anew(|| page.keys(keys)).unwrap();
        page.until_at(path).unwrap();
    };
    let focused = |words: &str| {
        let is_it = || Ok(page.focused()?.1.contains(words));
        page.until_so(&format!("the focus is at `{words}`"), is_it).unwrap();
    };
    let services = "/projects/default/production";
    let service = "/projects/default/production/web";

    page.visit("/events").unwrap();
    go("gp", "/projects");
    go("gs", services);
    go("gi", "/images");
    go("gc", "/credentials");
    go("ge", "/events");
    go("g,", "/settings/about");
    go("?", "/keys");
    go("n", "/new");

    // In a list.
    page.visit(services).unwrap();
    page.keys("/").unwrap();
    page.keys("we").unwrap();
    page.press("Escape").unwrap();
    page.keys("j").unwrap();
    focused("web");
    page.keys("k").unwrap();
    focused("web");
    page.anew(|| page.press("Enter")).unwrap();
    page.until_at(service).unwrap();

    // On a service: a key leads to what changes something, and does not do it.
    go("l", &format!("{service}/logs"));
    page.visit(service).unwrap();
    page.keys("d").unwrap();
    page.until_so("the image can be typed", || Ok(page.focused()?.0 == "textbox")).unwrap();
    page.press("Escape").unwrap();
    go("r", &format!("{service}/deployments"));
    page.visit(service).unwrap();
    page.keys("c").unwrap();
    page.until_text("Copied").unwrap();

    // The palette, over any page.
    page.visit("/events").unwrap();
    page.press("Control+k").unwrap();
    page.keys("web").unwrap();
    page.until(&link("web")).unwrap();
    page.press("Escape").unwrap();
    page.until_gone(&link("web")).unwrap();
    page.press("Control+k").unwrap();
    page.keys("credent").unwrap();
    page.until_text("Credentials page").unwrap();
    page.press("ArrowDown").unwrap();
    focused("Credentials");
    page.anew(|| page.press("Enter")).unwrap();
    page.until(&heading("Credentials")).unwrap();
    seat.is_content();
}
