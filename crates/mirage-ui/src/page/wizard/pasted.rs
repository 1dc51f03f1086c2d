//! A pasted command: its image is kept as the image, what it says beside that goes into the fields that are for it, and
//! the command itself is not kept, as there may be passwords in it.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use maud::{Markup, html};
use mirage_control::DraftFields;
use mirage_core::{RestartPolicy, Result, RunCommand, bytes_text, decimal, run_command, verb_of};

use super::typed::VOLUMES_MAX;
use super::variables;
use crate::prose::prose;

/// The fields that the last command set, a line each.
const SET: &str = "pasted-set";
/// By which a command is known that was taken over already.
const MARK: &str = "pasted-mark";
/// What is told of it.
const TAKEN: &str = "pasted-taken";
const LEFT: &str = "pasted-left";

/// What of a text is kept as the image.
pub(super) fn kept(whole: &str) -> Cow<'_, str> {
    match run_command(whole) {
        None => whole.into(),
        Some(Ok(run)) => run.image.into(),
        Some(Err(_)) => {
            Some(verb_of(whole)).filter(|verb| !verb.is_empty()).map_or("docker run".into(), Cow::from)
        }
    }
}

/// Whether a text is a command that was not taken over yet.
pub(super) fn is_new(fields: &DraftFields, whole: &str) -> bool {
    matches!(run_command(whole), Some(Ok(_))) && fields.get(MARK) != mark(whole)
}

/// Takes over what a command says beside its image, in the place of what the one before it said.
pub(super) fn take(fields: &mut DraftFields, whole: &str) -> Option<Result<()>> {
    for field in [MARK, TAKEN, LEFT] {
        fields.remove(field);
    }
    let run = match run_command(whole)? {
        Ok(run) => run,
        Err(error) => return Some(Err(error)),
    };
    for name in fields.get(SET).to_owned().lines() {
        fields.remove(name);
    }
    let mut taking = Taking { fields, set: Vec::new(), taken: Vec::new(), left: run.left.clone() };
    taking.all(run);
    let Taking { set, taken, left, .. } = taking;
    for (field, text) in [(SET, set.join("\n")), (TAKEN, taken.join(", ")), (LEFT, left.join(", "))] {
        fields.set(field, text);
    }
    fields.set(MARK, mark(whole));
    Some(Ok(()))
}

/// What was taken over, and what was not.
pub(super) fn note(fields: &DraftFields) -> Markup {
    let (taken, left) = (fields.get(TAKEN), fields.get(LEFT));
    html! {
        @if !taken.is_empty() || !left.is_empty() {
            p.pasted {
                @if !taken.is_empty() { "Taken over from the command: " (prose(taken)) ". " }
                @if !left.is_empty() { strong { "Not taken over: " } (prose(left)) "." }
            }
        }
    }
}

/// A command that is being taken over.
struct Taking<'a> {
    fields: &'a mut DraftFields,
    set: Vec<String>,
    taken: Vec<String>,
    left: Vec<String>,
}

impl Taking<'_> {
    fn all(&mut self, run: RunCommand) {
        if let Some(name) = run.name {
            self.take("service", name.as_str(), "its name".to_owned());
        }
        if !run.ports.is_empty() {
            let ports: Vec<String> = run.ports.iter().map(ToString::to_string).collect();
            let word = if ports.len() == 1 { "port" } else { "ports" };
            let ports = ports.join(", ");
            self.take("ports", &ports, format!("{word} {ports}"));
            self.fields.remove("worker");
        }
        self.variables(&run.variables);
        for mount in &run.volumes {
            self.volume(mount.volume.as_str(), mount.path.as_str());
        }
        if let Some(bytes) = run.memory_bytes {
            self.take("memory", &bytes_text(bytes), "its memory".to_owned());
        }
        if let Some(millis) = run.cpu_millis {
            self.take("cpu", &decimal(millis.into()), "its processor cores".to_owned());
        }
        if let Some(pids) = run.pids {
            self.take("pids", &pids.to_string(), "its number of processes".to_owned());
        }
        if let Some(seconds) = run.stop_grace_seconds {
            self.take("stop-grace", &seconds.to_string(), "its time to stop".to_owned());
        }
        if let Some(restart) = run.restart {
            let word = match restart {
                RestartPolicy::OnFailure => "on-failure",
                RestartPolicy::Always => "always",
                RestartPolicy::Never => "never",
            };
            self.take("restart", word, "when it is started again".to_owned());
        }
        if let Some(command) = run.command {
            let text = command.join("\n");
            // Lines say it, where none of its words is one of several lines.
            match text.lines().eq(command.iter().map(String::as_str)) {
                true => self.take("command", &text, "its command".to_owned()),
                false => self.left.push("the command, of which a word has several lines".to_owned()),
            }
        }
    }

    /// They are sealed: nobody knows which of them are secret.
    fn variables(&mut self, all: &[(mirage_core::VariableName, mirage_core::VariableText)]) {
        let mut count = 0;
        for (name, value) in all {
            match variables::put(self.fields, name.as_str(), value.reveal(), true) {
                Some(set) => {
                    self.set.extend(set);
                    count += 1;
                }
                None => self.leave("`--env` beyond the most that fit"),
            }
        }
        match count {
            0 => {}
            1 => self.taken.push("1 sealed variable".to_owned()),
            _ => self.taken.push(format!("{count} sealed variables")),
        }
    }

    fn volume(&mut self, name: &str, path: &str) {
        let fields = |at: usize| ["name", "path"].map(|part| format!("volume-{at}-{part}"));
        let at_path = (0..VOLUMES_MAX).find(|at| self.fields.get(&fields(*at)[1]) == path);
        let free =
            || (0..VOLUMES_MAX).find(|at| fields(*at).iter().all(|field| self.fields.get(field).is_empty()));
        match at_path.or_else(free) {
            Some(at) => {
                let [name_at, path_at] = fields(at);
                self.take(&name_at, name, format!("the volume `{name}`"));
                self.fields.set(&path_at, path);
                self.set.push(path_at);
            }
            None => self.leave("`--volume` beyond the most that fit"),
        }
    }

    fn take(&mut self, field: &str, text: &str, told: String) {
        self.fields.set(field, text);
        self.set.push(field.to_owned());
        self.taken.push(told);
    }

    fn leave(&mut self, told: &str) {
        if !self.left.iter().any(|known| known == told) {
            self.left.push(told.to_owned());
        }
    }
}

fn mark(whole: &str) -> String {
    let mut hasher = DefaultHasher::new();
    whole.trim().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
