//! The login at an image's registry, as several verbs take it.

use clap::Args;
use mirage_core::{Code, CredentialChange, Error, Result};

use super::secret;
use super::wire::{Password, RegistryCredentials};

/// The login at the registry of the image.
#[derive(Debug, Default, Args)]
pub(crate) struct LoginArgs {
    /// User name at the image's registry; an empty one takes a stored login away
    #[arg(long, value_name = "NAME", help_heading = "Registry")]
    registry_username: Option<String>,
    /// Read the password or token for it from standard input
    #[arg(long, help_heading = "Registry")]
    registry_password_stdin: bool,
}

impl LoginArgs {
    /// The same in the core's words.
    ///
    /// # Errors
    /// As [`Self::credentials`].
    pub(crate) fn change(&self) -> Result<CredentialChange> {
        let given = self.credentials()?.map(|given| CredentialChange {
            username: given.username,
            password: given.password.map(|password| password.0),
        });
        Ok(given.unwrap_or_default())
    }

    /// What to say about credentials; nothing where nothing was said.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where the password cannot be read.
    pub(crate) fn credentials(&self) -> Result<Option<RegistryCredentials>> {
        let password = match self.registry_password_stdin {
            true if self.registry_username.is_none() => {
                return Err(Error::new(Code::InvalidRequest, "a password needs its user name")
                    .hint("add `--registry-username`; registries that look at a token alone take any, such as `token`"));
            }
            true => Some(Password(secret::from_stdin("password")?)),
            false => None,
        };
        let username = self.registry_username.clone();
        Ok((username.is_some() || password.is_some()).then_some(RegistryCredentials { username, password }))
    }
}
