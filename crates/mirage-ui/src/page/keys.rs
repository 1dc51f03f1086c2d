//! `/keys`: the keyboard map.

use axum::response::Html;
use maud::{Markup, html};

use crate::keys::{MAP, spoken};
use crate::navigation::PLACES;
use crate::shell::Page;
use crate::visitor::Visitor;

/// `GET /keys`
pub(crate) async fn map(visitor: Visitor) -> Html<String> {
    let body = html! {
        h1 { "Keys" }
        p {
                "Each key follows a link of the page, or goes to a field or to a button that changes something: Enter presses it then. "
                "None does anything while you type in a field."
             }
        div.keys {
            @for group in &MAP {
                section aria-label=(group.name) {
                    h2 { (group.name) }
                    dl.properties { @for key in group.keys { (row(key.keys, key.does)) } }
                }
            }
            section aria-label="Places" {
                h2 { "Places" }
                dl.properties {
                    @for place in &PLACES {
                        (row(&format!("g {}", place.key), &format!("go to {}", place.name.to_lowercase())))
                    }
                }
            }
        }
    };
    let twin = ["mirage help".to_owned()];
    Page { title: "Keys", visitor: Some(&visitor), crumbs: &[], twin: &twin, body }.into_html()
}

fn row(keys: &str, does: &str) -> Markup {
    html! { dt { kbd { (spoken(keys)) } } dd { (does) } }
}
