//! `/settings/vault`: the key that secrets are sealed with.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::html;
use mirage_control::Control;
use mirage_core::{Error, EventKind, Result};

use super::{framed, newest};
use crate::fault::{Fault, explained};
use crate::form::{Sent, again, button};
use crate::visitor::Visitor;
use crate::when::ago;

/// `GET /settings/vault`
pub(crate) async fn show(State(control): State<Control>, visitor: Visitor) -> Result<Html<String>, Fault> {
    Ok(page(&control, &visitor, None).await?)
}

/// `POST /settings/vault/rotate`
pub(crate) async fn rotate(
    State(control): State<Control>,
    Sent { visitor, .. }: Sent,
) -> Result<Response, Fault> {
    match control.rotate_vault(visitor.actor()).await {
        Ok(_) => Ok(Redirect::to("/settings/vault").into_response()),
        Err(error) => Ok(again(page(&control, &visitor, Some(&error)).await?)),
    }
}

async fn page(control: &Control, visitor: &Visitor, error: Option<&Error>) -> Result<Html<String>> {
    let (last, now) = (newest(control, visitor, "vaultRotated").await?, control.now());
    let body = html! {
        section aria-labelledby="key" {
            h2 #key { "The key" }
            p { "Passwords for registries, sealed variables and the keys of certificates are sealed with it. It is in "
                code { "vault.key" } " in the data directory, unless " code { "MIRAGE_VAULT_KEY" }
                " holds it. Keep a copy in another place: without it, what is sealed cannot be opened by anybody." }
        }
        section aria-labelledby="rotate" {
            h2 #rotate { "A new key" }
            p { "Makes a new key and seals everything anew with it: passwords for registries, sealed variables of services and "
                "of all their revisions, shared ones, keys of certificates, and what was typed for services that are not made yet." }
            ul {
                li { "It can be done at any time: nothing is restarted, and services and traffic go on. Whoever changes something at that moment waits until it is done." }
                li { "Everybody at a browser logs in again, you too. Tokens stay as they are." }
                li { "The secrets themselves stay the same. Of one that somebody may have seen, change the password where it comes from." }
                li { "The old key is taken out of " code { "vault.key" } ": copy the new file to where you keep a copy. A backup from before needs the "
                    "old key, so keep that as long as you keep the backup." }
                li { "Where " code { "MIRAGE_VAULT_KEY" } " holds the key, put a new one in front of it, a comma between them, and start the platform "
                    "anew before; take the old one out after." }
            }
            @if let Some(error) = error { (explained(error)) }
            @if let Some(event) = &last {
                @if let EventKind::VaultRotated { records } = event.kind {
                    p.quiet { "Last " (ago(event.time, now)) " by " (event.actor) ": " (records) " records." }
                }
            }
            (button(visitor, "/settings/vault/rotate", "Make a new key"))
        }
        section aria-labelledby="lost" {
            h2 #lost { "If the key is lost" }
            p { "Nothing brings back what was sealed. " code { "mirage vault reset --drop-secrets" }
                " begins anew: it removes every login and every sealed variable." }
        }
    };
    Ok(framed(visitor, "Vault", &["mirage vault rotate".to_owned()], &body))
}
