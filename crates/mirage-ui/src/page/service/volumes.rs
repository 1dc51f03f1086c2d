//! `/projects/{project}/{environment}/{service}/volumes`: the data that a service keeps.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::StreamExt;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use maud::{Markup, html};
use mirage_control::{Control, ServicePatch, ServiceRef, ServiceView, VolumeRef, VolumeView};
use mirage_core::{Error, Result, VolumeMount, human_bytes};

use super::overview::waiting;
use super::save::{Made, buttons, save};
use super::{Tab, named, service_frame};
use crate::fault::{Fault, explained};
use crate::field::Field;
use crate::form::{Sent, button, form};
use crate::link;
use crate::page::At;
use crate::visitor::Visitor;
use crate::when::{ago, exact};

/// Other volumes that are shown.
const SHOWN: u32 = 50;

/// What was typed, and what is wrong with it.
#[derive(Default)]
struct Typed<'a> {
    name: &'a str,
    path: &'a str,
    /// The form that came back; nothing where it is a new one.
    made: Option<Made>,
    error: Option<&'a Error>,
}

/// `GET …/volumes`
pub(super) async fn list(
    State(control): State<Control>,
    visitor: Visitor,
    At(place): At<(String, String, String)>,
) -> Result<Response, Fault> {
    let view = named(&control, &visitor, place).await?;
    page(&control, &visitor, &view, &Typed::default()).await
}

