//! How docker and podman call a registry.

use std::str::FromStr;

use mirage_core::{RegistryHost, Repository};

const DOCKER_HUB: &str = "docker.io";

/// The registry, or the part of one, that a key stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The registry.
    pub(super) host: RegistryHost,
    /// `acme` of `ghcr.io/acme`.
    pub(super) prefix: Option<Repository>,
}

/// `ghcr.io`, `https://ghcr.io`, `ghcr.io/acme`, or `https://index.docker.io/v1/`, which is Docker Hub.
/// Whoever reads `https://ghcr.io/acme` as the whole registry sends a password to where it may not
/// belong, so it is a part here.
impl FromStr for Place {
    type Err = String;

    fn from_str(key: &str) -> Result<Self, String> {
        let bare = ["https://", "http://"].iter().find_map(|scheme| key.strip_prefix(scheme));
        let (host, path) = bare.unwrap_or(key).split_once('/').unwrap_or((bare.unwrap_or(key), ""));
        let host = match host {
            "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
            host => host,
        };
        let host = host.parse::<RegistryHost>().map_err(|error| error.message().to_owned())?;
        let path = path.trim_matches('/');
        let prefix = match path.split_once('/').map_or(path, |(first, _)| first) {
            "" => None,
            "v1" | "v2" if path.len() == 2 => None,
            // `https://index.docker.io/v1/access-token`
            "v1" | "v2" => return Err("is docker's own login to a service, not one for images".into()),
            _ => Some(path.parse::<Repository>().map_err(|error| error.message().to_owned())?),
        };
        Ok(Self { host, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_registry_or_a_part_of_one() {
        for (key, host, prefix) in [
            ("ghcr.io", "ghcr.io", None),
            ("https://ghcr.io", "ghcr.io", None),
            ("https://registry.example:5000/v2/", "registry.example:5000", None),
            ("http://localhost:5000/", "localhost:5000", None),
            ("https://index.docker.io/v1/", "docker.io", None),
            ("index.docker.io/v1/", "docker.io", None),
            ("docker.io", "docker.io", None),
            ("registry-1.docker.io", "docker.io", None),
            ("docker.io/acme", "docker.io", Some("acme")),
            ("ghcr.io/acme", "ghcr.io", Some("acme")),
            ("quay.io/acme/web", "quay.io", Some("acme/web")),
            ("https://ghcr.io/acme/", "ghcr.io", Some("acme")),
            ("[::1]:5000", "[::1]:5000", None),
        ] {
            let place: Place = key.parse().unwrap();
            let seen = (place.host.as_str(), place.prefix.as_ref().map(Repository::as_str));
            assert_eq!(seen, (host, prefix), "{key}");
        }
    }

    #[test]
    fn what_is_no_registry_is_refused_with_the_reason() {
        for (key, why) in [
            ("", "empty part"),
            ("https://", "empty part"),
            ("-x", "`-x`"),
            ("ghcr.io/../etc", "has the part `..`"),
            ("ghcr.io/Acme", "upper-case"),
            ("https://index.docker.io/v1/access-token", "docker's own login"),
            ("user@ghcr.io", "is not a registry: it has `@`"),
        ] {
            let error = key.parse::<Place>().unwrap_err();
            assert!(error.contains(why), "{key}: {error}");
        }
    }
}
