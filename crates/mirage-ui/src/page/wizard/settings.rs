//! `/new/{draft}/settings`: what the service is called, where it is, and how it runs.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};
use mirage_control::{Control, Draft, DraftFields, ProjectView};
use mirage_core::setting::{RESTARTS, label};
use mirage_core::{Error, Result};
use serde::Deserialize;

use super::advice::ADVICE;
use super::look::{Found, Seen, chosen};
use super::pasted::note;
use super::request::{mistakes, request, usual_name};
use super::typed::{By, SETTLED, VOLUMES_MAX, take_image, take_settings};
use super::variables::{editor, to_rows, to_text};
use super::{Step, page, step_form};
use crate::fault::Fault;
use crate::field::Field;
use crate::form::{Sent, button};
use crate::page::encrypted::without_tls;
use crate::page::reading::at;
use crate::page::{At, Behind};
use crate::prose::prose;
use crate::visitor::Visitor;
use crate::when::cut;

/// Projects and environments that are offered.
const OFFERED: u32 = 100;
/// Rows of volumes beyond those of the image.
const EMPTY: usize = 2;
/// A name of a service, a project, an environment.
const NAME: &str = r"[a-z0-9]([a-z0-9\-]{0,38}[a-z0-9])?";
const NAME_HELP: &str = "Lower-case letters, digits and inner hyphens, at most 40";

/// How many more rows somebody wants.
#[derive(Deserialize)]
pub(crate) struct Rows {
    #[serde(default)]
    rows: usize,
}

/// `GET /new/{draft}/settings`
pub(crate) async fn show(
    State(control): State<Control>,
    visitor: Visitor,
    At(id): At<String>,
    Behind(rows): Behind<Rows>,
) -> Result<Response, Fault> {
    let draft = control.draft(visitor.actor(), id.parse()?).await?;
    shown(&control, &visitor, &draft, rows.rows, &[]).await
}

/// `POST /new/{draft}/settings`
pub(crate) async fn send(
    State(control): State<Control>,
    At(id): At<String>,
    Sent { visitor, fields }: Sent,
) -> Result<Response, Fault> {
    let id = id.parse()?;
    let take = |kept: &mut DraftFields| {
        take_settings(kept, &fields);
        Ok(())
    };
    let draft = control.keep_draft(visitor.actor(), id, take).await?;
    if let Some(step) = Step::gone_to(&fields) {
        return Ok(Redirect::to(&step.path(id)).into_response());
    }
    let own = Step::Settings.path(id);
    let (went, path) = match fields.text("then") {
        "rows-more" => (Ok(()), format!("{own}?rows=6#variables")),
        "text" => {
            let change = |kept: &mut DraftFields| {
                to_text(kept);
                Ok(())
            };
            (control.keep_draft(visitor.actor(), id, change).await.map(drop), format!("{own}#variables"))
        }
        "rows" => {
            let seal = fields.has("seal-all");
            let change = |kept: &mut DraftFields| to_rows(kept, seal);
            (control.keep_draft(visitor.actor(), id, change).await.map(drop), format!("{own}#variables"))
        }
        _ => (Ok(()), Step::Review.path(id)),
    };
    let errors = match went {
        Ok(()) if path == Step::Review.path(id) => mistakes(&control, &visitor, &draft.fields).await?,
        went => went.err().map(|error| ADVICE.told(error)).into_iter().collect(),
    };
    match errors.is_empty() {
        true => Ok(Redirect::to(&path).into_response()),
        false => shown(&control, &visitor, &draft, 0, &errors).await,
    }
}

