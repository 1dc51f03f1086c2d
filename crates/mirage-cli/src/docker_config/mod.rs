//! The logins that docker or podman has on this machine, so that they can be given to Mirage.
//!
//! Both write them into a file of the same form (docker, `config.json`; podman, `containers-auth.json(5)`):
//! in plain, or with the name of a program that has them, the credential helper of a registry or the
//! store of all.

mod file;
mod helper;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mirage_core::{RegistryHost, RegistryPlace, Repository, Result, Secret};

use file::ConfigFile;
use helper::{Helper, Trouble};

/// The user name that says that the password is an identity token, which the token service of the
/// registry takes in place of a password.
pub(crate) const IDENTITY_TOKEN: &str = "<token>";
/// How long a helper may take for one answer: some ask the user to unlock something.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most entries of a file, and of a store.
const MAX_ENTRIES: usize = 1_000;
/// Helpers whose passwords are made for the moment: those of Amazon are good for 12 hours, the others'
/// for less.
const FOR_THE_MOMENT: &[&str] = &["ecr-login", "gcloud", "gcr", "acr-env"];

/// What was found in a file, and with the helpers that it names.
#[derive(Default)]
pub(crate) struct Found {
    /// One for each registry, or for each part of one.
    pub(crate) logins: Vec<FoundLogin>,
    /// What could not be used, in the order in which it was met.
    pub(crate) skipped: Vec<Skipped>,
}

/// A login.
pub(crate) struct FoundLogin {
    /// The registry.
    pub(crate) host: RegistryHost,
    /// The repositories for which it counts: the one of this name and those below; all where there is none.
    pub(crate) prefix: Option<Repository>,
    /// The user; [`IDENTITY_TOKEN`] where the password is an identity token.
    pub(crate) username: String,
    /// The password.
    pub(crate) password: Secret,
    /// Where it was found: the file, or `docker-credential-pass`.
    pub(crate) from: String,
    /// Whether its password is good for hours only, so that keeping it does not help for long.
    pub(crate) short_lived: bool,
}

/// An entry that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// How the file or the store calls it, fit for a terminal.
    pub(crate) key: String,
    /// Why, as the end of a sentence.
    pub(crate) why: String,
}

/// Every login in this file and with the helpers that it names, which are looked for in `programs`.
///
/// Helpers of single registries go before the store, and the store before what stands in the file.
///
/// # Errors
/// `INVALID_REQUEST` where there is no such file or it is none of docker's. A single entry that is not
/// understood, and a helper that does not do its work, is skipped.
pub(crate) async fn found_logins(config: &Path, programs: &[PathBuf]) -> Result<Found> {
    found_within(PATIENCE, config, programs).await
}

async fn found_within(patience: Duration, config: &Path, programs: &[PathBuf]) -> Result<Found> {
    let file = ConfigFile::read(config)?;
    let mut found = Found::default();
    for (key, name) in &file.helpers {
        match Helper::find(name, programs, patience) {
            Ok(mut helper) => found.ask(&mut helper, key).await,
            Err(why) => found.skip(key, why),
        }
    }
    if let Some(name) = &file.store {
        match Helper::find(name, programs, patience) {
            Ok(mut helper) => found.ask_all(&mut helper).await,
            Err(why) => found.skip("credsStore", why),
        }
    }
    let from = config.display().to_string();
    for (key, entry) in file.entries {
        match entry.login() {
            Ok(Some((username, password))) => found.take(&key, username, password, &from, false),
            // A store leaves the names of registries behind in the file.
            Ok(None) if file.store.is_some() || file.helpers.contains_key(&key) => {}
            Ok(None) => found.skip(&key, "has no user name and password"),
            Err(why) => found.skip(&key, why),
        }
    }
    Ok(found)
}

impl Found {
    async fn ask_all(&mut self, helper: &mut Helper) {
        let keys = match helper.list().await {
            Ok(keys) => keys,
            Err(why) => return self.skip(&helper.name(), why),
        };
        for key in keys {
            if self.is_new(&key) {
                self.ask(helper, &key).await;
            }
        }
    }

    async fn ask(&mut self, helper: &mut Helper, key: &str) {
        match helper.get(key).await {
            Ok((username, password)) => {
                let short_lived = FOR_THE_MOMENT.contains(&helper.suffix());
                self.take(key, username, password, &helper.name(), short_lived);
            }
            Err(Trouble::None) => self.skip(key, format!("`{}` has no login for it", helper.name())),
            Err(Trouble::Failed(why)) => self.skip(key, format!("`{}` {why}", helper.name())),
        }
    }

    fn take(&mut self, key: &str, username: String, password: Secret, from: &str, short_lived: bool) {
        let RegistryPlace { host, prefix } = match key.parse::<RegistryPlace>() {
            Ok(place) => place,
            Err(error) => return self.skip(key, error.message()),
        };
        if let Some(first) = self.first(&host, prefix.as_ref()) {
            let why = format!("has a login from `{}` already", shown(&first.from));
            return self.skip(key, why);
        }
        let from = from.to_owned();
        self.logins.push(FoundLogin { host, prefix, username, password, from, short_lived });
    }

    /// Whether this is a registry that nothing was found for yet. What is none is seen to later.
    fn is_new(&self, key: &str) -> bool {
        let place = key.parse::<RegistryPlace>();
        place.map_or(true, |place| self.first(&place.host, place.prefix.as_ref()).is_none())
    }

    fn first(&self, host: &RegistryHost, prefix: Option<&Repository>) -> Option<&FoundLogin> {
        self.logins.iter().find(|login| login.host == *host && login.prefix.as_ref() == prefix)
    }

    fn skip(&mut self, key: &str, why: impl AsRef<str>) {
        self.skipped.push(Skipped { key: shown(key), why: shown(why.as_ref()) });
    }
}

/// Text of others, fit for a terminal.
fn shown(text: &str) -> String {
    const MOST: usize = 300;
    let mut shown: String = text.chars().take(MOST).flat_map(escaped).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

fn escaped(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}

#[cfg(test)]
mod tests;
