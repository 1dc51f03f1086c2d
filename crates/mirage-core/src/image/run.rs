//! What a command such as `docker run` says about a service.

mod options;
mod words;

use std::borrow::Cow;
use std::iter;

use crate::amount::{bytes_of, cores_of};
use crate::error::{Code, Error, Result};
use crate::name::Name;
use crate::rollout::RestartPolicy;
use crate::service::Port;
use crate::variable::{VariableName, VariableText};
use crate::volume::{MountPath, VolumeMount};
use options::{Given, divided};
use words::{Word, words};

/// Programs whose commands name an image.
const PROGRAMS: [&str; 3] = ["docker", "podman", "nerdctl"];
/// What may stand before the program, whatever it is told to do.
const BEFORE: [&str; 8] = ["sudo", "doas", "env", "exec", "time", "command", "nohup", "winpty"];
/// What a program is told to do, of which nobody makes a secret.
const VERBS: [&str; 24] = [
    "build",
    "compose",
    "container",
    "cp",
    "create",
    "exec",
    "image",
    "inspect",
    "load",
    "login",
    "logs",
    "network",
    "ps",
    "pull",
    "push",
    "rm",
    "run",
    "service",
    "stack",
    "start",
    "stop",
    "tag",
    "up",
    "volume",
];
/// The most bytes and words of a command that are read.
const BYTES: usize = 32 << 10;
const WORDS: usize = 2_000;
/// Options that mean nothing for a service: it runs on its own, and is pulled when it is deployed.
const IDLE: [&str; 12] = [
    "--attach",
    "--cidfile",
    "--detach",
    "--detach-keys",
    "--disable-content-trust",
    "--interactive",
    "--publish-all",
    "--pull",
    "--quiet",
    "--rm",
    "--sig-proxy",
    "--tty",
];

/// A command that runs an image, or fetches one. Values of variables are often secret, and the words of a command may
/// be: it cannot be printed.
#[derive(Default)]
pub struct RunCommand {
    /// The image, as it is written there.
    pub image: String,
    /// What the container is called, as the nearest name that a service may have.
    pub name: Option<Name>,
    /// Ports of the container, each once, in their order.
    pub ports: Vec<Port>,
    /// Variables with their values; of two with one name the last.
    pub variables: Vec<(VariableName, VariableText)>,
    /// Volumes by name.
    pub volumes: Vec<VolumeMount>,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a core.
    pub cpu_millis: Option<u32>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// What happens when its process exits.
    pub restart: Option<RestartPolicy>,
    /// Seconds from the stop signal to the kill.
    pub stop_grace_seconds: Option<u32>,
    /// Words after the image.
    pub command: Option<Vec<String>>,
    /// What it says beyond that, by the names of options and never by their values, each once: "`--network`",
    /// "`--volume` of a folder of the machine".
    pub left: Vec<String>,
}

/// What a text says that has a command of `docker`, `podman` or `nerdctl` in it: of several, the first that runs an image,
/// else the first that fetches one. `None` where it is something else.
///
/// # Errors
/// `INVALID_IMAGE_REFERENCE` where the command names no image or cannot be read. The error quotes nothing of it.
pub fn run_command(pasted: &str) -> Option<Result<RunCommand>> {
    let found = Found::of(pasted)?;
    let (verb, rest) = verb(&found.arguments);
    let (given, rest) = divided(rest);
    Some(match (verb, rest) {
        _ if !found.is_whole => Err(unread()),
        ("run" | "create", [image, command @ ..]) => Ok(RunCommand::of(image, &given, command)),
        ("pull" | "push", [image, ..]) => {
            Ok(RunCommand { image: image.text.clone(), ..RunCommand::default() })
        }
        _ => Err(unread()),
    })
}

/// The program of a command and what it is told to do, such as `docker compose up`: what may be shown of one that cannot
/// be read. Empty where there is none.
pub fn verb_of(command: &str) -> String {
    let Some(found) = Found::of(command) else { return String::new() };
    let verbs = found.arguments.iter().map(|word| word.text.as_str()).take_while(|word| VERBS.contains(word));
    let words: Vec<&str> = iter::once(found.program).chain(verbs.take(2)).collect();
    match words.as_slice() {
        [program] => format!("{program} …"),
        words => words.join(" "),
    }
}

