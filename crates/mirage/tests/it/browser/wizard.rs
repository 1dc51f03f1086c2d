//! The way from an image to a service that serves.

use xtask::browser::{Page, button, checkbox, field, heading, link};

use super::seat::Seat;
use crate::sample::web;

/// Begins a draft with this image.
pub(super) fn begin(page: &Page, image: &str) {
    page.visit("/new").unwrap();
    page.until(&heading("Docker image")).unwrap();
    page.until(&heading("Source repository")).unwrap();
    page.write("Image", image).unwrap();
    page.follow(&button("Use a Docker image")).unwrap();
    page.until_at("/new/").unwrap();
    assert_eq!(page.written("Image").unwrap(), image);
}

/// Deploys what the review shows, and waits until it is active.
pub(super) fn deploy(page: &Page, name: &str) {
    page.until(&heading("What will happen")).unwrap();
    page.follow(&button("Deploy")).unwrap();
    page.until_at("/deployments/").unwrap();
    page.until(&heading(&format!("{name} #1"))).unwrap();
    let is_active = || {
        if page.text()?.contains("active") {
            return Ok(true);
        }
        page.reload()?;
        Ok(false)
    };
    page.until_so("the end of the deployment", is_active).unwrap();
}

#[test]
fn an_image_by_the_short_name_of_docker_hub_becomes_a_service_in_one_go() {
    let Some(seat) = Seat::take("an image by the short name of Docker Hub becomes a service in one go")
    else {
        return;
    };
    let page = &seat.page;
    seat.pushed("library/nginx:1.27", &web("from the hub"));
    page.follow(&link("New service")).unwrap();
    begin(page, "nginx:1.27");
    page.until_text("Means docker.io/library/nginx:1.27").unwrap();
    page.until_text("found").unwrap();

    // While it is typed, the browser and the platform say what is wrong.
    page.write("Image", "nginx:1.27:x").unwrap();
    assert_ne!(page.refused("Image").unwrap(), "");
    page.until_text("not a reference").unwrap();
    page.write("Image", "nginx:9").unwrap();
    page.until_text("not readable").unwrap();
    page.until_text("The image could not be read.").unwrap();
    page.write("Image", "docker run -d -p 80:8080 nginx:1.27").unwrap();
    page.until_text("Taken over from the command: port 8080.").unwrap();
    page.until_text("Latest or exactly this").unwrap();
    page.follow(&button("Next: settings")).unwrap();

    page.until_text("From the image: 8080").unwrap();
    assert_eq!(page.written("Name").unwrap(), "nginx");
    page.write("Name of variable 1", "GREETING").unwrap();
    page.write("Value of variable 1", "hello").unwrap();
    page.follow(&button("Next: review")).unwrap();
    page.until_text("default/production/nginx").unwrap();
    page.until(&heading("What will happen")).unwrap();
    page.follow(&button("Deploy")).unwrap();
    page.until(&heading("nginx #1")).unwrap();
    // Nothing is loaded anew: it is told.
    page.until_text("nginx #1 is active").unwrap();
    assert_eq!(seat.stage.served("nginx"), "from the hub");
    page.follow(&link("nginx")).unwrap();
    page.until_text("nginx:1.27").unwrap();
    seat.is_content();
}

#[test]
fn the_whole_wizard_works_without_script() {
    let Some(seat) = Seat::take("the whole wizard works without script") else { return };
    let page = &seat.page;
    page.let_scripts_run(false).unwrap();
    let reference = seat.pushed("acme/plain:1", &web("plain"));
    begin(page, &seat.stage.registry.reference("acme/plain:none"));
    page.follow(&button("Check image")).unwrap();
    page.until_text("not readable").unwrap();
    page.write("Image", &reference).unwrap();
    page.follow(&button("Check image")).unwrap();
    page.until_text("found").unwrap();
    assert_eq!(page.written("Address of another registry").unwrap(), seat.stage.registry.address());
    page.click(&checkbox("Pin this digest").beginning()).unwrap();
    page.follow(&button("Next: settings")).unwrap();
    page.write("Name", "not a name").unwrap();
    // The browser itself keeps it from being sent.
    page.click(&button("Next: review")).unwrap();
    assert_ne!(page.refused("Name").unwrap(), "");
    page.write("Name", "plain").unwrap();
    page.write("Ports", "70000").unwrap();
    page.follow(&button("Next: review")).unwrap();
    page.until_text("65535").unwrap();
    assert_eq!(page.written("Ports").unwrap(), "70000", "what was typed is there");
    page.write("Ports", "8080").unwrap();
    page.follow(&button("Next: review")).unwrap();
    deploy(page, "plain");
    assert_eq!(seat.stage.served("plain"), "plain");
    seat.is_content();
}

#[test]
fn the_keyboard_alone_is_enough() {
    let Some(seat) = Seat::take("the keyboard alone is enough") else { return };
    let page = &seat.page;
    let reference = seat.pushed("acme/keys:1", &web("keys"));
    let press = |element| {
        page.tab_to(&element).unwrap();
        page.anew(|| page.press("Enter")).unwrap();
    };
    page.visit("/new").unwrap();
    page.tab_to(&field("Image")).unwrap();
    page.keys(&reference).unwrap();
    page.anew(|| page.press("Enter")).unwrap();
    page.until_text("Latest or exactly this").unwrap();
    press(button("Next: settings"));
    page.tab_to(&field("Name")).unwrap();
    page.press("Control+a").unwrap();
    page.keys("typed").unwrap();
    press(button("Next: review"));
    press(button("Deploy"));
    page.until(&heading("typed #1")).unwrap();
    page.until_text("typed #1 is active").unwrap();
    assert_eq!(seat.stage.served("typed"), "keys");
    seat.is_content();
}
