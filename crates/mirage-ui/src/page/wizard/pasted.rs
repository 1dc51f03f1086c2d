//! A pasted command: its image is kept as the image, what it says beside that goes into the fields that are for it, and
//! the command itself is not kept, as there may be passwords in it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use maud::{Markup, html};
use mirage_control::DraftFields;
use mirage_core::{
    Digest, Reference, ReferenceParts, RestartPolicy, Result, RunCommand, bytes_text, decimal, run_command,
    tellable, unwrapped, verb_of,
};
use ring::digest::{SHA256, digest};

use super::typed::{VOLUMES_MAX, parts_kept};
use super::variables;
use crate::prose::prose;

/// The fields that the last command set, a line each, with the beginning of the digest of what it set them to.
const SET: &str = "pasted-set";
const SHORT: usize = 16;
/// The repository that the command is about.
const FOR: &str = "pasted-for";
/// By which a command is known that was taken over already.
const MARK: &str = "pasted-mark";
/// What is told of it.
const TAKEN: &str = "pasted-taken";
const LEFT: &str = "pasted-left";

/// What of a text is kept as the image: of what may have a password in it, the image or the beginning.
pub(super) fn kept(whole: &str) -> Cow<'_, str> {
    match run_command(whole) {
        Some(Ok(run)) => tellable(&run.image).into_owned().into(),
        Some(Err(_)) => verb_of(whole).into(),
        None => match tellable(whole) {
            Cow::Borrowed(whole) => whole.into(),
            told => {
                let image = Some(unwrapped(whole)).filter(|image| image.parse::<Reference>().is_ok());
                image.map_or(told, Cow::from)
            }
        },
    }
}

/// Whether a text is a command that was not taken over yet.
pub(super) fn is_new(fields: &DraftFields, whole: &str) -> bool {
    matches!(run_command(whole), Some(Ok(_))) && fields.get(MARK) != mark(whole)
}

/// Takes over what a command says beside its image, in the place of what the one before it said.
pub(super) fn take(fields: &mut DraftFields, whole: &str) -> Option<Result<()>> {
    let run = match run_command(whole)? {
        Ok(run) => run,
        Err(error) => return Some(Err(error)),
    };
    take_out(fields);
    let mut taking = Taking { fields, set: Vec::new(), taken: Vec::new(), left: run.left.clone() };
    taking.all(run);
    let Taking { set, taken, left, .. } = taking;
    let set: Vec<String> =
        set.iter().map(|name| format!("{name} {}", &mark(fields.get(name))[..SHORT])).collect();
    for (field, text) in [(SET, set.join("\n")), (TAKEN, taken.join(", ")), (LEFT, left.join(", "))] {
        fields.set(field, text);
    }
    fields.set(MARK, mark(whole));
    Some(Ok(()))
}

/// Ties what a command said to the image that it named, once the parts of that are kept; what another command said of
/// another image goes.
pub(super) fn follow(fields: &mut DraftFields, is_taken: bool) {
    let ReferenceParts { registry, name, .. } = parts_kept(fields);
    let written = format!("{registry}/{name}");
    let parts = ReferenceParts { registry, name, ..ReferenceParts::default() };
    let image = parts.reference().map_or(written, |image| format!("{}/{}", image.host(), image.repository()));
    if is_taken {
        fields.set(FOR, image);
    } else if fields.has(FOR) && fields.get(FOR) != image {
        take_out(fields);
    }
}

/// Takes out what the last command said, but for what somebody changed since.
fn take_out(fields: &mut DraftFields) {
    let set = fields.get(SET).to_owned();
    let lines: Vec<(&str, &str)> = set.lines().filter_map(|line| line.split_once(' ')).collect();
    let is_changed = |(name, before): &&(&str, &str)| !mark(fields.get(name)).starts_with(before);
    // Of a row, all of it counts.
    let changed: BTreeSet<&str> = lines.iter().filter(is_changed).map(|(name, _)| row(name)).collect();
    for (name, _) in lines.iter().filter(|(name, _)| !changed.contains(row(name))) {
        fields.remove(name);
    }
    for field in [SET, FOR, MARK, TAKEN, LEFT] {
        fields.remove(field);
    }
}

/// What a field is changed with: `variable-3` of `variable-3-name`.
fn row(name: &str) -> &str {
    match ["variable-", "volume-"].iter().any(|start| name.starts_with(start)) {
        true => name.rsplit_once('-').map_or(name, |(row, _)| row),
        false => name,
    }
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

fn mark(text: &str) -> String {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.trim().as_bytes()).as_ref());
    Digest::sha256(bytes).hex().to_owned()
}
