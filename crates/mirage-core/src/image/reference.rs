//! Image references: `[registry/]repository[:tag][@digest]`.
//!
//! The grammar and the Docker Hub short forms are those of the distribution project
//! (`github.com/distribution/reference`): the first component is a registry when it contains a dot
//! or a colon, is `localhost`, or has an upper-case letter; everything else lives on Docker Hub.

mod wrong;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::parts::unwrapped;
use super::run::tellable;
use crate::error::{Code, Error};

const DOCKER_HUB: &str = "docker.io";
/// The longest text that a reference is looked for in.
const MEANT: usize = 500;
/// Other names of it: where docker keeps its login, where its blobs are asked for, and its pages.
const ALSO_DOCKER_HUB: [&str; 3] = ["index.docker.io", "registry-1.docker.io", "hub.docker.com"];
const EXAMPLE: &str = "a reference looks like `nginx:1.27` or `ghcr.io/acme/web:2.1`";

/// Where an image comes from. A digest decides what is fetched; a tag beside it is kept for display.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    host: RegistryHost,
    repository: Repository,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// The host (and port) of a registry, as written: `docker.io`, `localhost:5000`, `[::1]:5000`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegistryHost(String);

/// The path of an image within its registry: `library/nginx`. At most 255 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository(String);

/// A tag: a letter, digit or underscore, then up to 127 of those, dots and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Reference {
    /// Puts a reference together from parts that are already checked. Without tag and digest it
    /// means `latest`.
    pub fn new(host: RegistryHost, repository: Repository, tag: Option<Tag>, digest: Option<Digest>) -> Self {
        let tag = match (tag, &digest) {
            (None, None) => Some(Tag("latest".to_owned())),
            (tag, _) => tag,
        };
        Self { host, repository, tag, digest }
    }

    /// The registry.
    pub fn host(&self) -> &RegistryHost {
        &self.host
    }

    /// The path within the registry.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, where one was written or implied.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, where one was written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What to ask the registry for: the digest if there is one, else the tag.
    pub fn identifier(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.0.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// The same image by this digest; the tag stays for display.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// The short form people type: `nginx:1.27` for `docker.io/library/nginx:1.27`.
    pub fn familiar(&self) -> String {
        let path = match (self.host.is_docker_hub(), self.repository.0.strip_prefix("library/")) {
            (true, Some(short)) if !short.contains('/') => short.to_owned(),
            // Without its registry, `docker.io/my.team/web` would read as the registry `my.team`.
            (true, _) if split_host(&self.repository.0) == (DOCKER_HUB, &self.repository.0) => {
                self.repository.0.clone()
            }
            _ => format!("{}/{}", self.host, self.repository),
        };
        path + &self.suffix()
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        tag + &digest
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |part: &str, why: String| {
            let told = tellable(text);
            let shown: String = told.chars().take(80).collect();
            let dots = if shown.len() < told.len() { "…" } else { "" };
            Error::new(
                Code::InvalidImageReference,
                format!("`{shown}{dots}` is not an image reference: {part} {why}"),
            )
            .hint(EXAMPLE)
        };
        if text.is_empty() {
            return Err(refuse("it", "is empty".into()));
        }
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(refuse(
                "it",
                "is 64 hexadecimal digits, which names an image id and not a repository".into(),
            )
            .hint(format!("to pin a digest, write the repository too: `nginx@sha256:{}…`", &text[..12])));
        }
        if text.starts_with(['.', '/', '~']) {
            return Err(refuse("it", "reads like the path of a folder".into()));
        }
        if text.contains("://") {
            let error = refuse("it", "starts like a web address".into());
            // That of a page about an image names it too.
            return Err(match meant(text) {
                Some(image) => error.hint(format!("leave the scheme out: `{image}`")),
                None => error,
            });
        }
        if text.contains(char::is_whitespace) {
            let error = refuse("it", "has a space in it".into());
            return Err(match meant(text) {
                Some(image) => error.hint(format!("did you mean `{image}`?")),
                None => error,
            });
        }
        let (name, digest) = match text.split_once('@') {
            Some((_, "")) => {
                return Err(refuse("the digest", "is missing after `@`".into())
                    .hint("write `@sha256:` followed by 64 digits of 0-9 and a-f, or leave the `@` out"));
            }
            Some((name, tag)) if tag.parse::<Tag>().is_ok() => {
                return Err(refuse("the digest", format!("is wrong: `{tag}` has no `sha256:` before it"))
                    .hint(format!("a tag follows a colon: `{name}:{tag}`")));
            }
            Some((name, digest)) => {
                let digest = digest.parse::<Digest>().map_err(|error| {
                    refuse("the digest", format!("is wrong ({})", error.message())).hint(
                        "a pinned reference looks like `nginx@sha256:` followed by 64 digits of 0-9 and a-f",
                    )
                })?;
                (name, Some(digest))
            }
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => {
                let refuse = |why| match tag.is_empty() {
                    true => {
                        refuse("the tag", why).hint(format!("write one, or leave the colon out: `{name}`"))
                    }
                    false => refuse("the tag", why),
                };
                (name, Some(Tag::checked(tag).map_err(refuse)?))
            }
            _ => (name, None),
        };
        let (host, path) = split_host(name);
        let host = RegistryHost::checked(host).map_err(|why| {
            refuse("the registry", why)
                .hint("a registry looks like `ghcr.io`, `localhost:5000` or `[::1]:5000`")
        })?;
        let full = match (host.is_docker_hub(), path.contains('/')) {
            (true, false) if !path.is_empty() => format!("library/{path}"),
            _ => path.to_owned(),
        };
        // What was written is told of, and not what is put before it.
        let repository = wrong::repository(path).map_or_else(|| Repository::checked(&full), Err);
        let repository = repository.map_err(|why| {
            let (lower, bare) = (text.to_lowercase(), text.trim_end_matches('/'));
            let error = refuse("the repository", why);
            if lower != text && path.to_lowercase() != path && lower.parse::<Self>().is_ok() {
                return error.hint(format!("repositories are lower-case: `{lower}`"));
            }
            match bare != text && bare.parse::<Self>().is_ok() {
                true => error.hint(format!("leave the slash out: `{bare}`")),
                false => error,
            }
        })?;
        Ok(Self::new(host, repository, tag, digest))
    }
}

