//! Pages that answer what was sent: a form that comes back with what is wrong, a secret that is shown once.

use xtask::browser::{Page, button, heading};

use super::every_page::{judged_here, visited};
use super::wizard::begin;

/// The faults of each of them, on a platform with a service `website` and an image `ghcr.io/acme/billing:3.2.0`.
pub(super) fn faults(page: &Page) -> Vec<String> {
    let mut found = Vec::new();
    let mut judge = |what: &str, words: &str| {
        page.until_text(words).unwrap();
        found.extend(judged_here(page, what));
    };
    begin(page, "ghcr.io/acme/billing:3.2.0:x");
    page.follow(&button("Check image")).unwrap();
    judge("the wizard refuses a reference", "is not an image reference");
    page.write("Image", "ghcr.io/acme/billing:3.2.0").unwrap();
    page.until_text("Latest or exactly this").unwrap();
    page.follow(&button("Next: settings")).unwrap();
    page.write("Ports", "70000").unwrap();
    page.follow(&button("Next: review")).unwrap();
    judge("the wizard refuses settings", "65535");
    page.follow(&button("As .env text")).unwrap();
    page.write("Plain variables", "this is no line").unwrap();
    page.follow(&button("Rows")).unwrap();
    judge("the wizard refuses a text of variables", "line 1 is not a variable");
    page.visit("/events").unwrap();

    let website = |tab: &str| visited(page, &format!("/projects/default/production/website/{tab}"));
    website("settings");
    page.write("Memory of each", "plenty").unwrap();
    page.follow(&button("Save and deploy")).unwrap();
    judge("a service refuses settings", "plenty");
    website("variables?as=text");
    page.write("Plain variables", "this is no line").unwrap();
    page.follow(&button("Save and deploy")).unwrap();
    judge("a service refuses variables", "line 1 is not a variable");
    website("domains");
    page.write("Domain", "not_a_domain").unwrap();
    page.follow(&button("Add the domain")).unwrap();
    judge("a service refuses a domain", "not_a_domain");

    visited(page, "/credentials");
    page.write("Registry", "registry.example:0").unwrap();
    page.write("User name", "ci").unwrap();
    page.write("Password or token", "words").unwrap();
    page.follow(&button("Keep the login")).unwrap();
    judge("a login is refused", "is not a registry");
    assert_eq!(page.written("Password or token").unwrap(), "", "what was typed does not come back");
    for what in ["a token that is made", "a token that is refused"] {
        visited(page, "/settings/tokens");
        page.write("Name", "ci").unwrap();
        page.follow(&button("Make the token")).unwrap();
        let words = if what.ends_with("made") { "Copy it now" } else { "has a token ci already" };
        judge(what, words);
    }

    visited(page, "/projects/default/production");
    page.follow(&button("As cards")).unwrap();
    judge("services as cards", "As a table");
    page.follow(&button("As a table")).unwrap();
    page.until(&heading("default production")).unwrap();
    found
}
