//! What a command such as `docker run` says about a service.

mod options;
mod words;

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
/// What may stand before the program.
const BEFORE: [&str; 5] = ["sudo", "env", "exec", "time", "command"];
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

/// What a text says that is a command of `docker`, `podman` or `nerdctl`; `None` where it is something else.
///
/// # Errors
/// `INVALID_IMAGE_REFERENCE` where the command names no image or cannot be read. The error quotes nothing of it.
pub fn run_command(pasted: &str) -> Option<Result<RunCommand>> {
    let text = pasted.trim();
    let end = (0..=text.len().min(BYTES)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let read = words(unprompted(&text[..end]), WORDS);
    let arguments = arguments(&read.all)?;
    let (verb, rest) = verb(arguments);
    let (given, rest) = divided(rest);
    Some(match (verb, rest) {
        _ if end < text.len() || !read.is_whole => Err(unread()),
        ("run" | "create", [image, command @ ..]) => Ok(RunCommand::of(image, &given, command)),
        ("pull" | "push", [image, ..]) => {
            Ok(RunCommand { image: image.text.clone(), ..RunCommand::default() })
        }
        _ => Err(unread()),
    })
}

/// The first words of a command, up to where options and values begin: what may be shown of one that cannot be read.
pub fn verb_of(command: &str) -> String {
    let plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    let words: Vec<&str> = unprompted(command.trim()).split_whitespace().take_while(plain).take(3).collect();
    words.join(" ")
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

/// What follows the program, where it is one of those.
fn arguments(words: &[Word]) -> Option<&[Word]> {
    let is_before = |word: &Word| {
        let text = word.text.as_str();
        BEFORE.contains(&text) || text.starts_with('-') || text.contains('=')
    };
    let at = words.iter().position(|word| !is_before(word))?;
    let (program, rest) = words[at..].split_first()?;
    let program = match program.text.strip_prefix('/') {
        Some(path) => path.rsplit('/').next().unwrap_or_default(),
        None => &program.text,
    };
    // Alone, it is the name of an image.
    (PROGRAMS.contains(&program) && !rest.is_empty()).then_some(rest)
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