/// The reference in a text that is none itself.
fn meant(text: &str) -> Option<String> {
    // An address in an address in an address would be looked into each time.
    let image = (text.len() <= MEANT).then(|| unwrapped(text))?;
    (image != text && image.parse::<Reference>().is_ok()).then_some(image)
}

/// Splits `name` at the first slash if what stands before it can only be a registry.
pub(super) fn split_host(name: &str) -> (&str, &str) {
    let (host, path) = match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':', '[']) || first == "localhost" || first.to_lowercase() != first =>
        {
            (first, rest)
        }
        _ => (DOCKER_HUB, name),
    };
    (canonical(host), path)
}

/// Docker Hub by the name that it has in references; every other host as it is.
fn canonical(host: &str) -> &str {
    if ALSO_DOCKER_HUB.contains(&host) { DOCKER_HUB } else { host }
}

impl RegistryHost {
    fn checked(text: &str) -> Result<Self, String> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        if text.contains("://") {
            return Err("starts like a web address".into());
        }
        if let Some(port) = port
            && (!port.bytes().all(|b| b.is_ascii_digit()) || !matches!(port.parse::<u16>(), Ok(1..)))
        {
            return Err(format!("has the port `{port}`, which is not a number from 1 to 65535"));
        }
        if let Some(inner) = host.strip_prefix('[') {
            let address = inner.strip_suffix(']').ok_or("opens a bracket and does not close it")?;
            let fine = address.parse::<Ipv6Addr>().is_ok();
            return if fine {
                Ok(Self(text.to_owned()))
            } else {
                Err(format!("`{address}` is not an IPv6 address"))
            };
        }
        if host.len() > 253 {
            return Err(format!("has {} characters, at most 253 are allowed", host.len()));
        }
        match host.split('.').find_map(wrong::label) {
            Some(why) => Err(format!("`{host}` {why}")),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Host and port as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host without its port and brackets.
    pub fn name(&self) -> &str {
        match self.0.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => self.0.split(':').next().unwrap_or(&self.0),
        }
    }

    /// Whether this is Docker Hub.
    pub fn is_docker_hub(&self) -> bool {
        self.0 == DOCKER_HUB
    }

    /// Whether the registry is on this machine, so that plain HTTP is no risk.
    pub fn is_loopback(&self) -> bool {
        self.name() == "localhost" || self.name().parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl FromStr for RegistryHost {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let host = canonical(text);
        Self::checked(host).map_err(|why| {
            // It is named before that already.
            let why = why.strip_prefix(&format!("`{host}` ")).unwrap_or(&why);
            let error = Error::new(Code::InvalidRequest, format!("`{text}` is not a registry: it {why}"));
            match text.split_once("://").map(|(_, rest)| rest.trim_end_matches('/')) {
                Some(bare) if bare.parse::<Self>().is_ok() => {
                    error.hint(format!("leave the scheme out: `{bare}`"))
                }
                _ => error.hint("a registry looks like `ghcr.io`, `localhost:5000` or `[::1]:5000`"),
            }
        })
    }
}

impl Repository {
    fn checked(text: &str) -> Result<Self, String> {
        wrong::repository(text).map_or_else(|| Ok(Self(text.to_owned())), Err)
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part: `web` of `acme/web`.
    pub fn last(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The repository of another registry that this one means in the built-in registry; `None` where it means
    /// itself. The first part is then a registry: one with a dot, or `localhost`. No part of a repository has a
    /// colon, so a port follows an underscore, which no name of a machine has: `registry.example_5000/web`.
    pub fn elsewhere(&self) -> Option<(RegistryHost, Self)> {
        let (first, rest) = self.0.split_once('/')?;
        let is_machine = |name: &str| name == "localhost" || name.contains('.');
        let host = match first.rsplit_once('_') {
            Some((name, port)) if is_machine(name) => format!("{name}:{port}"),
            None if is_machine(first) => first.to_owned(),
            _ => return None,
        };
        // As a reference, so that `docker.io/nginx` means what it means everywhere.
        let there: Reference = format!("{host}/{rest}").parse().ok()?;
        Some((there.host, there.repository))
    }
}

impl FromStr for Repository {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::checked(text).map_err(|why| {
            Error::new(Code::InvalidImageReference, format!("the repository {why}")).hint(EXAMPLE)
        })
    }
}

impl Tag {
    fn checked(text: &str) -> Result<Self, String> {
        wrong::tag(text).map_or_else(|| Ok(Self(text.to_owned())), Err)
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::checked(text)
            .map_err(|why| Error::new(Code::InvalidImageReference, format!("the tag {why}")).hint(EXAMPLE))
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

as_text!(RegistryHost, Repository, Tag);

/// The canonical form: registry, whole path, tag, digest.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.host, self.repository, self.suffix())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl TryFrom<String> for Reference {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.message().to_owned())
    }
}

impl TryFrom<String> for RegistryHost {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.message().to_owned())
    }
}

impl TryFrom<String> for Repository {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.message().to_owned())
    }
}

impl TryFrom<String> for Tag {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.message().to_owned())
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.0
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

impl From<RegistryHost> for String {
    fn from(host: RegistryHost) -> Self {
        host.0
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests;
