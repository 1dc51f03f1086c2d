//! Who pulls: user names at registries, and the rule by which a password is kept or replaced.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::id::{CredentialId, EnvironmentId, ProjectId, ServiceId};
use crate::image::reference::{Reference, RegistryHost, Repository};
use crate::secret::Secret;

/// The longest user name, in bytes. Those of robots at Google and Quay have some 100.
const MAX_USERNAME: usize = 1024;
/// The longest password, in bytes. The key of a service account of Google, used as one, has 2.4 KiB.
const MAX_PASSWORD: usize = 64 << 10;

const USERNAME_FIELD: &str = "registryCredentials.username";
const PASSWORD_FIELD: &str = "registryCredentials.password";

/// What is known of a stored password, without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Identity.
    pub id: CredentialId,
    /// Who pulls with it.
    pub scope: CredentialScope,
    /// Whose it is, and for which registry.
    pub owner: CredentialOwner,
    /// Only for repositories at or below this one.
    pub prefix: Option<Repository>,
    /// When it was first given.
    pub created_at: Timestamp,
    /// When its password was last replaced.
    pub updated_at: Timestamp,
}

/// Who pulls with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialScope {
    /// One service alone.
    Service(ServiceId),
    /// The services of an environment.
    Environment(EnvironmentId),
    /// The services of a project.
    Project(ProjectId),
}

/// A user name at a registry. Its password is kept elsewhere, and is sent to no other host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CredentialOwner {
    /// The registry.
    pub host: RegistryHost,
    /// The user.
    pub username: String,
}

/// A user name with its password, for the time in which a registry is spoken to.
#[derive(Clone)]
pub struct Login {
    /// Who.
    pub owner: CredentialOwner,
    /// The password or token.
    pub password: Secret,
}

impl Credential {
    /// Which of these is for pulling `image`: the service's own first, then those of its environment, then
    /// those of its project, and of several the one for the fewest repositories.
    pub fn choose<'a>(all: &'a [Self], image: &Reference) -> Option<&'a Self> {
        all.iter().filter(|one| one.is_for(image)).max_by_key(|one| (one.scope.closeness(), one.narrowness()))
    }

    /// What the vault binds its password to: moved to another owner, it cannot be opened.
    pub fn binding(&self) -> String {
        let Self { id, scope, owner, .. } = self;
        format!("the password of {owner}, credential {id} of {scope}")
    }

    fn is_for(&self, image: &Reference) -> bool {
        let repository = image.repository().as_str();
        // `docker.io/nginx` is written for what is `library/nginx` there.
        let short = repository.strip_prefix("library/").filter(|_| image.host().is_docker_hub());
        let under = |whole: &str, prefix: &Repository| {
            whole.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let below = |prefix: &Repository| {
            under(repository, prefix) || short.is_some_and(|short| under(short, prefix))
        };
        self.owner.host == *image.host() && self.prefix.as_ref().is_none_or(below)
    }

    fn narrowness(&self) -> usize {
        self.prefix.as_ref().map_or(0, |prefix| prefix.as_str().len())
    }
}

impl CredentialScope {
    fn closeness(self) -> u8 {
        match self {
            Self::Service(_) => 2,
            Self::Environment(_) => 1,
            Self::Project(_) => 0,
        }
    }
}

impl fmt::Display for CredentialScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(id) => write!(f, "service {id}"),
            Self::Environment(id) => write!(f, "environment {id}"),
            Self::Project(id) => write!(f, "project {id}"),
        }
    }
}

/// What a request says about credentials. Absent and empty differ for the user name: empty takes the
/// credential away. An empty password is what a form sends whose field nobody touched, so it is absent.
#[derive(Clone, Default)]
pub struct CredentialChange {
    /// The user name.
    pub username: Option<String>,
    /// The password or token.
    pub password: Option<Secret>,
}

/// What becomes of a stored credential.
#[derive(Clone)]
pub enum CredentialOutcome {
    /// It stays as it is, if there is one.
    Keep,
    /// User name and password are these from now on.
    Replace(Login),
    /// There is none any more.
    Remove,
}

