//! What we build on: licences and duplicates, by the rules of `deny.toml`.
//!
//! `cargo deny check licenses bans` reads the same file and holds the same rules; this check is
//! for machines that do not have it.

mod licence;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Finding;
use super::tree::Tree;
use crate::workspace::Built;

const RULES: &str = "deny.toml";

#[derive(Deserialize)]
struct Rules {
    licenses: Licences,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
    clarify: Vec<Clarification>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Clarification {
    #[serde(rename = "crate")]
    name: String,
    expression: String,
}

#[derive(Deserialize)]
struct Bans {
    skip: Vec<Named>,
    deny: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "crate")]
    name: String,
    reason: Option<String>,
}

pub(super) fn check(tree: &Tree, built: &BTreeSet<Built>) -> Result<Vec<Finding>> {
    let text = tree.text(RULES).context("deny.toml is missing")?;
    let rules: Rules = toml::from_str(text).context("deny.toml is not understood")?;
    let mut found = licences(&rules.licenses, built);
    found.extend(duplicates(&rules.bans, built));
    found.extend(denied(&rules.bans, built));
    Ok(found)
}

fn licences(rules: &Licences, built: &BTreeSet<Built>) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in built {
        let clarified = rules.clarify.iter().find(|entry| entry.name == package.name);
        let stated = clarified.map_or(package.license.as_str(), |entry| entry.expression.as_str());
        if stated.is_empty() {
            found.push(Finding::new(RULES, 0, format!("`{}` states no licence", package.name)));
            continue;
        }
        let extra = rules.exceptions.iter().filter(|entry| entry.name == package.name);
        let allowed: BTreeSet<&str> =
            rules.allow.iter().chain(extra.flat_map(|entry| &entry.allow)).map(String::as_str).collect();
        if !licence::is_allowed(stated, &allowed) {
            found.push(Finding::new(
                RULES,
                0,
                format!("`{}` is under `{stated}`, which is not on the list", package.name),
            ));
        }
    }
    found
}

/// Each crate in one version, but for the dated exceptions; an exception that is no longer needed goes.
fn duplicates(rules: &Bans, built: &BTreeSet<Built>) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in built {
        versions.entry(&package.name).or_default().insert(exact(package));
    }
    let mut found = Vec::new();
    for (name, exact) in versions.iter().filter(|(_, exact)| exact.len() > 1) {
        let left: Vec<&str> = exact
            .iter()
            .map(String::as_str)
            .filter(|exact| !rules.skip.iter().any(|skip| skip.name == **exact))
            .collect();
        if left.len() > 1 {
            found.push(Finding::new(
                RULES,
                0,
                format!("`{name}` is built more than once: {}", left.join(", ")),
            ));
        }
    }
    for skip in &rules.skip {
        let name = skip.name.split('@').next().unwrap_or_default();
        let needed = versions.get(name).is_some_and(|exact| exact.len() > 1 && exact.contains(&skip.name));
        if !needed {
            found.push(Finding::new(
                RULES,
                0,
                format!("the exception for `{}` is no longer needed", skip.name),
            ));
        }
        if !skip.reason.as_deref().is_some_and(starts_with_date) {
            found.push(Finding::new(
                RULES,
                0,
                format!("the exception for `{}` has no dated reason", skip.name),
            ));
        }
    }
    found
}

fn exact(package: &Built) -> String {
    format!("{}@{}", package.name, package.version)
}

fn starts_with_date(reason: &str) -> bool {
    let shape: String = reason.chars().take(10).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00"
}

fn denied(rules: &Bans, built: &BTreeSet<Built>) -> Vec<Finding> {
    let here = |name: &str| built.iter().any(|package| package.name == name);
    rules
        .deny
        .iter()
        .filter(|denied| here(&denied.name))
        .map(|denied| {
            let why = denied.reason.as_deref().unwrap_or("deny.toml says so");
            Finding::new(RULES, 0, format!("`{}` is not to be built in: {why}", denied.name))
        })
        .collect()
}