/// `POST /new/{draft}/keep`: keeps what is typed, whichever step it is of.
pub(crate) async fn keep(
    State(control): State<Control>,
    At(id): At<String>,
    Sent { visitor, fields }: Sent,
) -> Result<StatusCode, Fault> {
    let take = |kept: &mut DraftFields| {
        take_image(kept, &fields, By::Load);
        take_settings(kept, &fields);
        Ok(())
    };
    control.keep_draft(visitor.actor(), id.parse()?, take).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn shown(
    control: &Control,
    visitor: &Visitor,
    draft: &Draft,
    more: usize,
    errors: &[Error],
) -> Result<Response, Fault> {
    let seen = Seen::of(&draft.fields);
    let Some(found) = seen.as_ref().and_then(Seen::found).filter(|found| found.runs) else {
        // Nothing can be suggested for an image that nobody saw.
        return Ok(Redirect::to(&Step::Image.path(draft.id)).into_response());
    };
    let projects = control.projects(visitor.actor(), None, OFFERED).await?.items;
    let (fields, id) = (&draft.fields, draft.id);
    let reference = chosen(fields, seen.as_ref()).ok();
    let pushes = reference.as_ref().map(|reference| control.hears_of_pushes(reference));
    let needed = reference.as_ref().map_or(&[][..], |reference| reference.needed_variables());
    let tls = without_tls(control, visitor).await?;
    let of = Form { fields, found, errors };
    let inner = html! {
        (note(fields))
        (of.place(&projects))
        (of.network(tls.as_ref()))
        (editor(fields, needed, errors, more))
        (of.health())
        (of.storage())
        (of.limits())
        (of.pushes(pushes.as_ref()))
        (of.more())
        div.actions {
            button.primary type="submit" name="then" value="next" { "Next: review" }
            button type="submit" name="then" value=(Step::Image.word()) formnovalidate { "Back to the image" }
        }
    };
    let path = Step::Settings.path(id);
    let body = html! {
        div hx-post=(format!("/new/{id}/keep")) hx-trigger="input delay:400ms, change delay:50ms" hx-include="find form"
            hx-swap="none" hx-sync="this:replace" {
            (step_form(visitor, &path, inner))
        }
        div.leave-off { (button(visitor, &format!("/new/{id}/drop"), "Discard this draft")) }
    };
    let twin = match request(fields) {
        Ok(request) => vec![cut(&super::twin::command(&request), 1_000)],
        Err(_) => vec!["mirage deploy --help".to_owned()],
    };
    Ok(page(visitor, Step::Settings, Some(id), &twin, errors, body))
}

/// The parts of the form.
struct Form<'a> {
    fields: &'a DraftFields,
    found: &'a Found,
    errors: &'a [Error],
}

impl<'a> Form<'a> {
    fn field(&self, name: &'a str, known_as: &'a str, label: &'a str) -> Field<'a> {
        let value = self.fields.get(name);
        Field {
            name,
            label,
            value,
            known_as: Some(known_as),
            error: at(self.errors, known_as),
            ..Field::default()
        }
    }

    /// A field that is called what its setting is called everywhere.
    fn setting(&self, name: &'a str, known_as: &'a str) -> Field<'a> {
        self.field(name, known_as, label(known_as))
    }

    fn tick(&self, name: &'a str, label: &'a str, help: &'a str) -> Markup {
        let value = if self.fields.has(name) { "yes" } else { "" };
        Field { value, help, ..self.field(name, name, label) }.tick()
    }

    /// Whether a push deploys it, or why no push can.
    fn pushes(&self, heard: Option<&Result<()>>) -> Markup {
        html! {
            fieldset.pushes {
                legend { "Pushes" }
                @match heard {
                    Some(Ok(())) => (self.tick("auto-deploy", label("autoDeploy"), "")),
                    Some(Err(why)) => p.quiet { "No push deploys it: " (prose(why.message())) "." },
                    None => {},
                }
            }
        }
    }

