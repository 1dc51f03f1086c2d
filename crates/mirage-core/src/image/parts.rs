//! References in parts, and references out of what people paste.

use super::reference::{Reference, RegistryHost, split_host};
use super::run::run_command;
use crate::error::{Code, Error, Result};

/// The parts of a reference as somebody wrote them; empty where one is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceParts {
    /// The registry; Docker Hub where it is empty.
    pub registry: String,
    /// The repository.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// The digest, which decides over the tag.
    pub digest: String,
}

impl ReferenceParts {
    /// The parts of any text, right or wrong.
    pub fn split(text: &str) -> Self {
        let (name, digest) = text.split_once('@').unwrap_or((text, ""));
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (name, ""),
        };
        let (registry, name) = split_host(name);
        let [registry, name, tag, digest] = [registry, name, tag, digest].map(str::to_owned);
        Self { registry, name, tag, digest }
    }

    /// The parts of a reference, its short forms expanded.
    pub fn of(reference: &Reference) -> Self {
        Self {
            registry: reference.host().to_string(),
            name: reference.repository().to_string(),
            tag: reference.tag().map(ToString::to_string).unwrap_or_default(),
            digest: reference.digest().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// The reference that they make.
    ///
    /// # Errors
    /// What is wrong with the first part that is, at `imageRegistry`, `imageName`, `imageTag` or `imageDigest`.
    pub fn reference(&self) -> Result<Reference> {
        let at = |field: &'static str| move |error: Error| error.field(field);
        let host: RegistryHost = match self.registry.as_str() {
            "" => "docker.io".parse()?,
            host => host.parse().map_err(at("imageRegistry"))?,
        };
        if self.name.is_empty() {
            return Err(Error::new(Code::InvalidImageReference, "the name of the image is missing")
                .field("imageName")
                .hint("a reference looks like `nginx:1.27` or `ghcr.io/acme/web:2.1`"));
        }
        let official = host.is_docker_hub() && !self.name.contains('/');
        let name = if official { format!("library/{}", self.name) } else { self.name.clone() };
        let repository = name.parse().map_err(at("imageName"))?;
        let tag = (!self.tag.is_empty()).then(|| self.tag.parse()).transpose().map_err(at("imageTag"))?;
        let digest =
            (!self.digest.is_empty()).then(|| self.digest.parse()).transpose().map_err(at("imageDigest"))?;
        Ok(Reference::new(host, repository, tag, digest))
    }

    /// They as one text, right or wrong.
    pub fn joined(&self) -> String {
        let registry = if self.registry.is_empty() { String::new() } else { format!("{}/", self.registry) };
        let tag = if self.tag.is_empty() { String::new() } else { format!(":{}", self.tag) };
        let digest = if self.digest.is_empty() { String::new() } else { format!("@{}", self.digest) };
        format!("{registry}{}{tag}{digest}", self.name)
    }
}

/// The reference in what was pasted: a command such as `docker pull nginx`, a line of a Dockerfile or a compose file,
/// the address of a page about an image. Anything else is left as it is, without the spaces around it.
pub fn unwrapped(pasted: &str) -> String {
    if let Some(Ok(run)) = run_command(pasted) {
        return run.image;
    }
    let text = pasted.trim();
    let text = text.strip_prefix("$ ").or_else(|| text.strip_prefix("# ")).unwrap_or(text).trim_start();
    let text = text.strip_prefix("sudo ").unwrap_or(text).trim_start();
    of_line(text).or_else(|| of_address(text)).unwrap_or_else(|| text.to_owned())
}

/// `FROM nginx:1.27 AS base`, `image: "nginx:1.27"`
fn of_line(text: &str) -> Option<String> {
    let rest = text.strip_prefix("FROM ").or_else(|| text.strip_prefix("image:"))?;
    let word = rest.split_whitespace().find(|word| !word.starts_with("--"))?;
    Some(word.trim_matches(['"', '\'']).to_owned())
}

/// The address of an image's page, or a reference with a scheme before it.
fn of_address(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("://")?;
    let rest = rest.split(['?', '#']).next()?.trim_end_matches('/');
    let parts: Vec<&str> = rest.split('/').collect();
    match parts.as_slice() {
        ["hub.docker.com" | "www.docker.com", "_", name, ..] => Some((*name).to_owned()),
        ["hub.docker.com", "r", owner, name, ..] => Some(format!("{owner}/{name}")),
        ["hub.docker.com", "layers", owner, name, tag, ..] => Some(format!("{owner}/{name}:{tag}")),
        ["quay.io", "repository", rest @ ..] if !rest.is_empty() => {
            Some(format!("quay.io/{}", rest.join("/")))
        }
        ["github.com", owner, _, "pkgs", "container", name, ..]
        | ["github.com", "orgs", owner, "packages", "container", "package", name, ..] => {
            Some(format!("ghcr.io/{}/{}", owner.to_lowercase(), name.replace("%2F", "/")))
        }
        _ => rest.parse::<Reference>().is_ok().then(|| rest.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_found_in_what_people_paste() {
        for (pasted, expected) in [
            ("  nginx:1.27 ", "nginx:1.27"),
            ("docker pull nginx", "nginx"),
            ("$ sudo docker pull -q ghcr.io/acme/web:2", "ghcr.io/acme/web:2"),
            ("docker run -d --name web -p 8080:80 -e A=b --rm acme/web:1 serve --all", "acme/web:1"),
            ("docker run -it -p8080:80 --env=A=b 'acme/web'", "acme/web"),
            ("podman image pull quay.io/acme/web", "quay.io/acme/web"),
            ("docker run --detach \\\n  --publish 80:80 \\\n  nginx", "nginx"),
            ("FROM --platform=linux/amd64 rust:1 AS build", "rust:1"),
            ("image: \"postgres:17\"", "postgres:17"),
            ("https://hub.docker.com/_/nginx", "nginx"),
            ("https://hub.docker.com/r/acme/web/tags?page=2", "acme/web"),
            ("https://quay.io/repository/acme/web?tab=tags", "quay.io/acme/web"),
            ("https://github.com/Acme/shop/pkgs/container/web", "ghcr.io/acme/web"),
            ("https://github.com/orgs/acme/packages/container/package/shop%2Fweb", "ghcr.io/acme/shop/web"),
            ("docker://ghcr.io/acme/web:1", "ghcr.io/acme/web:1"),
            ("https://ghcr.io/acme/web/", "ghcr.io/acme/web"),
            ("https://example.com/A page", "https://example.com/A page"),
            ("docker ps", "docker ps"),
            ("docker run -p", "docker run -p"),
            ("", ""),
        ] {
            assert_eq!(unwrapped(pasted), expected, "{pasted}");
        }
    }

    #[test]
    fn parts_make_a_reference_and_come_from_one() {
        let of = |text: &str| ReferenceParts::of(&text.parse().unwrap());
        let nginx = of("nginx");
        assert_eq!(nginx.joined(), "docker.io/library/nginx:latest");
        assert_eq!(nginx.reference().unwrap().to_string(), nginx.joined());
        let own = of("127.0.0.1:5000/acme/web:1");
        assert_eq!(
            (own.registry.as_str(), own.name.as_str(), own.tag.as_str()),
            ("127.0.0.1:5000", "acme/web", "1")
        );
        let short = ReferenceParts { name: "nginx".into(), ..ReferenceParts::default() };
        assert_eq!(short.reference().unwrap().to_string(), "docker.io/library/nginx:latest");
    }

    #[test]
    fn the_part_that_is_wrong_is_named() {
        for (text, field) in [
            ("Ghcr.io:x/acme/web", "imageRegistry"),
            ("ghcr.io/Acme/web:1", "imageName"),
            ("ghcr.io/acme/web:-1", "imageTag"),
            ("ghcr.io/acme/web@sha256:12", "imageDigest"),
            ("", "imageName"),
        ] {
            let error = ReferenceParts::split(text).reference().unwrap_err();
            assert_eq!(error.at_field(), Some(field), "{text}: {error:?}");
        }
    }
}
