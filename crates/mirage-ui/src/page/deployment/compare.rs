//! Two deployments beside each other.

use crate::link;
use crate::when::{cut, short_digest};
use maud::{Markup, html};
use mirage_control::{Comparison, DeploymentView, Differences};
use mirage_core::setting::{Amount, changes, label};

/// The most deployments that one can be compared with.
pub(super) const MOST: u32 = 50;
/// The most characters of a value.
const VALUE: usize = 300;

/// The choice of another one, and what is different.
pub(super) fn section(
    view: &DeploymentView,
    others: &[DeploymentView],
    compared: Option<&Comparison>,
) -> Markup {
    let id = view.deployment.id;
    let others: Vec<&DeploymentView> = others.iter().filter(|other| other.deployment.id != id).collect();
    let chosen = compared.map(|it| match it.older.deployment.id == id {
        true => it.newer.deployment.id,
        false => it.older.deployment.id,
    });
    html! {
        section #compare aria-labelledby="compare-title" {
            h2 #compare-title { "Compare" }
            @if others.is_empty() {
                p.quiet { "There is no other deployment to compare this one with." }
            } @else {
                form.line method="get" action=(format!("{}#compare", link::deployment(id))) {
                    label for="with" { "With" }
                    select #with name="with" {
                        @for other in others {
                            option value=(other.deployment.id) selected[chosen == Some(other.deployment.id)] {
                                (words(other))
                            }
                        }
                    }
                    button type="submit" { "Compare" }
                }
            }
            @if let Some(compared) = compared { (table(compared)) }
        }
    }
}

/// What is different between settings, as rows of before and after; of variables and commands no value.
pub(crate) fn rows(differences: &Differences) -> Markup {
    let value = |amount: &Amount| match amount {
        Amount::Set(words) => html! { span.mono { (cut(words, VALUE)) } },
        Amount::Unset(words) => html! { span.quiet { (words) } },
    };
    html! {
        @for change in differences.settings.iter().flat_map(changes) {
            tr { th scope="row" { (change.label) } td { (value(&change.before)) } td { (value(&change.after)) } }
        }
        @if differences.command {
            tr { th scope="row" { (label("command")) } td colspan="2" { "different" } }
        }
        @if !differences.variable_names.is_empty() {
            tr {
                th scope="row" { (label("variables")) }
                td colspan="2" {
                    span.mono { (cut(&differences.variable_names.join(", "), VALUE)) } " " span.quiet { "different" }
                }
            }
        }
    }
}

fn words(view: &DeploymentView) -> String {
    let deployment = &view.deployment;
    let image = cut(&view.revision.image.reference.familiar(), 60);
    format!(
        "#{} {} {}, {image}, {:.0}",
        deployment.revision, deployment.trigger, deployment.phase, deployment.created_at
    )
}

fn table(compared: &Comparison) -> Markup {
    let (older, newer) = (&compared.older, &compared.newer);
    let same_bytes = older.revision.image.digest == newer.revision.image.digest;
    let column = |view: &DeploymentView| {
        let deployment = &view.deployment;
        html! {
            th scope="col" {
                a href=(link::deployment(deployment.id)) { "#" (deployment.revision) }
                " " (deployment.trigger) " " (deployment.phase)
            }
        }
    };
    html! {
        div.scroll role="group" aria-label="Differences" tabindex="0" {
            table.compared {
                thead { tr { th scope="col" { "Setting" } (column(older)) (column(newer)) } }
                tbody {
                    tr {
                        th scope="row" { "Digest" }
                        td { (short_digest(&older.revision.image.digest)) }
                        td {
                            (short_digest(&newer.revision.image.digest))
                            @if same_bytes { " " span.quiet { "the same bytes" } }
                        }
                    }
                    (rows(&compared.differences))
                }
            }
        }
        @if compared.differences.is_empty() { p.quiet { "All settings are the same." } }
    }
}
