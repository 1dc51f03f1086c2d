//! An image at its registry, and as whom it is asked for.

use mirage_core::{Login, Reference, RegistryHost, Repository};
use ring::digest::{Context, SHA256};

/// An image at its registry, and as whom it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct RemoteImage<'a> {
    /// The image.
    pub(crate) reference: &'a Reference,
    /// Whose name and password to show where the registry wants any; without, as anybody.
    pub(crate) login: Option<&'a Login>,
}

/// A repository as one login sees it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    host: RegistryHost,
    repository: Repository,
    login: Option<LoginId>,
}

/// Tells logins apart without being one: what was had with a password is not handed to whoever comes with
/// another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LoginId([u8; 32]);

impl RemoteImage<'_> {
    /// Where it comes from: what is known of one source says nothing about another.
    pub(crate) fn source(&self) -> Source {
        Source {
            host: self.reference.host().clone(),
            repository: self.reference.repository().clone(),
            login: self.login.map(LoginId::of),
        }
    }
}

impl LoginId {
    /// Which login this is.
    pub(crate) fn of(login: &Login) -> Self {
        let mut context = Context::new(&SHA256);
        // Neither part has a NUL in it, so that no two logins are the same text.
        for part in [login.owner.host.as_str(), "\0", &login.owner.username, "\0", login.password.reveal()] {
            context.update(part.as_bytes());
        }
        let mut id = [0; 32];
        id.copy_from_slice(context.finish().as_ref());
        Self(id)
    }
}