/// What may be kept and shown of a text that is no image: all of it, or, where it may be a command with a password in
/// it, its beginning and `…`. What comes out is left as it is when it comes again.
pub fn tellable(text: &str) -> Cow<'_, str> {
    let first = text.split_whitespace().next().unwrap_or_default();
    if first.len() == text.trim().len() || !text.contains(['=', '-']) {
        return text.into();
    }
    let verb = verb_of(text);
    let told = if verb.is_empty() { first.split('=').next().unwrap_or_default() } else { &verb };
    let told = told.strip_suffix(" …").unwrap_or(told);
    let is_told = text.split_once(" …").is_some_and(|(before, after)| before == told && after.is_empty());
    if is_told { text.into() } else { format!("{told} …").into() }
}

impl RunCommand {
    fn of(image: &Word, given: &[Given], command: &[Word]) -> Self {
        let mut run = Self { image: image.text.clone(), ..Self::default() };
        for option in given {
            if let Err(why) = run.take(option) {
                run.leave(&option.name, why);
            }
        }
        match command {
            [] => {}
            words if words.iter().any(|word| word.expands || word.text.contains('\0')) => {
                run.left.push("the command, of which a shell would replace a part".to_owned());
            }
            words => run.command = Some(words.iter().map(|word| word.text.clone()).collect()),
        }
        run
    }

    /// Takes over what an option says, or says of what kind it is that cannot be: `""` for the option as such.
    fn take(&mut self, option: &Given) -> Result<(), &'static str> {
        let name = option.name.as_str();
        if IDLE.contains(&name) {
            return Ok(());
        }
        let value = option.value.as_ref().ok_or("")?;
        if value.expands {
            return Err("whose value a shell would replace");
        }
        let text = value.text.as_str();
        match name {
            "--name" => self.name = Some(Name::suggest(text).ok_or("")?),
            "--env" => self.take_variable(text)?,
            "--publish" | "--expose" => self.take_port(text)?,
            "--volume" => self.take_volume(text)?,
            "--mount" => self.take_mount(text)?,
            "--memory" => self.memory_bytes = Some(bytes_of(text).ok_or("")?),
            "--cpus" => self.cpu_millis = Some(cores_of(text).ok_or("")?),
            "--pids-limit" => self.pids = Some(text.parse().ok().filter(|most| *most > 0).ok_or("")?),
            "--stop-timeout" => self.stop_grace_seconds = Some(text.parse().map_err(|_| "")?),
            "--restart" => {
                self.restart = Some(match text.split(':').next().unwrap_or_default() {
                    "no" => RestartPolicy::Never,
                    "always" | "unless-stopped" => RestartPolicy::Always,
                    "on-failure" => RestartPolicy::OnFailure,
                    _ => return Err(""),
                });
            }
            _ => return Err(""),
        }
        Ok(())
    }

    fn take_variable(&mut self, text: &str) -> Result<(), &'static str> {
        let (name, value) = text.split_once('=').ok_or("without a value")?;
        let name: VariableName = name.parse().map_err(|_| "")?;
        let value = VariableText::try_from(value.to_owned()).map_err(|_| "")?;
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value));
        Ok(())
    }

    /// The port inside: `80`, `8080:80`, `127.0.0.1:8080:80/tcp`.
    fn take_port(&mut self, text: &str) -> Result<(), &'static str> {
        let (_, inside) = text.rsplit_once(':').unwrap_or(("", text));
        let (port, protocol) = inside.split_once('/').unwrap_or((inside, "tcp"));
        if protocol != "tcp" {
            return Err("of another protocol than TCP");
        }
        let port: Port = port.parse().map_err(|_| "of several ports at once")?;
        if !self.ports.contains(&port) {
            self.ports.push(port);
        }
        Ok(())
    }

    /// `NAME:/path`, with what may follow and changes nothing.
    fn take_volume(&mut self, text: &str) -> Result<(), &'static str> {
        let mut parts = text.split(':');
        let (name, path) = (parts.next().unwrap_or_default(), parts.next().ok_or("without a name")?);
        if name.starts_with(['/', '.', '~', '\\']) {
            return Err("of a folder of the machine");
        }
        match parts.next() {
            None | Some("rw" | "z" | "Z" | "nocopy") if parts.next().is_none() => self.keep(name, path),
            _ => Err("with conditions"),
        }
    }

    /// `type=volume,source=NAME,target=/path`
    fn take_mount(&mut self, text: &str) -> Result<(), &'static str> {
        let (mut name, mut path) = ("", "");
        for part in text.split(',') {
            match part.split_once('=') {
                Some(("type", "volume")) => {}
                Some(("type", "bind")) => return Err("of a folder of the machine"),
                Some(("source" | "src", source)) => name = source,
                Some(("target" | "destination" | "dst", target)) => path = target,
                _ => return Err(""),
            }
        }
        self.keep(name, path)
    }

    fn keep(&mut self, name: &str, path: &str) -> Result<(), &'static str> {
        let (volume, path) = (Name::suggest(name).ok_or("")?, path.parse::<MountPath>().map_err(|_| "")?);
        self.volumes.push(VolumeMount { volume, path });
        Ok(())
    }

    fn leave(&mut self, option: &str, why: &str) {
        let told = if why.is_empty() { format!("`{option}`") } else { format!("`{option}` {why}") };
        if !self.left.contains(&told) {
            self.left.push(told);
        }
    }
}

