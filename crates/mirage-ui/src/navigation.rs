//! The navigation: what is always one step away, and what holds for every page.

use maud::{Markup, html};
use mirage_core::Name;

use crate::form::token;
use crate::keys;
use crate::link;
use crate::page::jump::palette;
use crate::visitor::{Theme, Visitor};

/// A page that is always one step away.
pub(crate) struct Place {
    /// Its address.
    pub(crate) path: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// The key that follows `g`.
    pub(crate) key: char,
    /// Where one is within it too.
    also: &'static [&'static str],
}

/// All of them.
pub(crate) const PLACES: [Place; 5] = [
    Place { path: "/projects", name: "Projects", key: 'p', also: &["/deployments"] },
    Place { path: "/images", name: "Images", key: 'i', also: &[] },
    Place { path: "/credentials", name: "Credentials", key: 'c', also: &[] },
    Place { path: "/events", name: "Events", key: 'e', also: &[] },
    Place { path: "/settings", name: "Settings", key: ',', also: &[] },
];

/// The looks that can be chosen: value and word. The first leaves it to the browser.
const THEMES: [(&str, &str); 3] = [("system", "Auto"), ("light", "Light"), ("dark", "Dark")];

/// The navigation with the palette that it opens.
pub(crate) fn navigation(visitor: &Visitor) -> Markup {
    html! {
        // It is open where there is room; the style says so, as a closed one cannot.
        details.menu { summary { "Menu" } }
        nav.main aria-label="Platform" {
            a.new href=(new_service(visitor)) data-key=(keys::NEW) { "New service" }
            ul {
                li { a href="/jump" data-key=(keys::JUMP) aria-current=[current(visitor, "/jump", &[])] { "Jump to" } }
                li { a href=(services(visitor)) data-key=(keys::SERVICES) { "Services" } }
                @for place in &PLACES {
                    li {
                        a href=(place.path) data-key=(format!("g {}", place.key))
                            aria-current=[current(visitor, place.path, place.also)] { (place.name) }
                    }
                }
            }
        }
        (palette(visitor))
        div.foot {
            form.theme method="post" action="/theme" aria-label="Theme" {
                (token(visitor))
                input type="hidden" name="back" value=(visitor.path());
                @for (value, word) in THEMES {
                    button name="theme" value=(value) aria-pressed=(chosen(visitor, value)) { (word) }
                }
            }
            a href="/keys" data-key=(keys::HELP) aria-current=[current(visitor, "/keys", &[])] { "Keys" }
            form.leave method="post" action="/logout" {
                (token(visitor))
                span { (visitor.actor().name()) }
                button type="submit" { "Log out" }
            }
        }
    }
}

/// Where a new service is made: in the environment that somebody looks at, where they do.
fn new_service(visitor: &Visitor) -> String {
    match place(visitor) {
        (Some(project), Some(environment)) => format!("/new?project={project}&environment={environment}"),
        (Some(project), None) => format!("/new?project={project}"),
        _ => "/new".to_owned(),
    }
}

/// Where the services are: those of the environment that somebody looks at, where they do.
fn services(visitor: &Visitor) -> String {
    match place(visitor) {
        (Some(project), Some(environment)) => link::environment(project.as_str(), environment.as_str()),
        (Some(project), None) => format!("/projects/{project}"),
        _ => "/".to_owned(),
    }
}

/// The project and the environment that somebody looks at.
fn place(visitor: &Visitor) -> (Option<Name>, Option<Name>) {
    let path = visitor.path().split('?').next().unwrap_or_default();
    let mut parts = path.strip_prefix("/projects/").unwrap_or_default().split('/');
    let mut name = || parts.next().and_then(|part| part.parse::<Name>().ok());
    (name(), name())
}

/// Whether somebody is at a place, or at a page below it.
fn current(visitor: &Visitor, place: &str, also: &[&str]) -> Option<&'static str> {
    let path = visitor.path().split('?').next().unwrap_or_default();
    if path == place {
        return Some("page");
    }
    let below = |place: &str| path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'));
    (below(place) || also.iter().any(|place| below(place))).then_some("true")
}

fn chosen(visitor: &Visitor, value: &str) -> &'static str {
    if visitor.theme().unwrap_or(Theme::NONE) == value { "true" } else { "false" }
}
