//! The fields of the settings, by what they are about.

use maud::{Markup, html};
use mirage_control::ServiceView;
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
            (of.text("ports", "ports", "Ports", ports.as_deref().unwrap_or("8080"),
                "What it listens on, the one for the traffic first; empty for the image's."))
            (of.tick("worker", "Worker: it listens on nothing and gets no traffic"))
            @if is_lines(view.service.spec.command.as_ref()) {
                (of.field("command", "command", "Command", "", "Replaces the image's command, not its entrypoint: a word a line. Empty for the image's.").lines(3))
            } @else {
                p.quiet { "A word of its command has several lines, so it is changed by " code { "mirage deploy IMAGE -- COMMAND" } }
            }
            (of.field("restart", "restartPolicy", "When the process exits", "", "").choice(&[
                ("on-failure", "Start it again after a failure, up to ten times in a row"),
                ("always", "Start it again whenever it exits"),
                ("never", "Leave it as it is"),
            ]))
            (of.text("stop-grace", "stopGraceSeconds", "Seconds between the stop signal and the kill", "10", "At most an hour."))
            (of.tick("privileges", "Programs may gain privileges by setuid bits and file capabilities"))
        }))
        (group("health", "Health", html! {
            (of.text("health-path", "healthcheck.path", "Path that answers when it is well", "/healthz",
                "Empty: the image's HEALTHCHECK, or a connection to the port where it has none."))
            (of.text("health-status", "healthcheck.status", "Statuses of a good answer", "200-399", ""))
            (of.text("health-port", "healthcheck.port", "Port that is asked", "the first", ""))
            (of.text("health-host", "healthcheck.host", "Host that the path is asked of", "localhost", ""))
            (of.text("health-timeout", "healthcheck.startTimeoutSeconds", "Seconds until a new instance has to be well", "60", ""))
            (of.text("health-interval", "healthcheck.intervalSeconds", "Seconds between two questions", "5", ""))
            (of.text("health-answer", "healthcheck.timeoutSeconds", "Seconds that one answer may take", "2", ""))
            (of.text("health-threshold", "healthcheck.threshold", "Bad answers in a row until it gets no more requests", "3", ""))
        }))
        (group("resources", "Instances and limits", html! {
            (of.text("replicas", "replicas", "Instances", "1", "Takes effect when it is saved."))
            (of.text("memory", "resources.memory", "Memory of each", "no limit", "Such as 256MiB; what takes more is ended."))
            (of.text("cpu", "resources.cpu", "Cores of each", "no limit", "Such as 0.5."))
            (of.text("pids", "resources.pids", "Processes and threads of each", "4096", ""))
        }))
        (group("rollout", "From one deployment to the next", html! {
            (of.text("surge", "rollout.surge", "Instances more than wanted, while they are replaced in turns", "all at once",
                "Empty: all new ones are started at once, and the traffic moves over as a whole."))
            (of.text("overlap", "rollout.overlapSeconds", "Seconds that old instances stay after the traffic has moved", "0", ""))
            (of.text("drain", "rollout.drainSeconds", "Seconds that old instances have to finish their requests", "30", ""))
            (of.tick("auto-deploy", "Deploy by itself whenever the tag is pushed to the built-in registry"))
        }))
        (group("login", "Login at the registry", html! {
            (of.text("username", "registryCredentials.username", "User name", "",
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
    fn field(
        &self,
        name: &'a str,
        known: &'a str,
        label: &'a str,
        example: &'a str,
        help: &'a str,
    ) -> Field<'a> {
        let value = self.values.get(name);
        Field {
            name,
            label,
            value,
            example,
            help,
            known_as: Some(known),
            error: at(self.errors, known),
            ..Field::default()
        }
    }

    fn text(&self, name: &str, known: &str, label: &str, example: &str, help: &str) -> Markup {
        Groups { values: self.values, errors: self.errors }.field(name, known, label, example, help).text()
    }

    fn tick(&self, name: &'a str, label: &'a str) -> Markup {
        self.field(name, name, label, "", "").tick()
    }
}

fn group(id: &str, title: &str, fields: Markup) -> Markup {
    html! {
        fieldset.group id=(id) { legend { (title) } div.fields { (fields) } }
    }
}
