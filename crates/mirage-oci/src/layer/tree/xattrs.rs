//! Extended attributes: which ones are kept.

use super::Tree;
use super::names::Span;
use super::node::{Node, NodeKind};
use crate::layer::error::LayerError;
use crate::layer::tar::Xattr;

/// The name spaces that file systems store by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::layer) enum Namespace {
    User,
    AclAccess,
    AclDefault,
    Trusted,
    Security,
}

impl Namespace {
    /// The part of the name that the number stands for.
    pub(in crate::layer) fn prefix(self) -> &'static str {
        match self {
            Self::User => "user.",
            Self::AclAccess => "system.posix_acl_access",
            Self::AclDefault => "system.posix_acl_default",
            Self::Trusted => "trusted.",
            Self::Security => "security.",
        }
    }

    const ALL: [Self; 5] = [Self::User, Self::AclAccess, Self::AclDefault, Self::Trusted, Self::Security];
}

/// An attribute of a node, without the prefix of its name space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::layer) struct KeptXattr<'a> {
    pub(in crate::layer) namespace: Namespace,
    pub(in crate::layer) name: &'a [u8],
    pub(in crate::layer) value: &'a [u8],
}

pub(super) struct Stored {
    namespace: Namespace,
    name: Span,
    value: Span,
}

/// Makes a folder hide what lower layers have in it (`overlayfs.rst`, "whiteouts and opaque
/// directories").
const OPAQUE: KeptXattr<'static> =
    KeptXattr { namespace: Namespace::Trusted, name: b"overlay.opaque", value: b"y" };

impl Tree {
    /// The attributes of a node, overlayfs's mark of an opaque folder included.
    pub(in crate::layer) fn xattrs_of(&self, node: &Node) -> impl Iterator<Item = KeptXattr<'_>> {
        let opaque = matches!(node.kind, NodeKind::Directory { opaque: true, .. });
        let own = &self.xattrs[node.xattrs.start as usize..node.xattrs.end as usize];
        let own = own.iter().map(|stored| KeptXattr {
            namespace: stored.namespace,
            name: self.names.text(stored.name),
            value: self.names.text(stored.value),
        });
        own.chain(opaque.then_some(OPAQUE))
    }

    /// Keeps the attributes of an entry; answers with where they are and how many were left out.
    ///
    /// overlayfs's own are for us alone: an image could otherwise redirect a folder to another one
    /// of a layer below. Name spaces that no file system of ours has are left out.
    pub(super) fn keep_xattrs(
        &mut self,
        xattrs: &[Xattr],
        path: &[u8],
    ) -> Result<(std::ops::Range<u32>, u32), LayerError> {
        let start = self.xattrs.len() as u32;
        let mut left_out = 0;
        for Xattr { name, value } in xattrs {
            let found = Namespace::ALL.into_iter().find_map(|namespace| {
                name.strip_prefix(namespace.prefix().as_bytes()).map(|rest| (namespace, rest))
            });
            let Some((namespace, rest)) = found.filter(|(namespace, rest)| is_kept(*namespace, rest)) else {
                left_out += 1;
                continue;
            };
            if matches!(namespace, Namespace::AclAccess | Namespace::AclDefault) && !is_acl(value) {
                return Err(LayerError::entry(path, "has an access control list that is none"));
            }
            let stored = Stored { namespace, name: self.names.store(rest)?, value: self.names.store(value)? };
            self.xattrs.push(stored);
        }
        Ok((start..self.xattrs.len() as u32, left_out))
    }
}

fn is_kept(namespace: Namespace, rest: &[u8]) -> bool {
    match namespace {
        Namespace::User | Namespace::Trusted => !rest.is_empty() && !rest.starts_with(b"overlay."),
        Namespace::Security => !rest.is_empty(),
        // The prefix is the whole name.
        Namespace::AclAccess | Namespace::AclDefault => rest.is_empty(),
    }
}

/// Version 2, then entries of eight bytes (`posix_acl_xattr.h`).
fn is_acl(value: &[u8]) -> bool {
    value.strip_prefix(&2u32.to_le_bytes()).is_some_and(|entries| entries.len().is_multiple_of(8))
}
