//! The form above a log.

use maud::{Markup, html};
use mirage_control::{LOG_SERVICES_MAX, ServiceView};
use mirage_core::Error;

use super::wish::Wish;
use crate::field::Field;

/// Other services that can be chosen.
const OTHERS: usize = 20;

const LEVELS: [(&str, &str); 7] = [
    ("", "Any"),
    ("trace", "Trace or worse"),
    ("debug", "Debug or worse"),
    ("info", "Info or worse"),
    ("warn", "Warning or worse"),
    ("error", "Error or worse"),
    ("fatal", "Fatal"),
];
const SINCE: [(&str, &str); 7] = [
    ("", "The beginning"),
    ("5m", "5 minutes ago"),
    ("15m", "15 minutes ago"),
    ("1h", "1 hour ago"),
    ("6h", "6 hours ago"),
    ("1d", "1 day ago"),
    ("7d", "7 days ago"),
];
const LINES: [(&str, &str); 4] = [("100", "100"), ("500", "500"), ("2000", "2,000"), ("10000", "10,000")];

/// What can be chosen. `others` are the other services of the environment.
pub(super) fn form(
    path: &str,
    wish: &Wish,
    others: &[String],
    view: &ServiceView,
    error: Option<&Error>,
) -> Markup {
    let field = |name, label| Field { name, label, error, ..Field::default() };
    let count = wish.count().to_string();
    let tick = |on| if on { "yes" } else { "" };
    html! {
        form #log-form.log-form method="get" action=(path) role="search" {
            div.row {
                (Field {
                    value: &wish.text,
                    example: "timeout",
                    known_as: Some(if wish.is_regex { "regex" } else { "grep" }),
                    ..field("q", "Search")
                }.text())
                (Field { value: &wish.level, ..field("level", "Level") }.choice(&offered(&LEVELS, &wish.level)))
                (Field { value: &wish.since, ..field("since", "Since") }.choice(&offered(&SINCE, &wish.since)))
                (Field { value: &count, ..field("lines", "Lines") }.choice(&offered(&LINES, &count)))
                button.primary type="submit" { "Show" }
            }
            div.row {
                // What is wrong with the expression is said where it stands.
                (Field {
                    value: tick(wish.is_regex),
                    known_as: Some("none"),
                    ..field("regex", "Regular expression")
                }.tick())
                (Field { value: tick(wish.all), ..field("all", "Also lines without it") }.tick())
                (Field { value: tick(wish.nowrap), ..field("nowrap", "Long lines on one row") }.tick())
                (services(wish, others, view))
            }
            @for (name, value) in [("deployment", &wish.deployment), ("instance", &wish.instance)] {
                @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
            }
        }
    }
}

/// What is offered, and what is chosen where that is something else.
fn offered<'a>(options: &[(&'a str, &'a str)], chosen: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut offered = options.to_vec();
    if offered.iter().all(|(value, _)| *value != chosen) {
        offered.push((chosen, chosen));
    }
    offered
}

fn services(wish: &Wish, others: &[String], view: &ServiceView) -> Markup {
    let chosen = |name: &String| wish.with.contains(name);
    let known: Vec<&String> = others.iter().filter(|name| chosen(name)).collect();
    let offered = known.iter().copied().chain(others.iter().filter(|name| !chosen(name)));
    let more = others.len().saturating_sub(OTHERS);
    html! {
        @if !others.is_empty() {
            details open[!known.is_empty()] {
                summary { "Together with " @if known.is_empty() { "other services" } @else { (known.len()) " more" } }
                fieldset {
                    legend.sr { "Other services of " (view.environment.name) ", at most " (LOG_SERVICES_MAX - 1) }
                    @for name in offered.take(OTHERS.max(known.len())) {
                        @let id = format!("with-{name}");
                        span {
                            input id=(id) type="checkbox" name="with" value=(name) checked[chosen(name)];
                            label for=(id) { (name) }
                        }
                    }
                    @if more > 0 { p.quiet { (more) " more, which `mirage logs` reads together too" } }
                }
            }
        }
    }
}
