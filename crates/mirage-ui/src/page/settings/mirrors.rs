//! `/settings/mirrors`: which registries are asked in which way. It is chosen where the platform is started.

use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};
use mirage_control::{Control, Setup};

use super::framed;
use crate::copy::copyable;
use crate::fault::Fault;
use crate::visitor::Visitor;

/// `GET /settings/mirrors`
pub(crate) async fn show(State(control): State<Control>, visitor: Visitor) -> Result<Html<String>, Fault> {
    let setup = control.about(visitor.actor()).await?.setup;
    let body = html! {
        section aria-labelledby="mirrors" {
            h2 #mirrors { "Mirrors" }
            p { "Registries that are asked before others. The registry itself is asked where its mirrors do not help, "
                "and a login goes to the registry alone." }
            (mirrors(&setup))
        }
        section aria-labelledby="plain" {
            h2 #plain { "Plain HTTP" }
            p { @if setup.plain_http.is_empty() { "Only registries on this machine are asked over plain HTTP." } @else {
                "Beside those on this machine:" @for host in &setup.plain_http { " " code { (host) } }
            } }
        }
        section aria-labelledby="change" {
            h2 #change { "To change it" }
            p { "This is chosen when the platform starts. Start it anew with other options, or set these variables; "
                "services go on meanwhile." }
            ul.list {
                li { (copyable("mirage serve --registry-mirror docker.io=mirror.example")) " or " code { "MIRAGE_REGISTRY_MIRRORS" } }
                li { (copyable("mirage serve --insecure-registry registry.example:5000")) " or " code { "MIRAGE_INSECURE_REGISTRIES" } }
            }
        }
    };
    Ok(framed(&visitor, "Mirrors", &["mirage serve --help".to_owned()], &body))
}

fn mirrors(setup: &Setup) -> Markup {
    html! {
        @if setup.mirrors.is_empty() {
            div.empty { p { strong { "No registry has a mirror." } } p { "Each is asked itself." } }
        } @else {
            div.scroll role="group" aria-label="Mirrors" tabindex="0" {
                table {
                    thead { tr { th scope="col" { "Registry" } th scope="col" { "Is asked at" } } }
                    tbody {
                        @for (of, at) in &setup.mirrors { tr { th scope="row" { (of) } td.mono { (at) } } }
                    }
                }
            }
        }
    }
}
