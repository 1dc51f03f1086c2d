//! The file with the logins.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mirage_core::{Code, Error, Result, Secret};
use serde::Deserialize;

use super::{IDENTITY_TOKEN, MAX_ENTRIES};

/// Largest file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What of it is about logins.
#[derive(Deserialize)]
pub(super) struct ConfigFile {
    /// The logins in plain, by registry.
    #[serde(rename = "auths", default)]
    pub(super) entries: BTreeMap<String, Entry>,
    /// The helper of a registry.
    #[serde(rename = "credHelpers", default)]
    pub(super) helpers: BTreeMap<String, String>,
    /// The helper of all others.
    #[serde(rename = "credsStore")]
    pub(super) store: Option<String>,
}

/// A login in plain; empty where a store has it.
#[derive(Deserialize)]
pub(super) struct Entry {
    /// User name and password in Base64, with a colon between.
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
    registrytoken: Option<Secret>,
}

impl ConfigFile {
    /// Reads it.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where it cannot be read, is too large or is of another form. Nothing of what is in
    /// it is in the error.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let at = path.display();
        let refuse = |why: &str| {
            Error::new(Code::InvalidRequest, format!("`{at}` {why}")).hint(
                "name the file that docker or podman keeps its logins in, such as `~/.docker/config.json`",
            )
        };
        let metadata = std::fs::metadata(path).map_err(|cause| refuse("cannot be read").because(cause))?;
        if !metadata.is_file() || metadata.len() > MAX_BYTES {
            return Err(refuse("is no file with logins: it is no file, or larger than 1 MiB"));
        }
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
        let text = Secret::from(text);
        read.map_err(|cause| refuse("cannot be read").because(cause))?;
        // What is wrong with the text may quote it.
        let mut file: Self = serde_json::from_str(text.reveal())
            .map_err(|error| refuse(&format!("is no file with logins (line {})", error.line())))?;
        if file.entries.len().max(file.helpers.len()) > MAX_ENTRIES {
            return Err(refuse("has more than 1000 entries"));
        }
        file.store = file.store.filter(|name| !name.is_empty());
        file.helpers.retain(|_, name| !name.is_empty());
        Ok(file)
    }
}

impl Entry {
    /// User name and password, or why there are none; `None` where nothing is there.
    pub(super) fn login(self) -> Result<Option<(String, Secret)>, &'static str> {
        let there = |secret: &Secret| !secret.is_empty();
        if let Some(token) = self.identitytoken.filter(there) {
            return Ok(Some((IDENTITY_TOKEN.to_owned(), token)));
        }
        if let Some(auth) = self.auth.filter(there) {
            return decoded(&auth).map(Some);
        }
        match (self.username.filter(|name| !name.is_empty()), self.password.filter(there)) {
            (Some(username), Some(password)) => Ok(Some((username, password))),
            (None, None) if self.registrytoken.is_some_and(|token| !token.is_empty()) => {
                Err("has a token of the registry itself, which runs out within minutes")
            }
            (None, None) => Ok(None),
            _ => Err("has a user name without a password, or the other way round"),
        }
    }
}

/// As docker reads it: NUL bytes at the ends of the password are filling.
fn decoded(auth: &Secret) -> Result<(String, Secret), &'static str> {
    let bytes = BASE64_STANDARD.decode(auth.reveal()).map_err(|_| "has an `auth` that is not in Base64")?;
    let text = String::from_utf8(bytes).map_err(|_| "has an `auth` that is no text")?;
    let text = Secret::from(text);
    let (username, password) =
        text.reveal().split_once(':').ok_or("has an `auth` without a colon after the user name")?;
    let password = Secret::from(password.trim_matches('\0').to_owned());
    if username.is_empty() || password.is_empty() {
        return Err("has an `auth` without a user name or without a password");
    }
    Ok((username.to_owned(), password))
}
