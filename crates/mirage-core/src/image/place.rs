//! The registry, or the part of one, that a login is for, in whatever form somebody has it.

use std::str::FromStr;

use super::reference::{RegistryHost, Repository};
use crate::error::{Code, Error, Result};

/// The registry, or the part of one, that somebody means: `ghcr.io`, `https://ghcr.io`, `ghcr.io/acme`, or
/// `https://index.docker.io/v1/`, which is Docker Hub.
///
/// Whoever reads `https://ghcr.io/acme` as the whole registry sends a password to where it may not belong, so it is a part
/// here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryPlace {
    /// The registry.
    pub host: RegistryHost,
    /// `acme` of `ghcr.io/acme`.
    pub prefix: Option<Repository>,
}

impl RegistryPlace {
    /// The place that the two fields of a form or a request say: `registry`, which may have a path, and `repository`, which
    /// may be empty. What is wrong carries the name of its field.
    ///
    /// # Errors
    /// `INVALID_REQUEST` where one of them cannot be read, or they contradict each other.
    pub fn read(registry: &str, repository: &str) -> Result<Self> {
        let place: Self = registry.parse().map_err(|error: Error| error.field("registry"))?;
        if repository.is_empty() {
            return Ok(place);
        }
        let wanted: Repository = repository.parse().map_err(|error: Error| error.field("repository"))?;
        let Some(prefix) = place.prefix else { return Ok(Self { prefix: Some(wanted), ..place }) };
        let is_below = wanted
            .as_str()
            .strip_prefix(prefix.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_below {
            return Ok(Self { prefix: Some(wanted), ..place });
        }
        let message = format!("`{wanted}` is not below `{prefix}`, which stands behind the registry");
        Err(Error::new(Code::InvalidRequest, message)
            .field("repository")
            .hint(format!("write `{}` as the registry alone", place.host)))
    }
}

impl FromStr for RegistryPlace {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (scheme, bare) = text.split_once("://").unwrap_or(("", text));
        if !["", "https", "http"].contains(&scheme) {
            let message = format!("`{text}` is not a registry: it begins with `{scheme}://`");
            return Err(Error::new(Code::InvalidRequest, message).hint(format!("write `{bare}`")));
        }
        let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
        let host = host.parse::<RegistryHost>()?;
        let path = path.trim_matches('/');
        let prefix = match path.split_once('/').map_or(path, |(first, _)| first) {
            "" => None,
            "v1" | "v2" if path.len() == 2 => None,
            // `https://index.docker.io/v1/access-token`
            "v1" | "v2" => {
                let message = format!("`{text}` is docker's own login to a service, not one for images");
                return Err(Error::new(Code::InvalidRequest, message).hint(format!("write `{host}`")));
            }
            _ => Some(below(&host, path)?),
        };
        Ok(Self { host, prefix })
    }
}

/// The repositories that a path names, or what is wrong with it and what may have been meant.
fn below(host: &RegistryHost, path: &str) -> Result<Repository> {
    path.parse().map_err(|error: Error| {
        let image = path.split_once('@').map_or(path, |(name, _)| name);
        let bare = image.rsplit_once(':').map_or(image, |(name, _)| name).to_lowercase();
        match bare.parse::<Repository>() {
            Ok(meant) => error.hint(format!("write `{host}/{meant}`, or `{host}` for all of it")),
            Err(_) => error.hint(format!("write `{host}`, or a repository behind it")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_registry_or_a_part_of_one() {
        for (text, host, prefix) in [
            ("ghcr.io", "ghcr.io", None),
            ("https://ghcr.io", "ghcr.io", None),
            ("https://registry.example:5000/v2/", "registry.example:5000", None),
            ("http://localhost:5000/", "localhost:5000", None),
            ("https://index.docker.io/v1/", "docker.io", None),
            ("index.docker.io/v1/", "docker.io", None),
            ("docker.io", "docker.io", None),
            ("registry-1.docker.io", "docker.io", None),
            ("https://hub.docker.com", "docker.io", None),
            ("docker.io/acme", "docker.io", Some("acme")),
            ("ghcr.io/acme", "ghcr.io", Some("acme")),
            ("quay.io/acme/web", "quay.io", Some("acme/web")),
            ("https://ghcr.io/acme/", "ghcr.io", Some("acme")),
            ("[::1]:5000", "[::1]:5000", None),
        ] {
            let place: RegistryPlace = text.parse().unwrap();
            let seen = (place.host.as_str(), place.prefix.as_ref().map(Repository::as_str));
            assert_eq!(seen, (host, prefix), "{text}");
        }
    }

    #[test]
    fn what_is_no_registry_is_refused_with_what_may_have_been_meant() {
        for (text, why, hint) in [
            ("", "empty part", ""),
            ("https://", "empty part", ""),
            ("-x", "`-x`", ""),
            ("ftp://ghcr.io", "begins with `ftp://`", "write `ghcr.io`"),
            ("ghcr.io/../etc", "has the part `..`", "write `ghcr.io`, or a repository behind it"),
            ("ghcr.io/Acme", "upper-case", "write `ghcr.io/acme`"),
            ("ghcr.io/acme/web:1", "`acme/web:1`", "write `ghcr.io/acme/web`"),
            ("https://index.docker.io/v1/access-token", "docker's own login", "write `docker.io`"),
            ("user@ghcr.io", "has `@`", ""),
        ] {
            let error = text.parse::<RegistryPlace>().unwrap_err();
            assert!(error.message().contains(why), "{text}: {}", error.message());
            assert!(error.next_step().unwrap_or_default().contains(hint), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_repository_beside_the_registry_narrows_what_stands_behind_it() {
        let read = |registry: &str, repository: &str| RegistryPlace::read(registry, repository);
        for (registry, repository, prefix) in [
            ("https://ghcr.io/acme", "", Some("acme")),
            ("ghcr.io", "acme/web", Some("acme/web")),
            ("ghcr.io/acme", "acme", Some("acme")),
            ("ghcr.io/acme", "acme/web", Some("acme/web")),
            ("ghcr.io", "", None),
        ] {
            let place = read(registry, repository).unwrap();
            assert_eq!(place.prefix.as_ref().map(Repository::as_str), prefix, "{registry} {repository}");
        }
        for (registry, repository, field) in [
            ("ghcr.io/acme", "acme-web", "repository"),
            ("ghcr.io", "ACME", "repository"),
            ("a b", "x", "registry"),
        ] {
            assert_eq!(
                read(registry, repository).unwrap_err().at_field(),
                Some(field),
                "{registry} {repository}"
            );
        }
    }
}
