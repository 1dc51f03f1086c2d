//! Who may do what: the one function in front of every use case. What is not allowed here is denied.

use std::fmt;

use mirage_core::{Code, Error, Result};
use ring::digest::{SHA256, digest};

use crate::Control;

/// Somebody who proved who they are. Only [`Control::authenticate`] and [`Actor::platform`] make one.
#[derive(Clone, Debug)]
pub struct Actor {
    name: String,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Admin,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See services, deployments, events.
    Read,
    /// Read what services write.
    ReadLogs,
    /// Ask registries about images.
    Inspect,
    /// Make, change, deploy, scale, restart services.
    Deploy,
    /// Remove services.
    Remove,
    /// Read from the built-in registry.
    PullImages,
    /// Write to the built-in registry.
    PushImages,
    /// Give and take credentials.
    ManageCredentials,
    /// Change the key of the vault.
    ManageVault,
    /// Look at the machine.
    Diagnose,
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
        Self { name: "mirage".into(), role: Role::Admin }
    }

    /// The name that events carry.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Control {
    /// Who has this token.
    pub fn authenticate(&self, token: &str) -> Result<Actor> {
        if self.parts.settings.admin_token.is(token) {
            return Ok(Actor { name: "admin".into(), role: Role::Admin });
        }
        Err(Error::new(Code::Unauthenticated, "the token is not valid")
            .hint("set MIRAGE_TOKEN to the content of `admin.token` in the data directory of `mirage serve`"))
    }

    /// Whether `actor` may do `action`; what no line here allows is forbidden.
    pub fn allow(&self, actor: &Actor, action: Action) -> Result<()> {
        match (actor.role, action) {
            (
                Role::Admin,
                Action::Read
                | Action::ReadLogs
                | Action::Inspect
                | Action::Deploy
                | Action::Remove
                | Action::PullImages
                | Action::PushImages
                | Action::ManageCredentials
                | Action::ManageVault
                | Action::Diagnose,
            ) => Ok(()),
        }
    }
}

fn hash(token: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    out
}