impl CredentialChange {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.username.is_none() && self.password.is_none()
    }

    /// The rule for creating and updating a service: `stored` is what it has, `host` the registry of
    /// the image it is to run. A credential that is stored for another registry counts as that of
    /// another user: a password is never sent to a host that it was not given for.
    ///
    /// # Errors
    /// `CREDENTIAL_INCOMPLETE` where a password or a user name is missing, `INVALID_REQUEST` where one
    /// cannot be any. Nothing may have changed then.
    pub fn decide(self, stored: Option<&CredentialOwner>, host: &RegistryHost) -> Result<CredentialOutcome> {
        let password = self.password.filter(|password| !password.is_empty());
        match (self.username, password) {
            (None, None) => match stored {
                Some(stored) if stored.host != *host => Err(elsewhere(stored, host)),
                _ => Ok(CredentialOutcome::Keep),
            },
            (None, Some(_)) => Err(nameless(host)),
            (Some(username), Some(_)) if username.is_empty() => Err(nameless(host)),
            (Some(username), None) if username.is_empty() => Ok(CredentialOutcome::Remove),
            (Some(username), password) => {
                check(&username, password.as_ref())?;
                let owner = CredentialOwner { host: host.clone(), username };
                match password {
                    Some(password) => Ok(CredentialOutcome::Replace(Login { owner, password })),
                    None if stored == Some(&owner) => Ok(CredentialOutcome::Keep),
                    None => Err(passwordless(&owner, stored)),
                }
            }
        }
    }
}

/// Whether an older revision may run with the credential that is stored now: it has to be of the user
/// that the revision was made with, though the password may have been replaced since. A revision that
/// was made without one runs with any.
///
/// # Errors
/// `CREDENTIAL_INCOMPLETE`. Nothing may have changed then.
pub fn check_rollback(stored: Option<&CredentialOwner>, revision: Option<&CredentialOwner>) -> Result<()> {
    let Some(wanted) = revision.filter(|wanted| stored != Some(*wanted)) else { return Ok(()) };
    let now = stored.map_or("none is stored".to_owned(), |stored| format!("that of `{stored}` is stored"));
    Err(incomplete(format!("the revision was made with the credential of `{wanted}`, and {now} now"))
        .field("registryCredentials")
        .hint(format!("give the service user name and password of `{wanted}`, then roll back")))
}

impl Login {
    /// Refuses what no registry takes, and a user name that would end early: Basic joins both by a colon.
    ///
    /// # Errors
    /// `INVALID_REQUEST`.
    pub fn check(&self) -> Result<()> {
        check(&self.owner.username, Some(&self.password))
    }
}

fn check(username: &str, password: Option<&Secret>) -> Result<()> {
    let refuse = |field: &str, why: &str| {
        Err(Error::new(Code::InvalidRequest, why)
            .field(field)
            .hint("copy it once more from where the registry shows it"))
    };
    if username.len() > MAX_USERNAME {
        return refuse(USERNAME_FIELD, "the user name is longer than 1024 bytes");
    }
    if username.contains(':') || username.contains(char::is_control) {
        return refuse(USERNAME_FIELD, "the user name has a colon or a control character in it");
    }
    match password.map(Secret::reveal) {
        Some(text) if text.len() > MAX_PASSWORD => {
            refuse(PASSWORD_FIELD, "the password is longer than 64 KiB")
        }
        Some(text) if text.contains('\0') => refuse(PASSWORD_FIELD, "the password has a NUL byte in it"),
        _ => Ok(()),
    }
}

fn incomplete(message: String) -> Error {
    Error::new(Code::CredentialIncomplete, message)
}

fn nameless(host: &RegistryHost) -> Error {
    incomplete(format!("there is a password for `{host}`, and no user name to go with it"))
        .field(USERNAME_FIELD)
        .hint("give the user name too; registries that look at a token alone take any, such as `token`")
}

fn passwordless(owner: &CredentialOwner, stored: Option<&CredentialOwner>) -> Error {
    let why = match stored {
        None => "none is stored".to_owned(),
        Some(stored) => format!("the stored one is that of `{stored}`"),
    };
    incomplete(format!("the password of `{owner}` is missing: {why}"))
        .field(PASSWORD_FIELD)
        .hint("give the password too")
}

fn elsewhere(stored: &CredentialOwner, host: &RegistryHost) -> Error {
    incomplete(format!("the image is at `{host}`, and the stored password is that of `{stored}`"))
        .field(PASSWORD_FIELD)
        .hint(format!("give user name and password for `{host}`, or an empty user name if it needs none"))
}

impl fmt::Display for CredentialOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.username, self.host)
    }
}

#[cfg(test)]
mod tests;
