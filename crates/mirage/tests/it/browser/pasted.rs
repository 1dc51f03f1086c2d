//! A command that somebody has at hand, with a password in it.

use xtask::browser::{Page, button, heading};

use super::seat::Seat;
use super::wizard::deploy;
use crate::sample::script;

const PASSWORD: &str = "hunter2";

/// Has its variable on its page, at a port that the image does not name.
const TELLS: &str = "printf %s \"$PASSWORD\" > /www/index.html; exec httpd -f -p 80 -h /www";

#[test]
fn a_pasted_docker_run_becomes_the_service_it_describes_and_its_password_is_seen_by_the_process_alone() {
    let test =
        "a pasted docker run becomes the service it describes, its password is seen by the process alone";
    let Some(seat) = Seat::take(test) else { return };
    let (page, stage) = (&seat.page, &seat.stage);
    let reference = seat.pushed("acme/shop:1", &script(TELLS));
    let command = format!("docker run --name shop -e PASSWORD={PASSWORD} -p 8080:80 {reference}");
    page.visit("/new").unwrap();
    page.write("Image", &command).unwrap();
    page.follow(&button("Use a Docker image")).unwrap();
    page.until_at("/new/").unwrap();
    assert_eq!(page.written("Image").unwrap(), reference, "of the command its image is left");
    page.until_text("Taken over from the command: its name, port 80, 1 sealed variable.").unwrap();
    page.until_text("Latest or exactly this").unwrap();
    is_nowhere(page);

    // The same typed over it, which is answered without another page.
    page.write("Image", &command.replace("--name shop", "--name store")).unwrap();
    page.until_text("Taken over from the command: its name, port 80, 1 sealed variable.").unwrap();
    page.until_text("Latest or exactly this").unwrap();
    is_nowhere(page);
    page.follow(&button("Next: settings")).unwrap();
    for (label, value) in
        [("Name", "store"), ("Ports", "80"), ("Name of variable 1", "PASSWORD"), ("Value of variable 1", "")]
    {
        assert_eq!(page.written(label).unwrap(), value, "{label}");
    }
    is_nowhere(page);
    page.write("Name", "shop").unwrap();
    page.follow(&button("Next: review")).unwrap();
    page.until(&heading("What will happen")).unwrap();
    page.until_text("1, 1 of them sealed").unwrap();
    is_nowhere(page);
    let review = page.path().unwrap();
    page.visit("/new").unwrap();
    page.until_text(&reference).unwrap();
    is_nowhere(page);
    page.visit(&review).unwrap();
    deploy(page, "shop");
    is_nowhere(page);
    assert_eq!(stage.served("shop"), PASSWORD, "the process has it");

    let of_service = |tab: &str| format!("/projects/default/production/shop{tab}");
    let paths = [
        "/events".to_owned(),
        of_service(""),
        of_service("/variables"),
        of_service("/variables?as=text"),
        of_service("/settings"),
        of_service("/deployments"),
    ];
    for path in paths {
        page.visit(&path).unwrap();
        page.until_text("shop").unwrap();
        is_nowhere(page);
    }
    for path in
        ["/api/events?follow=false&limit=1000", "/api/services/shop", "/api/services/shop/deployments"]
    {
        let told = stage.platform.api("GET", path, None).unwrap();
        assert_eq!(told.status, 200, "{path}: {}", told.text());
        assert!(!told.text().contains(PASSWORD), "{path}: {}", told.text());
    }
    assert!(!stage.narration().contains(PASSWORD), "{}", stage.narration());
    seat.is_content();
}

/// The password is neither in what the page is made of nor in its address.
fn is_nowhere(page: &Page) {
    let path = page.path().unwrap();
    assert!(!path.contains(PASSWORD), "{path}");
    assert!(!page.markup().unwrap().contains(PASSWORD), "{path}");
}