/// A text without the sign of a prompt.
fn unprompted(text: &str) -> &str {
    text.strip_prefix("$ ").or_else(|| text.strip_prefix("# ")).unwrap_or(text).trim_start()
}

/// A command of one of the programs.
struct Found {
    program: &'static str,
    arguments: Vec<Word>,
    /// Whether it could be read to its end.
    is_whole: bool,
}

impl Found {
    /// The one that says most about a service, among all commands of a text.
    fn of(pasted: &str) -> Option<Self> {
        let text = pasted.trim();
        let end = (0..=text.len().min(BYTES)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let mut rest = unprompted(&text[..end]);
        let (mut best, mut most) = (None, 0);
        while !rest.is_empty() {
            let read = words(rest, WORDS);
            rest = read.after;
            let Some((says, program, at)) = says(&read.all) else { continue };
            if best.is_none() || says > most {
                let arguments = read.all.into_iter().skip(at + 1).collect();
                let is_whole = read.is_whole && end == text.len();
                (best, most) = (Some(Self { program, arguments, is_whole }), says);
            }
        }
        best
    }
}

/// How much a command says about a service, its program, and where that stands. One that names no image is known by
/// its program alone, so that has to stand at its beginning.
fn says(words: &[Word]) -> Option<(u8, &'static str, usize)> {
    for (at, word) in words.iter().enumerate() {
        let Some(program) = program(word) else { continue };
        match verb(&words[at + 1..]).0 {
            "run" | "create" => return Some((2, program, at)),
            "pull" | "push" => return Some((1, program, at)),
            _ => {}
        }
    }
    let is_before = |word: &Word| {
        let text = word.text.as_str();
        BEFORE.contains(&text) || text.starts_with('-') || text.contains('=')
    };
    let at = words.iter().position(|word| !is_before(word))?;
    // Alone, it is the name of an image.
    program(&words[at]).filter(|_| at + 1 < words.len()).map(|program| (0, program, at))
}

/// The program that a word names: `docker`, `/usr/bin/docker`, `docker.exe`.
fn program(word: &Word) -> Option<&'static str> {
    let text = word.text.as_str();
    let (name, is_file) = match text.strip_suffix(".exe") {
        Some(name) => (name, true),
        None => (text, text.starts_with(['/', '.', '~'])),
    };
    let name = if is_file { name.rsplit(['/', '\\']).next()? } else { name };
    PROGRAMS.into_iter().find(|program| *program == name)
}

/// The verb, and what follows it. Options of the program itself stand before it.
fn verb(arguments: &[Word]) -> (&str, &[Word]) {
    let mut words = arguments;
    let mut verb = "";
    while let [word, rest @ ..] = words {
        words = rest;
        let text = word.text.as_str();
        match text {
            "run" | "create" | "pull" | "push" => return (text, rest),
            "image" | "container" if verb.is_empty() => verb = text,
            "-D" | "--debug" | "--tls" | "--tlsverify" => {}
            _ if text.starts_with('-') && text.contains('=') => {}
            _ if text.starts_with('-') => words = rest.get(1..).unwrap_or_default(),
            _ => break,
        }
    }
    ("", &[])
}

fn unread() -> Error {
    Error::new(Code::InvalidImageReference, "the command names no image").field("image").hint(
        "paste it as a whole, with the end of each quote: `docker run OPTIONS IMAGE`; or type the image alone",
    )
}

#[cfg(test)]
mod tests;
