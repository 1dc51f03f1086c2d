//! References as people write them, right and wrong.

use xtask::browser::{Page, button, checkbox, field, heading};

use super::seat::Seat;
use super::wizard::begin;
use crate::sample::{script, web};

/// What is wrong with the whole, and the words of the platform for it.
const WRONG: [(&str, &str); 7] = [
    ("ghcr.io/Acme/web:1", "the repository Acme/web has upper-case letters"),
    ("acme//web:1", "the repository acme//web has an empty part"),
    ("nginx:1.27!", "the tag 1.27! has !, which is neither a letter"),
    (
        "registry.example:https/web:1",
        "the registry has the port https, which is not a number from 1 to 65535",
    ),
    (
        "registry.example:65536/web:1",
        "the registry has the port 65536, which is not a number from 1 to 65535",
    ),
    ("nginx@sha256:12ab", "the digest is wrong"),
    ("-registry.example/web:1", "the registry -registry.example has the part -registry"),
];

/// What is wrong with a part, by the label of its field.
const WRONG_PARTS: [(&str, &str, &str); 5] = [
    ("Tag", "1.27 beta", "it has a space in it"),
    ("Tag", "1.27!", "the tag 1.27! has !, which is neither a letter"),
    ("Digest", "sha256:12ab", "the digest is wrong"),
    ("Name", "Acme/web", "the repository Acme/web has upper-case letters"),
    ("Address of another registry", "registry.example:0", "the registry has the port 0"),
];

/// What a browser has to take.
const RIGHT: [&str; 8] = [
    "nginx",
    "acme/web:v1.2.3-rc.1",
    "ghcr.io/acme/team/web__api:2.1",
    "registry.example:5000/acme/web",
    "localhost:65535/a:1",
    "[::1]:5000/acme/web:1",
    "quay.io/acme/web:1@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "docker pull ghcr.io/acme/web:1",
];

#[test]
fn a_wrong_reference_is_refused_while_it_is_typed_and_the_wrong_part_is_named() {
    let test = "a wrong reference is refused while it is typed, and the wrong part is named";
    let Some(seat) = Seat::take(test) else { return };
    let page = &seat.page;
    page.visit("/new").unwrap();
    page.follow(&button("Use a Docker image")).unwrap();
    page.until_text("There is no image yet.").unwrap();
    let is_refused = |label: &str, words: &str| {
        assert_ne!(
            page.refused(label).unwrap(),
            "",
            "the browser lets `{}` pass",
            page.written(label).unwrap()
        );
        page.until_text(words).unwrap();
        page.until_text("not a reference").unwrap();
        page.until_text("The image is not written as a reference.").unwrap();
        assert!(page.is_off(&button("Next: settings")).unwrap());
    };
    for (text, words) in WRONG {
        page.write("Image", text).unwrap();
        is_refused("Image", words);
    }
    // What it should have been is told where that can be known.
    page.write("Image", WRONG[0].0).unwrap();
    page.until_text("repositories are lower-case: ghcr.io/acme/web:1").unwrap();
    // Loaded anew, it stands at the field.
    page.reload().unwrap();
    is_refused("Image", WRONG[0].1);

    seat.pushed("library/nginx:1.27", &web("right"));
    for (label, text, words) in WRONG_PARTS {
        page.write("Image", "nginx:1.27").unwrap();
        page.until_text("Latest or exactly this").unwrap();
        if label == "Address of another registry" {
            page.choose("Registry", "Another registry").unwrap();
        }
        page.write(label, text).unwrap();
        is_refused(label, words);
    }
    for text in RIGHT {
        page.write("Image", text).unwrap();
        assert_eq!(page.refused("Image").unwrap(), "", "{text}");
    }
    page.write("Image", "nginx:1.27").unwrap();
    page.until_text("Latest or exactly this").unwrap();
    assert!(!page.is_off(&button("Next: settings")).unwrap());
    seat.is_content();
}

/// From the image, which is read already, to a service that is active.
fn goes_on(page: &Page, name: &str) {
    page.follow(&button("Next: review")).unwrap();
    page.until(&heading("What will happen")).unwrap();
    page.follow(&button("Deploy")).unwrap();
    page.until_text(&format!("{name} #1 is active")).unwrap();
}

#[test]
fn images_of_three_registries_become_services_whose_cards_say_where_they_are_from() {
    let test = "images of three registries become services whose cards say where they are from";
    let Some(seat) = Seat::take(test) else { return };
    let (page, stage) = (&seat.page, &seat.stage);
    // One of GitHub, several names deep: it says its port, and is asked there.
    seat.pushed("acme/team/shop:1.4", &web("from github"));
    begin(page, "ghcr.io/acme/team/shop:1.4");
    page.until_text("Latest or exactly this").unwrap();
    assert_eq!(page.written("Name").unwrap(), "acme/team/shop");
    page.follow(&button("Next: settings")).unwrap();
    page.until_text("From the image: 8080").unwrap();
    goes_on(page, "shop");
    assert_eq!(stage.served("shop"), "from github");

    // One at an address with a port, which listens elsewhere than it says.
    let image = script("exec httpd -f -p 3000 -h /www").expose(9090);
    let elsewhere = seat.pushed("acme/tools/api:2", &image);
    begin(page, &elsewhere);
    page.until_text("Latest or exactly this").unwrap();
    assert_eq!(page.written("Address of another registry").unwrap(), stage.registry.address());
    // The digest is taken along, and the tag stays beside it.
    page.click(&checkbox("Pin this digest").beginning()).unwrap();
    page.follow(&button("Next: settings")).unwrap();
    page.until_text("From the image: 8080 9090").unwrap();
    page.write("Ports", "3000").unwrap();
    goes_on(page, "api");
    assert_eq!(stage.served("api"), "it runs");

    // One of Docker Hub by its short name, from a terminal.
    seat.pushed("library/nginx:1.27", &web("from the hub"));
    stage.done(&["deploy", "nginx:1.27", "--name", "site"]);

    let cards = of_services(page);
    for (name, words) in [
        ("shop", "Image of GitHub ghcr.io/acme/team/shop:1.4".to_owned()),
        ("api", format!("Image of a registry {elsewhere}")),
        ("site", "Image of Docker Hub nginx:1.27".to_owned()),
    ] {
        let card = cards.iter().find(|card| card.starts_with(name)).unwrap();
        assert!(card.contains(&words), "no `{words}` in: {card}");
        assert!(card.contains("active") && card.contains("1/1 running"), "{card}");
        assert!(card.contains(&format!("{name}-production.localhost")), "{card}");
    }
    assert_eq!(cards.len(), 3);
    // How they are shown is remembered, and the table says the same.
    page.visit("/projects").unwrap();
    page.visit("/projects/default/production").unwrap();
    page.follow(&button("As a table")).unwrap();
    let table = words(&page.text().unwrap());
    assert!(table.contains("Image of GitHub ghcr.io/acme/team/shop:1.4"), "{table}");
    page.until(&button("As cards")).unwrap();
    assert!(page.has(&field("Find a service by its name")).unwrap());
    seat.is_content();
}

/// What each card says.
fn of_services(page: &Page) -> Vec<String> {
    page.visit("/projects/default/production").unwrap();
    page.follow(&button("As cards")).unwrap();
    page.until(&button("As a table")).unwrap();
    page.items("Services").unwrap().iter().map(|card| words(card)).collect()
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
