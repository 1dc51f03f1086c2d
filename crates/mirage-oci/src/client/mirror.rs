//! Mirrors: registries that are asked in another one's stead, and passed over where they do not help.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mirage_core::{Code, Error, Reference, RegistryHost, Repository};
use reqwest::Response;

use super::fault::Fault;

/// How long a registry that did not help at all is left alone, so that a dead one does not cost every
/// request the time in which a connection does not come about.
const REST: Duration = Duration::from_secs(30);

/// A registry that is asked before another one. It is asked as anybody: logins are for the registry itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Whose images it has.
    pub of: RegistryHost,
    /// The registry that is asked.
    pub host: RegistryHost,
    /// Below which the repositories are there, if not at the top.
    pub prefix: Option<Repository>,
}

/// Every mirror, and which of them are left alone for now.
pub(crate) struct Mirrors {
    all: HashMap<RegistryHost, Vec<Mirror>>,
    resting: Resting,
}

/// Registries that are left alone for a while.
#[derive(Default)]
pub(crate) struct Resting(Mutex<HashMap<RegistryHost, Instant>>);

/// An answer, and who gave it.
pub(crate) struct Answer {
    /// The answer; its body is still to be read.
    pub(crate) response: Response,
    /// The mirror that gave it, by its place among those of the registry; `None` is the registry itself.
    pub(crate) mirror: Option<usize>,
}

impl FromStr for Mirror {
    type Err = Error;

    /// `docker.io=mirror.example` or `docker.io=mirror.example/below/this`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            Error::new(Code::InvalidRequest, format!("`{text}` is not a mirror: {why}")).hint(
                "a mirror looks like `docker.io=mirror.example` or `docker.io=mirror.example/docker.io`",
            )
        };
        let (of, address) = text.split_once('=').ok_or_else(|| refuse("it has no `=`"))?;
        let (host, prefix) = match address.trim_end_matches('/').split_once('/') {
            Some((host, prefix)) => (host, Some(prefix)),
            None => (address.trim_end_matches('/'), None),
        };
        let because = |error: Error| refuse(error.message());
        Ok(Self {
            of: of.parse().map_err(because)?,
            host: host.parse().map_err(because)?,
            prefix: prefix.map(|prefix| prefix.parse().map_err(because)).transpose()?,
        })
    }
}

impl Mirror {
    /// The same image at the mirror; `None` where its name would be too long there.
    pub(crate) fn reference(&self, image: &Reference) -> Option<Reference> {
        let repository = match &self.prefix {
            Some(prefix) => format!("{prefix}/{}", image.repository()).parse().ok()?,
            None => image.repository().clone(),
        };
        Some(Reference::new(self.host.clone(), repository, image.tag().cloned(), image.digest().cloned()))
    }
}

impl Mirrors {
    /// In the order in which they are asked.
    pub(crate) fn new(all: &[Mirror]) -> Self {
        let mut of: HashMap<_, Vec<Mirror>> = HashMap::new();
        for mirror in all {
            of.entry(mirror.of.clone()).or_default().push(mirror.clone());
        }
        Self { all: of, resting: Resting::default() }
    }

    /// Those of one registry.
    pub(crate) fn of(&self, registry: &RegistryHost) -> &[Mirror] {
        self.all.get(registry).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether this one is asked now.
    pub(crate) fn is_asked(&self, mirror: &Mirror) -> bool {
        !self.resting.has(&mirror.host, Instant::now())
    }

    /// Goes on without a mirror that did not help. One that is not there, or whose bytes are wrong, is left
    /// alone for a while.
    pub(crate) fn pass_over(&self, mirror: &Mirror, fault: &Fault) {
        let (of, host) = (&mirror.of, &mirror.host);
        match fault {
            Fault::Refused(_) | Fault::Broken(_) | Fault::Truncated { .. } | Fault::WrongRange => {
                tracing::debug!(%of, mirror = %host, %fault, "a mirror did not help, asking the next");
            }
            _ => {
                tracing::warn!(%of, mirror = %host, %fault, rest_s = REST.as_secs(), "a mirror is left alone for a while");
                self.resting.add(host, Instant::now());
            }
        }
    }

    /// An error about a registry, with a word about its mirrors.
    pub(crate) fn mention(&self, error: Error, registry: &RegistryHost) -> Error {
        let about_registry = matches!(
            error.code(),
            Code::RegistryUnreachable
                | Code::RegistryTlsError
                | Code::RegistryAuthError
                | Code::RegistryRateLimited
                | Code::ImageNotFound
        );
        let mirrors: Vec<String> =
            self.of(registry).iter().map(|mirror| format!("`{}`", mirror.host)).collect();
        match (about_registry, mirrors.len(), error.next_step()) {
            (true, 1.., Some(step)) => {
                let step =
                    format!("{step}; mirrors of `{registry}` did not help either: {}", mirrors.join(", "));
                error.hint(step)
            }
            _ => error,
        }
    }
}

impl Resting {
    /// Leaves one alone from now on, for a while.
    pub(crate) fn add(&self, host: &RegistryHost, now: Instant) {
        let mut resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|_, since| now.saturating_duration_since(*since) < REST);
        resting.insert(host.clone(), now);
    }

    /// Whether one is left alone.
    pub(crate) fn has(&self, host: &RegistryHost, now: Instant) -> bool {
        let resting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        resting.get(host).is_some_and(|since| now.saturating_duration_since(*since) < REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(text: &str) -> Mirror {
        text.parse().unwrap()
    }

    #[test]
    fn a_mirror_is_a_registry_or_a_place_in_one() {
        let image: Reference = "nginx:1.27".parse().unwrap();
        for (text, there) in [
            ("docker.io=127.0.0.1:5001", "127.0.0.1:5001/library/nginx:1.27"),
            ("index.docker.io=mirror.example/", "mirror.example/library/nginx:1.27"),
            (
                "docker.io=mirror.example:443/hub/docker.io",
                "mirror.example:443/hub/docker.io/library/nginx:1.27",
            ),
        ] {
            let mirror = mirror(text);
            assert!(mirror.of.is_docker_hub());
            assert_eq!(mirror.reference(&image).unwrap().to_string(), there);
        }
        let long = mirror(&format!("docker.io=mirror.example/{}", ["a"; 125].join("/")));
        assert_eq!(long.reference(&image), None);
    }

    #[test]
    fn what_is_no_mirror_is_refused_with_an_example() {
        for text in
            ["", "docker.io", "docker.io=", "=mirror.example", "docker.io=https://mirror.example", "a=b/C"]
        {
            let error = text.parse::<Mirror>().unwrap_err();
            assert!(
                error.message().starts_with(&format!("`{text}` is not a mirror: ")),
                "{}",
                error.message()
            );
            assert!(error.next_step().unwrap().contains("docker.io=mirror.example"));
        }
    }

    #[test]
    fn a_mirror_that_was_not_there_is_asked_again_after_a_while() {
        let (resting, host, start) = (Resting::default(), "mirror.example".parse().unwrap(), Instant::now());
        assert!(!resting.has(&host, start));
        resting.add(&host, start);
        assert!(resting.has(&host, start + REST / 2));
        assert!(!resting.has(&host, start + REST));
    }
}
