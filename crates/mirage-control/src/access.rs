//! Who may do what: the one function in front of every use case. What is not allowed here is denied.

use std::collections::HashMap;
use std::fmt;
use std::sync::PoisonError;

use jiff::Timestamp;
use mirage_core::{Code, DeploymentId, Error, Event, EventKind, Grant, Repository, Result, ServiceId};
use mirage_store::{Store, TokenHash};
use ring::digest::{SHA256, digest};

use crate::Control;

/// What is said to somebody who only looks and wanted to do something.
pub const OLD_FORM: &str = "you logged in again after this form was made";

/// Somebody who proved who they are. Only [`Control::authenticate`] and [`Actor::platform`] make one.
#[derive(Clone, Debug)]
pub struct Actor {
    name: String,
    role: Role,
    /// Whether it is shown things and may do nothing, for now.
    only_looks: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    /// May do everything.
    Admin,
    /// Has a token of a project.
    Project(Grant),
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// See services, deployments, events.
    Read,
    /// Read what services write.
    ReadLogs,
    /// Ask registries about images.
    Inspect,
    /// Keep what is typed before a service is made. It changes nothing else.
    KeepDrafts,
    /// Make, change, deploy, scale, restart services.
    Deploy,
    /// Remove services.
    Remove,
    /// See the names of all repositories of the built-in registry.
    ListImages,
    /// Read from a repository of the built-in registry.
    PullImages(&'a Repository),
    /// Write to a repository of the built-in registry.
    PushImages(&'a Repository),
    /// Take images away from a repository of the built-in registry.
    RemoveImages(&'a Repository),
    /// Make, remove, read out and replace volumes.
    ManageVolumes,
    /// Give and take credentials.
    ManageCredentials,
    /// Give and take tokens.
    ManageTokens,
    /// Give and take domains and their certificates.
    ManageDomains,
    /// Change the key of the vault.
    ManageVault,
    /// Look at the machine.
    Diagnose,
    /// Take away a copy of everything.
    Backup,
}

/// The tokens of projects, by hash: read once, changed with the database.
#[derive(Default)]
pub(crate) struct Grants {
    all: std::sync::RwLock<HashMap<TokenHash, Grant>>,
    /// Held while they are read anew: what is read later counts later.
    reading: tokio::sync::Mutex<()>,
}

impl Grants {
    /// Reads them as they are in the database now.
    pub(crate) async fn read(&self, store: &Store) -> Result<()> {
        let _alone = self.reading.lock().await;
        let all = store.grants().await?.into_iter().collect();
        *self.all.write().unwrap_or_else(PoisonError::into_inner) = all;
        Ok(())
    }

    fn of(&self, token: &str) -> Option<Grant> {
        // Found by its hash: the time it takes says nothing about the token.
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(&hash(token)).cloned()
    }
}

/// The token that may do everything. Only its hash is kept, so it cannot be printed.
#[derive(Clone)]
pub struct AdminToken([u8; 32]);

impl AdminToken {
    /// From the token's text.
    pub fn new(token: &str) -> Self {
        Self(hash(token))
    }

    /// Whether this is the token.
    pub fn is(&self, token: &str) -> bool {
        // Comparing hashes: the time it takes says nothing about the token.
        self.0 == hash(token)
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken")
    }
}

impl Actor {
    /// The platform itself, for what it does without being asked.
    pub(crate) fn platform() -> Self {
        Self { name: "mirage".into(), role: Role::Admin, only_looks: false }
    }

    /// The same, who may look at things as before and do nothing: what came in this name may not be meant.
    #[must_use]
    pub fn only_looking(self) -> Self {
        Self { only_looks: true, ..self }
    }

    /// The name that events carry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What this one did, for the event log, which numbers it.
    pub(crate) fn event(&self, time: Timestamp, service: Option<ServiceId>, kind: EventKind) -> Event {
        Event { number: 0, time, actor: self.name.clone(), service, deployment: None, kind }
    }

    /// The same about a deployment.
    pub(crate) fn event_of(
        &self,
        time: Timestamp,
        (service, deployment): (ServiceId, DeploymentId),
        kind: EventKind,
    ) -> Event {
        Event { deployment: Some(deployment), ..self.event(time, Some(service), kind) }
    }
}

impl Control {
    /// Who has this token.
    pub fn authenticate(&self, token: &str) -> Result<Actor> {
        if self.parts.settings.admin_token.is(token) {
            return Ok(Actor { name: "admin".into(), role: Role::Admin, only_looks: false });
        }
        if let Some(grant) = self.parts.grants.of(token) {
            return Ok(Actor {
                name: format!("{}/{}", grant.project_name, grant.name),
                role: Role::Project(grant),
                only_looks: false,
            });
        }
        Err(Error::new(Code::Unauthenticated, "the token is not valid")
            .hint("set MIRAGE_TOKEN to the content of `admin.token` in the data directory of `mirage serve`; a token of `mirage token create` is for images alone"))
    }

    /// Whether `actor` may do `action`; what no line here allows is forbidden.
    pub fn allow(&self, actor: &Actor, action: Action<'_>) -> Result<()> {
        let looks = matches!(
            action,
            Action::Read | Action::ReadLogs | Action::ListImages | Action::Diagnose | Action::KeepDrafts
        );
        if actor.only_looks && !looks {
            return Err(Error::new(Code::Forbidden, OLD_FORM)
                .hint("nothing was done; look at what you typed, and send it again"));
        }
        match (&actor.role, action) {
            (
                Role::Admin,
                Action::Read
                | Action::ReadLogs
                | Action::Inspect
                | Action::KeepDrafts
                | Action::Deploy
                | Action::Remove
                | Action::ListImages
                | Action::PullImages(_)
                | Action::PushImages(_)
                | Action::RemoveImages(_)
                | Action::ManageVolumes
                | Action::ManageCredentials
                | Action::ManageTokens
                | Action::ManageDomains
                | Action::ManageVault
                | Action::Diagnose
                | Action::Backup,
            ) => Ok(()),
            (Role::Project(grant), Action::PullImages(repository)) if grant.owns(repository) => Ok(()),
            (Role::Project(grant), Action::PushImages(repository) | Action::RemoveImages(repository))
                if grant.push && grant.owns(repository) =>
            {
                Ok(())
            }
            (Role::Project(_), _) => {
                Err(Error::new(Code::Forbidden, format!("the token `{}` does not allow this", actor.name))
                    .hint("use the admin token, or one that `mirage token create` made for it"))
            }
        }
    }
}

pub(crate) fn hash(token: &str) -> TokenHash {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    out
}