    fn place(&self, projects: &[ProjectView]) -> Markup {
        let usual = usual_name(self.fields);
        let name = match (self.fields.get("service"), &usual) {
            ("", Some(usual)) if !self.fields.has(SETTLED) => usual.as_str(),
            (typed, _) => typed,
        };
        let or = |field: &str, usual: &'static str| match self.fields.get(field) {
            "" if !self.fields.has(SETTLED) => usual.to_owned(),
            text => text.to_owned(),
        };
        let (project, environment) = (or("project", "default"), or("environment", "production"));
        let mut environments: Vec<&str> =
            projects.iter().flat_map(|view| &view.environments).map(|it| it.name.as_str()).collect();
        environments.sort_unstable();
        environments.dedup();
        environments.truncate(OFFERED as usize);
        html! {
            fieldset.place {
                legend { "Name and place" }
                (Field { value: name, help: NAME_HELP, pattern: Some(NAME), required: true,
                    ..self.setting("service", "name") }.text())
                (Field { value: &project, help: "One that is there, or a new one", pattern: Some(NAME), list: Some("projects"),
                    ..self.setting("project", "project") }.text())
                (Field { value: &environment, help: "One that is there, or a new one", pattern: Some(NAME),
                    list: Some("environments"), ..self.setting("environment", "environment") }.text())
                datalist #projects { @for view in projects { option value=(view.project.name) {} } }
                datalist #environments { @for name in environments { option value=(name) {} } }
            }
        }
    }

    fn network(&self, tls: Option<&Markup>) -> Markup {
        let ports = &self.found.ports;
        html! {
            fieldset.network {
                legend { "Network" }
                p.chips {
                    @if ports.is_empty() { "The image exposes no port: " code { "PORT=8080" } " tells it one." }
                    @else { "From the image: " @for port in ports { span.chip { (port) } " " } "The first gets the traffic." }
                }
                (Field { help: "Empty for those of the image. Several are divided by commas; the first gets the traffic",
                    example: if ports.is_empty() { "8080" } else { "" }, pattern: Some(r"[0-9]{1,5}([,\s]+[0-9]{1,5})*"),
                    ..self.setting("ports", "ports") }.text())
                (self.tick("worker", "Worker: it listens on nothing and has no address", ""))
                (Field { help: if tls.is_some() { "Names of your own, whose DNS leads here" } else { "Names of your own, whose DNS leads here. Each gets a certificate" },
                    example: "shop.example.com", ..self.setting("domains", "domain") }.text())
                @if let Some(said) = tls { p.help { (said) } }
            }
        }
    }

    fn health(&self) -> Markup {
        let usual = match &self.found.health {
            Some(command) => format!("the image's HEALTHCHECK is run: {}", cut(command, 80)),
            None => "its port has to take a connection".to_owned(),
        };
        let example = self.found.health_path.as_deref().unwrap_or("/healthz");
        let suggested = match &self.found.health_path {
            Some(path) => format!(" The image asks itself for {}.", cut(path, 100)),
            None => String::new(),
        };
        let help =
            format!("A path that answers 200-399 when the service is well. Empty: {usual}.{suggested}");
        html! {
            fieldset.health {
                legend { "Health" }
                (Field { help: &help, example, pattern: Some(r"\/\S*"),
                    ..self.setting("health-path", "healthcheck.path") }.text())
            }
        }
    }

    /// Rows of the paths that the image writes to, then of those that were typed.
    fn storage(&self) -> Markup {
        let settled = self.fields.has(SETTLED);
        let name = self.fields.get("name").rsplit('/').next().unwrap_or_default();
        let suggested =
            self.found.volumes.iter().filter(|path| path.parse::<mirage_core::MountPath>().is_ok());
        let mut rows: Vec<(usize, String, String)> = (0..VOLUMES_MAX)
            .filter_map(|at| {
                let [name, path] =
                    ["name", "path"].map(|part| self.fields.get(&format!("volume-{at}-{part}")).to_owned());
                (!name.is_empty() || !path.is_empty()).then_some((at, name, path))
            })
            .collect();
        if !settled {
            let first = rows.iter().map(|(at, ..)| at + 1).max().unwrap_or(0);
            let known: Vec<String> = rows.iter().map(|(.., path)| path.clone()).collect();
            let suggested = suggested.filter(|path| !known.contains(path)).take(4).enumerate();
            rows.extend(suggested.map(|(at, path)| {
                let last = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("data");
                let name = mirage_core::Name::suggest(&format!("{name}-{last}"));
                (first + at, name.map(String::from).unwrap_or_default(), path.clone())
            }));
            rows.truncate(VOLUMES_MAX);
        }
        let next = rows.iter().map(|(at, ..)| at + 1).max().unwrap_or(0);
        rows.extend((next..VOLUMES_MAX.min(next + EMPTY)).map(|at| (at, String::new(), String::new())));
        let wrong =
            self.errors.iter().filter(|error| error.at_field().is_some_and(|it| it.starts_with("volumes")));
        html! {
            fieldset.storage #storage {
                legend { (label("volumes")) }
                @if !self.found.volumes.is_empty() {
                    p { "What it writes to " code { (cut(&self.found.volumes.join(" "), 200)) }
                        " is gone when its instance is replaced, unless a volume is there." }
                }
                @for error in wrong {
                    p.wrong role="alert" { (prose(error.message())) @if let Some(hint) = error.next_step() { " · " (prose(hint)) } }
                }
                div.rows {
                    @for (at, name, path) in &rows { (volume(*at, name, path)) }
                }
                p.help { "A row without a name is not kept. A service with a volume has one instance." }
            }
        }
    }

    fn limits(&self) -> Markup {
        html! {
            fieldset.limits {
                legend { "Size" }
                (Field { value: if self.fields.has(SETTLED) { self.fields.get("replicas") } else { "1" },
                    ..self.setting("replicas", "replicas") }.number(0))
                (Field { example: "256MiB", help: "Empty for no limit",
                    ..self.setting("memory", "resources.memory") }.text())
                (Field { example: "0.5", help: "Empty for no limit",
                    ..self.setting("cpu", "resources.cpu") }.text())
            }
        }
    }

    fn more(&self) -> Markup {
        const NAMES: [&str; 15] = [
            "command",
            "restart",
            "stop-grace",
            "pids",
            "surge",
            "overlap",
            "drain",
            "privileges",
            "health-port",
            "health-host",
            "health-status",
            "health-timeout",
            "health-answer",
            "health-interval",
            "health-threshold",
        ];
        let is_set = |name: &&str| !matches!(self.fields.get(name), "" | "on-failure");
        let of_more = |field: &str| {
            ["command", "rollout", "stopGrace", "resources.pids", "healthcheck."]
                .iter()
                .any(|start| field.starts_with(start))
                && field != "healthcheck.path"
        };
        let open = NAMES.iter().any(is_set) || self.errors.iter().filter_map(Error::at_field).any(of_more);
        html! {
            details.more-settings open[open] {
                summary { "More settings" }
                (Field { help: "Replaces the image's command, not its entrypoint: a word each line. No shell reads it",
                    ..self.setting("command", "command") }.lines(3))
                div.pair {
                    (self.setting("restart", "restartPolicy").choice(&RESTARTS))
                    (Field { example: "4096", ..self.setting("pids", "resources.pids") }.number(1))
                    (Field { example: "10", ..self.setting("stop-grace", "stopGraceSeconds") }.number(0))
                    (Field { example: "30", ..self.setting("drain", "rollout.drainSeconds") }.number(0))
                    (Field { example: "0", ..self.setting("overlap", "rollout.overlapSeconds") }.number(0))
                    (Field { example: "all at once", ..self.setting("surge", "rollout.surge") }.number(1))
                    (self.setting("health-port", "healthcheck.port").number(1))
                    (self.setting("health-host", "healthcheck.host").text())
                    (Field { example: "200-399", ..self.setting("health-status", "healthcheck.status") }.text())
                    (Field { example: "60", ..self.setting("health-timeout", "healthcheck.startTimeoutSeconds") }.text())
                    (Field { example: "2", ..self.setting("health-answer", "healthcheck.timeoutSeconds") }.text())
                    (Field { example: "5", ..self.setting("health-interval", "healthcheck.intervalSeconds") }.text())
                    (Field { example: "3", ..self.setting("health-threshold", "healthcheck.threshold") }.number(1))
                }
                (self.tick("privileges", label("allowNewPrivileges"), ""))
            }
        }
    }
}

fn volume(at: usize, name: &str, path: &str) -> Markup {
    let [name_id, path_id] = ["name", "path"].map(|part| format!("volume-{at}-{part}"));
    let number = at + 1;
    html! {
        div.row {
            label.sr for=(name_id) { "Name of volume " (number) }
            input.mono id=(name_id) name=(name_id) type="text" value=(name) placeholder="name" autocomplete="off"
                pattern=(NAME) title=(NAME_HELP);
            label.sr for=(path_id) { "Path of volume " (number) }
            input.mono id=(path_id) name=(path_id) type="text" value=(path) placeholder="/var/lib/data"
                autocomplete="off" pattern=(r"\/.*") title="A path in the container";
        }
    }
}
