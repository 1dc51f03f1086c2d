//! What is different between two deployments.

use serde_json::Value;
use xtask::browser::{button, heading, link};

use super::seat::Seat;
use crate::sample::web;

#[test]
fn two_deployments_are_compared_by_their_bytes_and_by_the_names_of_what_changed() {
    let test = "two deployments are compared by their bytes, and by the names of what changed";
    let Some(seat) = Seat::take(test) else { return };
    let (page, stage) = (&seat.page, &seat.stage);
    let deployed = [
        ("1", "GREETING=good morning", "COLOUR=red", "128MiB"),
        ("2", "GREETING=good night", "SHAPE=hexagonal", "64MiB"),
    ];
    let digests = deployed.map(|(tag, greeting, own, memory)| {
        let image = seat.pushed(&format!("acme/web:{tag}"), &web(tag));
        let words = ["-e", greeting, "-e", own, "-e", "REGION=north", "--memory", memory];
        stage.done(&[&["deploy", image.as_str(), "--name", "web"], words.as_slice()].concat());
        let told: Value = stage.platform.api("GET", "/api/services/web", None).unwrap().json().unwrap();
        let digest = told["imageDigest"].as_str().unwrap_or_else(|| panic!("no digest in {told}"));
        digest.trim_start_matches("sha256:")[..12].to_owned()
    });
    assert_ne!(digests[0], digests[1]);
    page.visit("/projects/default/production/web").unwrap();
    page.follow(&link("#1")).unwrap();
    page.until(&heading("web #1")).unwrap();
    page.choose("With", "#2").unwrap();
    page.follow(&button("Compare")).unwrap();
    let text = page.text().unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let row = |name: &str| {
        let row = rows.iter().find(|row| row.len() > 1 && row[0] == name);
        row.unwrap_or_else(|| panic!("no {name} in: {text}"))[1..].to_vec()
    };
    // The older one stands first, whichever was asked.
    assert_eq!(row("Setting"), ["#1 deploy superseded", "#2 deploy active"]);
    assert_eq!(row("Digest"), digests);
    let image = |tag: &str| stage.registry.reference(&format!("acme/web:{tag}"));
    assert_eq!(row("Image"), [image("1"), image("2")]);
    assert_eq!(row("Memory of each"), ["128MiB", "64MiB"]);
    // Of variables the names alone, and of them those that are different.
    assert_eq!(row("Variables"), ["GREETING, SHAPE different"]);
    let markup = page.markup().unwrap();
    for value in ["good morning", "good night", "hexagonal", "REGION"] {
        assert!(!markup.contains(value), "{value}");
    }
    seat.is_content();
}
