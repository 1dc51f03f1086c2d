//! What stands in the fields of the settings.

use std::collections::BTreeMap;

use mirage_control::ServiceView;
use mirage_core::{RestartPolicy, bytes_text, decimal};

use crate::form::Fields;

/// The fields of the form, but the password.
const FIELDS: [&str; 23] = [
    "ports",
    "worker",
    "command",
    "replicas",
    "memory",
    "cpu",
    "pids",
    "privileges",
    "health-path",
    "health-port",
    "health-host",
    "health-status",
    "health-interval",
    "health-answer",
    "health-timeout",
    "health-threshold",
    "surge",
    "overlap",
    "drain",
    "stop-grace",
    "restart",
    "auto-deploy",
    "username",
];

/// The text of each field; a box that is ticked has one, and one that is not has none.
pub(super) struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// What the service has.
    pub(super) fn of(view: &ServiceView) -> Self {
        let (spec, mut all) = (&view.service.spec, BTreeMap::new());
        let mut set = |name: &'static str, text: String| {
            if !text.is_empty() {
                all.insert(name, text);
            }
        };
        let tick = |on: bool| if on { "yes".to_owned() } else { String::new() };
        let text = |value: Option<String>| value.unwrap_or_default();
        let ports = spec.ports.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
        set("ports", ports.join(", "));
        set("worker", tick(spec.ports.as_ref().is_some_and(Vec::is_empty)));
        set("command", text(spec.command.as_ref().map(|words| words.join("\n"))));
        set("replicas", view.service.replicas.to_string());
        set("memory", text(spec.resources.memory_bytes.map(bytes_text)));
        set("cpu", text(spec.resources.cpu_millis.map(|millis| decimal(millis.into()))));
        set("pids", spec.resources.pids.to_string());
        set("privileges", tick(spec.allow_new_privileges));
        let probe = &spec.probe;
        set("health-path", text(probe.path.clone()));
        set("health-port", text(probe.port.map(|port| port.to_string())));
        set("health-host", text(probe.host.clone()));
        set("health-status", text(probe.expected.as_ref().map(ToString::to_string)));
        set("health-interval", text(probe.interval_millis.map(decimal)));
        set("health-answer", text(probe.timeout_millis.map(decimal)));
        set("health-timeout", text(probe.budget_millis.map(decimal)));
        set("health-threshold", text(probe.threshold.map(|it| it.to_string())));
        set("surge", text(spec.rollout.surge.map(|it| it.to_string())));
        set("overlap", spec.rollout.overlap_seconds.to_string());
        set("drain", spec.rollout.drain_seconds.to_string());
        set("stop-grace", spec.stop_grace_seconds.to_string());
        let restart = match spec.restart {
            RestartPolicy::OnFailure => "on-failure",
            RestartPolicy::Always => "always",
            RestartPolicy::Never => "never",
        };
        set("restart", restart.to_owned());
        set("auto-deploy", tick(spec.auto_deploy));
        set("username", text(view.credential.as_ref().map(|owner| owner.username.clone())));
        Self(all)
    }

    /// What somebody typed.
    pub(super) fn sent(fields: &Fields) -> Self {
        let sent = FIELDS.into_iter().filter(|name| fields.has(name));
        let text = |name: &str| match name {
            // Spaces at the ends of its words may be meant.
            "command" => fields.raw(name).replace('\r', ""),
            _ => fields.text(name).to_owned(),
        };
        Self(sent.map(|name| (name, text(name))).collect())
    }

    /// Whether the form has this field.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// The words of a command that are a line each; nothing where there is no line.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    (!text.is_empty()).then(|| text.lines().map(str::to_owned).collect())
}

/// Whether lines can say this command: one of its words may have several.
pub(super) fn is_lines(command: Option<&Vec<String>>) -> bool {
    command.is_none_or(|command| {
        let text = command.join("\n");
        // A browser has a mind of its own about this one.
        !text.contains('\r') && words(&text).as_ref() == Some(command)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_lines_where_they_say_all_of_it() {
        let command = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert!(is_lines(None) && is_lines(Some(&command(&["sh", "-c", "a b "]))));
        for apart in [&["sh", "-c", "a\nb"][..], &["a", ""], &["a\r"], &[]] {
            assert!(!is_lines(Some(&command(apart))), "{apart:?}");
        }
    }
}
