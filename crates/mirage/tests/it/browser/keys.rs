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
    let image = seat.pushed("acme/api:1", &web("api"));
    stage.done(&["deploy", &image, "--name", "api"]);
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
    page.keys("jk").unwrap();
    assert_eq!(page.written("Find a service by its name").unwrap(), "jk", "in a field they are letters");
    page.press("Escape").unwrap();
    // A row that changes meanwhile comes anew, and with it goes the focus.
    let walked = || {
        page.keys("kk")?;
        for (key, service) in [("j", "web"), ("k", "api")] {
            page.keys(key)?;
            if !page.focused()?.1.contains(service) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    page.until_so("a way down to `web` and up to `api`", walked).unwrap();
    page.keys("/").unwrap();
    page.keys("we").unwrap();
    page.anew(|| page.press("Enter")).unwrap();
    page.until(&link("web")).unwrap();
    assert!(!page.has(&link("api")).unwrap(), "it has no `we` in its name");
    let is_at_web = || page.keys("j").and_then(|()| Ok(page.focused()?.1.contains("web")));
    page.until_so("the focus at `web`", is_at_web).unwrap();
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
    // It is said for a moment alone.
    page.watch_for("Copied").unwrap();
    // A piece that comes anew just then takes the button with it.
    let is_copied = || page.keys("c").and_then(|()| Ok(page.seen_at()? > 0.0));
    page.until_so("that it is copied", is_copied).unwrap();

    // The palette, over any page. This one has no link to the service itself.
    page.visit("/settings/about").unwrap();
    page.press("Control+k").unwrap();
    page.keys("web").unwrap();
    page.until(&link("web")).unwrap();
    page.press("Escape").unwrap();
    page.until_gone(&link("web")).unwrap();
    page.press("Control+k").unwrap();
    page.keys("credent").unwrap();
    let found = || page.text().map(|text| text.contains("Credentials page") && !text.contains("Vault page"));
    page.until_so("what is called so, and nothing else", found).unwrap();
    page.press("ArrowDown").unwrap();
    focused("Credentials");
    page.anew(|| page.press("Enter")).unwrap();
    page.until(&heading("Credentials")).unwrap();
    seat.is_content();
}
