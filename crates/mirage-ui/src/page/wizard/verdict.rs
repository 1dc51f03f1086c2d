//! What is known of an image, in a line and in detail.

use jiff::Timestamp;
use maud::{Markup, html};
use mirage_core::{Error, Meaning, human_bytes};

use super::image::View;
use super::look::{Found, Outcome, Seen};
use super::pasted::note;
use crate::badge::{State, class};
use crate::prose::prose;
use crate::when::{ago, cut};

/// The longest text of a part, in characters.
const LONG: usize = 200;

/// The verdict about the image of a draft. It is asked for by itself where there is none yet, and again where it may have
/// changed; not where the login was refused, as some registries lock out whoever is wrong too often.
pub(super) fn verdict(view: &View) -> Markup {
    let untold = view.wrong.is_none() && !view.is_empty();
    let stale = match &view.seen {
        Some(seen) => seen.found().is_none() && !seen.wants_login(),
        None => untold,
    };
    html! {
        section.verdict #verdict aria-label="What the registry says" aria-live="polite"
            hx-post=[stale.then(|| view.verdict("load"))] hx-trigger=[stale.then_some("load")]
            hx-include=[stale.then_some("closest form")] hx-sync=[stale.then_some("closest form:drop")] {
            (answer(view))
        }
    }
}

/// What stands in it.
pub(super) fn answer(view: &View) -> Markup {
    html! {
        (note(&view.fields))
        @match (&view.wrong, &view.seen) {
            (Some(wrong), _) if !view.is_empty() => (refused("not a reference", wrong)),
            (_, None) if view.is_empty() => p.quiet { "What it is, and whether it runs here, is shown when it is typed." },
            (_, None) => p.quiet { "It was not looked at yet. “Check image” asks its registry." },
            (_, Some(seen)) => @match &seen.outcome {
                Outcome::Refused { .. } => @if let Some(error) = seen.refusal() {
                    (refused(if seen.wants_login() { "needs a login" } else { "not readable" }, &error))
                },
                Outcome::Found(found) => (of_found(found, seen.at, view.now)),
            },
        }
    }
}

fn refused(word: &'static str, error: &Error) -> Markup {
    html! {
        div.notice.bad {
            p {
                (State { meaning: Meaning::Bad, word, since: None }.badge(Timestamp::UNIX_EPOCH))
                " " strong { (prose(error.message())) }
            }
            @if let Some(hint) = error.next_step() { p { (prose(hint)) } }
            p.code { (error.code()) }
        }
    }
}

fn of_found(found: &Found, at: Timestamp, now: Timestamp) -> Markup {
    let (meaning, word) = match (found.runs, found.warns()) {
        (false, _) => (Meaning::Bad, "cannot run"),
        (true, true) => (Meaning::Warn, "found"),
        (true, false) => (Meaning::Ok, "found"),
    };
    html! {
        div class=(format!("notice {}", class(meaning))) {
            p {
                (State { meaning, word, since: None }.badge(now))
                " " strong { (prose(&found.line)) } " " span.quiet { "asked " (ago(at, now)) }
            }
            @if !found.findings.is_empty() {
                ul.findings {
                    @for (severity, message, hint) in &found.findings {
                        li {
                            strong { (severity) } ": " (prose(message))
                            @if let Some(hint) = hint { span.quiet { " · " (prose(hint)) } }
                        }
                    }
                }
            }
        }
    }
}

/// What is known of the image, in detail.
pub(super) fn known(view: &View, part_of_answer: bool) -> Markup {
    let found = view.seen.as_ref().and_then(Seen::found);
    html! {
        div #known hx-swap-oob=[part_of_answer.then_some("true")] {
            @if let Some(found) = found { (details(found, view.now)) }
        }
    }
}

fn details(found: &Found, now: Timestamp) -> Markup {
    let ports: Vec<String> = found.ports.iter().map(ToString::to_string).collect();
    let others: Vec<&str> = found.platforms.iter().map(String::as_str).collect();
    html! {
        dl.properties {
            dt { "Digest" } dd.mono { (found.digest) }
            dt { "Size" } dd { (human_bytes(found.size_bytes)) " in " (found.layers) @if found.layers == 1 { " layer, " } @else { " layers, " } (found.to_move()) }
            dt { "Platform" }
            dd { (found.platform) @if others.len() > 1 { span.quiet { " of " (others.join(", ")) } } }
            dt { "Built" } dd { @match found.created { Some(at) => (ago(at, now)), None => "it does not say" } }
            dt { "Ports" } dd { @if ports.is_empty() { "none exposed" } @else { (ports.join(", ")) } }
            dt { "User" } dd.mono { @if found.user.is_empty() { "root" } @else { (cut(&found.user, LONG)) } }
            dt { "Runs" } dd.mono { (cut(&found.program, LONG)) }
            dt { "Health" }
            dd { @match &found.health {
                Some(command) => { "its HEALTHCHECK: " span.mono { (cut(command, LONG)) } },
                None => "no HEALTHCHECK",
            } }
            @if !found.volumes.is_empty() {
                dt { "Writes to" } dd.mono { (cut(&found.volumes.join(" "), LONG)) }
            }
            @for (name, text) in &found.about { dt { "Its " (name) } dd { (cut(text, LONG)) } }
            @if !found.signature.is_empty() { dt { "Signature" } dd { (found.signature) } }
            @if let Some(quota) = &found.quota { dt { "Registry" } dd { (quota) } }
        }
    }
}