/// `POST …/volumes`: one more, or one less
pub(super) async fn change(
    State(control): State<Control>,
    At(place): At<(String, String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, place).await?;
    let (name, path) = (sent.fields.text("volume"), sent.fields.text("path"));
    let mut volumes = view.service.spec.volumes.clone();
    let volumes = match sent.fields.text("unmount") {
        "" => mount(name, path).map(|mount| {
            volumes.push(mount);
            volumes
        }),
        gone => {
            volumes.retain(|mount| mount.volume.as_str() != gone);
            Ok(volumes)
        }
    };
    let saved = match volumes {
        Ok(volumes) => {
            let patch = ServicePatch { volumes: Some(volumes), ..ServicePatch::default() };
            save(&control, &sent, &view, Tab::Volumes, patch).await
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(answer) => Ok(answer),
        Err(error) => {
            let made = Some(Made::again(&view, &sent.fields, &error));
            let typed = Typed { name, path, made, error: Some(&error) };
            page(&control, &sent.visitor, &view, &typed).await
        }
    }
}

/// `POST …/volumes/{volume}/remove`
pub(super) async fn remove(
    State(control): State<Control>,
    At((project, environment, name, volume)): At<(String, String, String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, (project, environment, name)).await?;
    let done = async { control.remove_volume(sent.visitor.actor(), &VolumeRef::Id(volume.parse()?)).await };
    done_to(&control, &sent, &view, done.await).await
}

/// `POST …/volumes/{volume}/restore`
pub(super) async fn restore(
    State(control): State<Control>,
    At((project, environment, name, volume)): At<(String, String, String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, (project, environment, name)).await?;
    let done =
        async { control.restore_volume(sent.visitor.actor(), &VolumeRef::Id(volume.parse()?), None).await };
    done_to(&control, &sent, &view, done.await).await
}

/// `POST …/volumes/{volume}/backup`: the archive
pub(super) async fn backup(
    State(control): State<Control>,
    At((project, environment, name, volume)): At<(String, String, String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    let view = named(&control, &sent.visitor, (project, environment, name)).await?;
    let made = async { control.backup_volume(sent.visitor.actor(), &VolumeRef::Id(volume.parse()?)).await };
    let (volume, archive) = match made.await {
        Ok(made) => made,
        Err(error) => {
            return page(&control, &sent.visitor, &view, &Typed { error: Some(&error), ..Typed::default() })
                .await;
        }
    };
    // A name has letters, digits and hyphens alone.
    let name = HeaderValue::try_from(format!("attachment; filename=\"{}.tar.zst\"", volume.name));
    let name = name.map_err(|error| Error::internal("name the backup", error))?;
    let pieces = archive.map(|piece| {
        piece.map_err(|error| {
            tracing::error!(?error, "a backup of a volume broke off");
            std::io::Error::other("the backup broke off")
        })
    });
    let kind = HeaderValue::from_static("application/zstd");
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

fn mount(name: &str, path: &str) -> Result<VolumeMount> {
    Ok(VolumeMount {
        volume: name.parse().map_err(|error: Error| error.field("volumes.name"))?,
        path: path.parse().map_err(|error: Error| error.field("volumes.path"))?,
    })
}

async fn done_to(
    control: &Control,
    sent: &Sent,
    view: &ServiceView,
    done: Result<VolumeView>,
) -> Result<Response, Fault> {
    match done {
        Ok(_) => Ok(Redirect::to(&Tab::Volumes.path(view)).into_response()),
        Err(error) => {
            page(control, &sent.visitor, view, &Typed { error: Some(&error), ..Typed::default() }).await
        }
    }
}

async fn page(
    control: &Control,
    visitor: &Visitor,
    view: &ServiceView,
    typed: &Typed<'_>,
) -> Result<Response, Fault> {
    let by_id = ServiceRef::Id(view.service.id);
    let beside = control.volumes_beside(visitor.actor(), &by_id, SHOWN).await?;
    let now = control.now();
    let mounts = &view.service.spec.volumes;
    let body = html! {
        (waiting(view)?)
        @if let Some(error) = typed.error { (explained(error)) }
        section aria-labelledby="volumes" {
            h2 #volumes { "Volumes" }
            @if mounts.is_empty() {
                div.empty {
                    p { strong { "It keeps no data." } }
                    p { "What its processes write goes with them. A volume stays over every deploy; mount one below." }
                }
            } @else { (mounted(visitor, view, &beside.own)) }
        }
        (mount_form(visitor, view, typed))
        @if !beside.others.items.is_empty() { (other_volumes(visitor, view, &beside.others.items, now)) }
        @if beside.others.more { p.quiet { "There are more, which " code { "mirage volume list" } " shows." } }
    };
    let spoken = link::spoken(view);
    let twin = ["mirage volume list".to_owned(), format!("mirage status {spoken}")];
    let page = service_frame(view, visitor, Tab::Volumes, now, (None, &twin), &body);
    let status = if typed.error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, page).into_response())
}

fn mounted(visitor: &Visitor, view: &ServiceView, own: &[VolumeView]) -> Markup {
    let path = Tab::Volumes.path(view);
    html! {
        div.scroll role="group" aria-label="Mounted volumes" tabindex="0" {
            table {
                thead {
                    tr { th scope="col" { "Volume" } th scope="col" { "Path" } th scope="col" { "Size" } th scope="col" { "Actions" } }
                }
                tbody {
                    @for mount in &view.service.spec.volumes {
                        @let known = own.iter().find(|volume| volume.volume.name == mount.volume);
                        tr {
                            th scope="row" { (mount.volume) }
                            td.mono { (mount.path) }
                            td.number { @match known { Some(volume) => (size(volume)), None => span.quiet { "not made yet" } } }
                            td {
                                div.actions {
                                    @if let Some(volume) = known {
                                        (button(visitor, &format!("{path}/{}/backup", volume.volume.id), "Download a backup"))
                                    }
                                    (form(visitor, &path, "one", html! {
                                        input type="hidden" name="seen" value=(view.service.updated_at);
                                        input type="hidden" name="unmount" value=(mount.volume);
                                        button type="submit" name="do" value="save" { "Unmount with the next deploy" }
                                    }))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn mount_form(visitor: &Visitor, view: &ServiceView, typed: &Typed<'_>) -> Markup {
    let name = Field {
        name: "volume",
        label: "Volume",
        value: typed.name,
        example: "data",
        help: "One of this environment, or a new one.",
        required: true,
        error: typed.error,
        known_as: Some("volumes.name"),
        ..Field::default()
    };
    let path = Field {
        name: "path",
        label: "Path",
        value: typed.path,
        example: "/var/lib/postgresql/data",
        help: "Where its processes find it.",
        known_as: Some("volumes.path"),
        ..name
    };
    let anew = Made::now(view);
    let buttons = buttons(view, Tab::Volumes, typed.made.as_ref().unwrap_or(&anew));
    let fields = html! { div.fields { (name.text()) (path.text()) } (buttons) };
    html! {
        section aria-labelledby="mount" {
            h2 #mount { "Mount one" }
            p.quiet { "A service with a volume has one instance: a volume has one writer." }
            (form(visitor, &Tab::Volumes.path(view), "settings", fields))
        }
    }
}

fn other_volumes(visitor: &Visitor, view: &ServiceView, others: &[VolumeView], now: Timestamp) -> Markup {
    let path = Tab::Volumes.path(view);
    html! {
        section aria-labelledby="others" {
            h2 #others { "Others in " (view.environment.name) }
            p.quiet { code { "mirage volume list" } " says how much is in them." }
            div.scroll role="group" aria-label="Other volumes" tabindex="0" {
                table {
                    thead {
                        tr { th scope="col" { "Volume" } th scope="col" { "State" } th scope="col" { "Actions" } }
                    }
                    tbody {
                        @for volume in others {
                            @let at = format!("{path}/{}", volume.volume.id);
                            tr {
                                th scope="row" { (volume.volume.name) }
                                td { (state(volume, now)) }
                                td {
                                    @if volume.volume.can_be_restored(now) {
                                        (button(visitor, &format!("{at}/restore"), "Take it back"))
                                    } @else if volume.volume.removed_at.is_none() && volume.path.is_none() {
                                        (button(visitor, &format!("{at}/remove"), "Remove"))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn state(view: &VolumeView, now: Timestamp) -> Markup {
    html! {
        @match (view.volume.removed_at, view.volume.purged_at()) {
            (Some(removed), Some(purged)) => {
                "removed " (ago(removed, now)) ", deleted for good at " (exact(purged))
            },
            _ => @match (&view.service, &view.path) {
                (Some(service), Some(path)) => { "of " (service) " at " span.mono { (path) } },
                (Some(service), None) => { "of " (service) ", not mounted" },
                _ => "belongs to nobody",
            },
        }
    }
}

fn size(view: &VolumeView) -> Markup {
    html! {
        @match view.size {
            _ if !view.is_measured => span.quiet { "not measured" },
            Some(size) => { @if !size.complete { "more than " } (human_bytes(size.bytes)) },
            None => span.quiet { "no data yet" },
        }
    }
}
