//! The fields of the settings, by what they are about.

use maud::{Markup, html};
use mirage_control::ServiceView;
use mirage_core::setting::{RESTARTS, label};
use mirage_core::{Error, Source};

use super::values::{Values, is_lines};
use crate::field::Field;
use crate::page::reading::at;

/// All of them.
pub(super) fn all(view: &ServiceView, values: &Values, errors: &[Error]) -> Markup {
    let of = Groups { values, errors };
    let Source::Image(image) = &view.service.spec.source;
    let usual = view.revision.as_ref();
    let ports = usual.map(|it| it.ports().iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    html! {
        (group("process", "Process", html! {
            (of.text("ports", "ports", ports.as_deref().unwrap_or("8080"),
                "What it listens on, the one for the traffic first; empty for the image's."))
            (of.tick("worker", "Worker: it listens on nothing and gets no traffic"))
            @if is_lines(view.service.spec.command.as_ref()) {
                (of.field("command", "command", "", "Replaces the image's command, not its entrypoint: a word a line. Empty for the image's.").lines(3))
            } @else {
                p.quiet { "A word of its command has several lines, so it is changed by " code { "mirage deploy IMAGE -- COMMAND" } }
            }
            (of.field("restart", "restartPolicy", "", "").choice(&RESTARTS))
            (of.text("stop-grace", "stopGraceSeconds", "10", "At most an hour."))
            (of.tick("privileges", label("allowNewPrivileges")))
        }))
        (group("health", "Health", html! {
            (of.text("health-path", "healthcheck.path", "/healthz",
                "Empty: the image's HEALTHCHECK, or a connection to the port where it has none."))
            (of.text("health-status", "healthcheck.status", "200-399", ""))
            (of.text("health-port", "healthcheck.port", "the first", ""))
            (of.text("health-host", "healthcheck.host", "localhost", ""))
            (of.text("health-timeout", "healthcheck.startTimeoutSeconds", "60", ""))
            (of.text("health-interval", "healthcheck.intervalSeconds", "5", ""))
            (of.text("health-answer", "healthcheck.timeoutSeconds", "2", ""))
            (of.text("health-threshold", "healthcheck.threshold", "3", ""))
        }))
        (group("resources", "Instances and limits", html! {
            (of.text("replicas", "replicas", "1", "Takes effect when it is saved."))
            (of.text("memory", "resources.memory", "no limit", "Such as 256MiB; what takes more is ended."))
            (of.text("cpu", "resources.cpu", "no limit", "Such as 0.5."))
            (of.text("pids", "resources.pids", "4096", ""))
        }))
        (group("rollout", "From one deployment to the next", html! {
            (of.text("surge", "rollout.surge", "all at once",
                "Empty: all new ones are started at once, and the traffic moves over as a whole."))
            (of.text("overlap", "rollout.overlapSeconds", "0", ""))
            (of.text("drain", "rollout.drainSeconds", "30", ""))
            (of.tick("auto-deploy", label("autoDeploy")))
        }))
        (group("login", "Login at the registry", html! {
            (of.text("username", "registryCredentials.username", "",
                &format!("For {}. Empty takes a login away that is stored.", image.host())))
            (Field {
                name: "password",
                label: "Password or token",
                help: "Never shown again. Empty keeps the one that is stored for this user.",
                known_as: Some("registryCredentials.password"),
                error: at(errors, "registryCredentials.password"),
                ..Field::default()
            }.password())
        }))
    }
}

struct Groups<'a> {
    values: &'a Values,
    errors: &'a [Error],
}

impl<'a> Groups<'a> {
    fn field(&self, name: &'a str, known: &'a str, example: &'a str, help: &'a str) -> Field<'a> {
        let value = self.values.get(name);
        Field {
            name,
            label: label(known),
            value,
            example,
            help,
            known_as: Some(known),
            error: at(self.errors, known),
            ..Field::default()
        }
    }

    fn text(&self, name: &str, known: &str, example: &str, help: &str) -> Markup {
        Groups { values: self.values, errors: self.errors }.field(name, known, example, help).text()
    }

    fn tick(&self, name: &'a str, label: &'a str) -> Markup {
        Field { label, ..self.field(name, name, "", "") }.tick()
    }
}

fn group(id: &str, title: &str, fields: Markup) -> Markup {
    html! {
        fieldset.group id=(id) { legend { (title) } div.fields { (fields) } }
    }
}
