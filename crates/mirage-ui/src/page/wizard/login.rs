//! The login at the registry of an image: out of the way until it is needed.

use maud::{Markup, html};
use mirage_control::Control;
use mirage_core::{Name, Result};

use super::image::View;
use super::typed::{LOGIN_SHOWN, parts_kept};
use crate::field::Field;
use crate::visitor::Visitor;
use crate::when::cut;

/// Shared logins that are looked through, and those that are named.
const LOOKED: u32 = 500;
const NAMED: usize = 8;

/// A login that services share: whose, and where.
pub(super) struct Shared {
    username: String,
    place: String,
    /// Whether a service of this place pulls with it without being told.
    is_used: bool,
}

/// The logins for a registry that are kept already.
pub(super) async fn shared(
    control: &Control,
    visitor: &Visitor,
    host: &str,
    (project, environment): (&str, &str),
) -> Result<Vec<Shared>> {
    let listing = control.credentials(visitor.actor(), None, LOOKED).await?;
    let of_host = listing.items.into_iter().filter(|one| one.credential.owner.host.as_str() == host);
    let known = of_host.filter(|one| one.service.is_none()).map(|one| {
        let is_used = one.project.as_str() == project
            && one.environment.as_ref().is_none_or(|its| its.as_str() == environment);
        let environment = one.environment.as_ref().map(Name::as_str);
        let place = environment.map_or(one.project.to_string(), |it| format!("{}/{it}", one.project));
        Shared { username: one.credential.owner.username, place, is_used }
    });
    Ok(known.collect())
}

/// User name and password. The password is never in it.
pub(super) fn login(view: &View, part_of_answer: bool) -> Markup {
    let host = parts_kept(&view.fields).registry;
    let username = view.fields.get("username");
    let typed = !view.fields.get("password").is_empty();
    let open = view.seen.as_ref().is_some_and(super::look::Seen::wants_login) || !username.is_empty();
    let hint = match host.as_str() {
        "docker.io" => "Docker Hub: the user name, and an access token of its account settings.",
        "ghcr.io" => "GitHub: any user name, and a personal access token (classic) with `read:packages`.",
        "registry.gitlab.com" => "GitLab: the name and the token of a deploy token with `read_registry`.",
        "quay.io" => "Quay: the name (`account+robot`) and the token of a robot account.",
        host if host.ends_with(".amazonaws.com") => {
            "ECR: the key id of an AWS access key, and its secret key; or `AWS` with the output of `aws ecr get-login-password`, which lasts 12 hours."
        }
        _ => "Where a token is enough, any user name does.",
    };
    // Half a password is shown to no registry: some lock out whoever is wrong too often.
    let (error, again) = (view.error(), if typed { "Another password" } else { "Password or token" });
    html! {
        details.login #login open[open] hx-swap-oob=[part_of_answer.then_some("true")] hx-post=(view.verdict("login"))
            hx-trigger="change delay:100ms, paste delay:250ms" hx-include="closest form" hx-target="#verdict" hx-sync="closest form:replace" {
            summary { "This image needs a login" }
            input type="hidden" name=(LOGIN_SHOWN) value=(host);
            @for one in view.shared.iter().take(NAMED) {
                p.quiet {
                    "Kept for " code { (cut(&host, 100)) } ": " strong { (cut(&one.username, 100)) } " in " (one.place)
                    @if one.is_used { ". It is used by itself while nothing is typed here." }
                    @else { ". Services elsewhere do not have it." }
                }
            }
            div.pair {
                (Field {
                    name: "username",
                    label: "User name",
                    value: username,
                    help: hint,
                    error,
                    known_as: Some("registryCredentials.username"),
                    ..Field::default()
                }.text())
                (Field {
                    name: "password",
                    label: again,
                    help: if typed { "A password was typed. It is kept sealed and is not shown; another one replaces it." }
                        else { "It is sealed, sent to this registry alone, and never shown." },
                    error,
                    known_as: Some("registryCredentials.password"),
                    ..Field::default()
                }.password())
            }
        }
    }
}
