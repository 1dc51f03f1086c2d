//! Every page there is, judged by what does not depend on taste.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use xtask::bed::may_run_as_root;
use xtask::browser::{Browser, Colours, NARROW, Page, WIDE, button};
use xtask::screens::Town;

use super::answers;
use super::wizard::begin;
use crate::stage::BINARY;

/// So many pages that differ in names alone are looked at.
const OF_A_KIND: usize = 3;

#[test]
fn every_page_is_well_made_in_light_and_dark_and_fits_a_telephone() {
    let test = "every page is well made in light and dark, and fits a telephone";
    if !Browser::is_here(test) || !may_run_as_root(test) {
        return;
    }
    let town = Town::build(Path::new(BINARY)).unwrap();
    let browser = Browser::start().unwrap();
    let page = browser.open(town.platform.api_port()).unwrap();
    let mut faults = judged(&page, "/login");
    page.log_in(&town.platform.token()).unwrap();
    // The steps of the wizard lead to each other by buttons, which keep what was typed.
    begin(&page, "ghcr.io/acme/shop:2.4.1");
    for next in ["Next: settings", "Next: review"] {
        page.until(&button(next)).unwrap();
        faults.extend(judged(&page, &page.path().unwrap()));
        page.follow(&button(next)).unwrap();
    }
    faults.extend(judged(&page, &page.path().unwrap()));
    faults.extend(answers::faults(&page));
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut waiting = VecDeque::from(["/".to_owned()]);
    let mut seen = Vec::new();
    while let Some(path) = waiting.pop_front() {
        let of_a_kind = kinds.entry(kind(&path)).or_default();
        if seen.contains(&path) || *of_a_kind == OF_A_KIND {
            continue;
        }
        *of_a_kind += 1;
        faults.extend(judged(&page, &path));
        // What is saved as a file is no page.
        waiting.extend(page.links().unwrap().into_iter().filter(|link| !link.contains("/download")));
        seen.push(path);
    }
    for wanted in [
        "new?",
        "new/*/image?",
        "images?",
        "images/repository?name",
        "images/remove?name",
        "credentials?",
        "settings/tokens?",
        "projects/*/*/*/logs?",
    ] {
        assert!(kinds.contains_key(wanted), "{wanted} in {kinds:#?}");
    }
    println!("{} pages of {} kinds: {seen:#?}", seen.len(), kinds.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    // A page that is not there is a page too; that the browser complains of its status is right.
    page.visit("/projects/nobody").unwrap();
    assert_eq!(page.faults().unwrap(), Vec::<String>::new());
    assert_eq!(page.complaints().len(), 1);
    assert!(seen.len() > 30, "{seen:?}");
}

fn judged(page: &Page, path: &str) -> Vec<String> {
    visited(page, path);
    judged_here(page, path)
}

/// Goes there on a laptop, by day.
pub(super) fn visited(page: &Page, path: &str) {
    page.look(WIDE, Colours::Light).unwrap();
    page.visit(path).unwrap();
}

/// What is wrong with the page that is shown now, called so.
pub(super) fn judged_here(page: &Page, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for colours in [Colours::Light, Colours::Dark] {
        page.look(WIDE, colours).unwrap();
        let faults = page.faults().unwrap();
        found.extend(faults.into_iter().map(|fault| format!("{path} ({}): {fault}", colours.as_str())));
    }
    page.look(NARROW, Colours::Light).unwrap();
    found.extend(page.overhang().unwrap().into_iter().map(|what| format!("{path} (narrow): {what}")));
    found.extend(page.complaints().into_iter().map(|what| format!("{path}: {what}")));
    page.look(WIDE, Colours::Light).unwrap();
    found
}

/// An address without the names in it.
fn kind(path: &str) -> String {
    const WORDS: &[&str] = &[
        "deployments",
        "logs",
        "metrics",
        "variables",
        "volumes",
        "domains",
        "settings",
        "image",
        "review",
        "source",
        "repository",
        "remove",
    ];
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut parts: Vec<&str> = path.split('/').skip(1).collect();
    if ["projects", "deployments", "new", "images", "credentials"].contains(&parts[0]) {
        parts[1..].iter_mut().filter(|part| !WORDS.contains(part)).for_each(|part| *part = "*");
    }
    let asked: Vec<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    format!("{}?{}", parts.join("/"), asked.join("&"))
}
