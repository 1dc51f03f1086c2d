//! Credential helpers: `docker-credential-<name> get` with the name of a registry on its input
//! (`docker/docker-credential-helpers`, "Development").
//!
//! They are programs of the host, and the one thing of it that the command line starts: the logins in
//! them are to be had in no other way, and it is the user's own docker that names them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mirage_core::Secret;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use super::{MAX_ENTRIES, shown};
use crate::config::env;

const PREFIX: &str = "docker-credential-";
/// Largest answer, in bytes.
const MAX_ANSWER: u64 = 1 << 20;
/// What a helper says that has no login for a registry.
const NOTHING: &str = "credentials not found in native keychain";

/// A helper that is installed.
pub(super) struct Helper {
    suffix: String,
    program: PathBuf,
    patience: Duration,
    /// Whether it hung once. It is not asked again.
    hangs: bool,
}

/// Why there is no login.
pub(super) enum Trouble {
    /// It has none.
    None,
    /// It did something else, as the end of a sentence that begins with its name.
    Failed(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: Secret,
}

impl Helper {
    /// The helper of this name in the first of these folders that has it.
    ///
    /// # Errors
    /// Where the name is no plain word, with which a path could be meant, or no folder has it.
    pub(super) fn find(name: &str, folders: &[PathBuf], patience: Duration) -> Result<Self, String> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(format!("wants `{name}`, which is no name of a credential helper"));
        }
        let file = format!("{PREFIX}{name}");
        let programs = folders.iter().filter(|folder| folder.is_absolute()).map(|folder| folder.join(&file));
        let program = programs.into_iter().find(|program| program.is_file());
        let program = program.ok_or_else(|| format!("wants `{file}`, which is not installed"))?;
        Ok(Self { suffix: name.to_owned(), program, patience, hangs: false })
    }

    /// `docker-credential-pass`.
    pub(super) fn name(&self) -> String {
        format!("{PREFIX}{}", self.suffix)
    }

    /// `pass`.
    pub(super) fn suffix(&self) -> &str {
        &self.suffix
    }

    /// User name and password for a registry, which is named as the user's docker does.
    pub(super) async fn get(&mut self, registry: &str) -> Result<(String, Secret), Trouble> {
        let answer = self.ask("get", registry).await?;
        let answer: Answer = serde_json::from_str(answer.reveal())
            .map_err(|_| Trouble::Failed("gave an answer that is no login".into()))?;
        if answer.username.is_empty() || answer.secret.is_empty() {
            return Err(Trouble::None);
        }
        Ok((answer.username, answer.secret))
    }

    /// The registries that it has logins for.
    pub(super) async fn list(&mut self) -> Result<Vec<String>, String> {
        let answer = match self.ask("list", "unused").await {
            Ok(answer) => answer,
            Err(Trouble::None) => return Ok(Vec::new()),
            Err(Trouble::Failed(why)) => return Err(why),
        };
        let names: BTreeMap<String, String> =
            serde_json::from_str(answer.reveal()).map_err(|_| "gave a list that is none")?;
        if names.len() > MAX_ENTRIES {
            return Err("has more than 1000 logins".into());
        }
        Ok(names.into_keys().collect())
    }

    async fn ask(&mut self, word: &str, input: &str) -> Result<Secret, Trouble> {
        let failed = |why: String| Trouble::Failed(why);
        if self.hangs {
            return Err(failed("did not answer before".into()));
        }
        let Ok(done) = timeout(self.patience, run(&self.program, word, input)).await else {
            self.hangs = true;
            return Err(failed(format!("did not answer within {} s", self.patience.as_secs_f32())));
        };
        let (fine, output) = done.map_err(|error| failed(format!("cannot be run: {error}")))?;
        if output.len() as u64 > MAX_ANSWER {
            return Err(failed("said more than 1 MiB".into()));
        }
        let output = String::from_utf8(output).map_err(|_| failed("said what is no text".into()))?;
        let output = Secret::from(output);
        match output.reveal().trim() {
            _ if fine => Ok(output),
            NOTHING => Err(Trouble::None),
            // By the protocol this is its error and no secret.
            "" => Err(failed("failed and said nothing".into())),
            said => Err(failed(format!("failed: {}", shown(said.lines().next().unwrap_or_default())))),
        }
    }
}

/// Runs a helper to its end: whether it went well, and what it said, up to a byte more than it may. It
/// is killed where nobody waits for it any more.
async fn run(program: &Path, word: &str, input: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let mut command = Command::new(program);
    command.arg(word).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    // Helpers need their user's variables; those of Mirage, of which some are secret, are not for them.
    for (name, ..) in env::ALL.iter().filter(|(name, ..)| name.starts_with("MIRAGE_")) {
        command.env_remove(name);
    }
    let mut child = command.spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let tell = async {
        if let Some(mut stdin) = stdin {
            // A helper that does not want to know may have closed it.
            stdin.write_all(input.as_bytes()).await.ok();
        }
    };
    let listen = async {
        let mut output = Vec::new();
        match stdout {
            Some(stdout) => stdout.take(MAX_ANSWER + 1).read_to_end(&mut output).await.map(|_| output),
            None => Ok(output),
        }
    };
    let ((), output) = tokio::join!(tell, listen);
    let output = output?;
    if output.len() as u64 > MAX_ANSWER {
        return Ok((false, output));
    }
    Ok((child.wait().await?.success(), output))
}
