//! Images in requests: one full reference, or its parts.

use mirage_core::{Code, Error, Reference, Result};

/// The five fields that name an image, as they came.
#[derive(Default)]
pub(crate) struct ImageFields {
    /// `image`: the whole reference.
    pub(crate) image: Option<String>,
    /// `imageRegistry`.
    pub(crate) registry: Option<String>,
    /// `imageName`: the repository.
    pub(crate) name: Option<String>,
    /// `imageTag`.
    pub(crate) tag: Option<String>,
    /// `imageDigest`.
    pub(crate) digest: Option<String>,
}

impl ImageFields {
    /// The reference they name, `None` where none is set. Parts that are absent are those of
    /// `current`; another tag alone leaves the old digest behind, for a digest decides.
    pub(crate) fn reference(self, current: Option<&Reference>) -> Result<Option<Reference>> {
        let Self { image, registry, name, tag, digest } = self;
        let parts = registry.is_some() || name.is_some() || tag.is_some() || digest.is_some();
        match image {
            Some(_) if parts => Err(Error::new(
                Code::InvalidRequest,
                "`image` and its parts `imageRegistry`, `imageName`, `imageTag`, `imageDigest` exclude each other",
            )
            .field("image")
            .hint("send the whole reference, or only the parts")),
            Some(image) => Ok(Some(image.parse::<Reference>().map_err(|error| error.field("image"))?)),
            None if parts => from_parts(registry, name, tag, digest, current).map(Some),
            None => Ok(None),
        }
    }
}

fn from_parts(
    registry: Option<String>,
    name: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
    current: Option<&Reference>,
) -> Result<Reference> {
    let tag = tag.map(|tag| tag.parse().map_err(|error: Error| error.field("imageTag"))).transpose()?;
    let digest =
        digest.map(|digest| digest.parse().map_err(|error: Error| error.field("imageDigest"))).transpose()?;
    let registry =
        registry.map(|host| host.parse().map_err(|error: Error| error.field("imageRegistry"))).transpose()?;
    if let (None, Some(current)) = (&name, current) {
        let host = registry.unwrap_or_else(|| current.host().clone());
        let moved = tag.is_some() || digest.is_some();
        let tag = if moved { tag } else { current.tag().cloned() };
        let digest = if moved { digest } else { current.digest().cloned() };
        return Ok(Reference::new(host, current.repository().clone(), tag, digest));
    }
    let name = name.ok_or_else(|| {
        Error::new(Code::InvalidRequest, "the parts of an image need an `imageName`")
            .field("imageName")
            .hint("for example `acme/web`, with `imageRegistry` `ghcr.io` and `imageTag` `1.2`")
    })?;
    // Docker Hub's short names are the reference parser's business: `nginx` is `library/nginx`.
    let (host, repository) = match registry {
        Some(host) if !host.is_docker_hub() => {
            (host, name.parse().map_err(|error: Error| error.field("imageName"))?)
        }
        _ => {
            let whole: Reference = name.parse().map_err(|error: Error| error.field("imageName"))?;
            if !whole.host().is_docker_hub() || name.contains([':', '@']) {
                return Err(Error::new(
                    Code::InvalidImageReference,
                    format!("`{name}` is more than the name of an image"),
                )
                .field("imageName")
                .hint("send registry, tag and digest in fields of their own, or everything in `image`"));
            }
            (whole.host().clone(), whole.repository().clone())
        }
    };
    Ok(Reference::new(host, repository, tag, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: [Option<&str>; 5], current: Option<&str>) -> Result<Option<String>> {
        let [image, registry, name, tag, digest] = text.map(|text| text.map(str::to_owned));
        let current = current.map(|text| text.parse::<Reference>().unwrap());
        let fields = ImageFields { image, registry, name, tag, digest };
        Ok(fields.reference(current.as_ref())?.map(|reference| reference.to_string()))
    }

    #[test]
    fn an_image_is_named_whole_or_by_its_parts() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (fields, current, expected) in [
            ([None; 5], None, None),
            ([Some("nginx"), None, None, None, None], None, Some("docker.io/library/nginx:latest".into())),
            ([None, None, Some("nginx"), Some("1"), None], None, Some("docker.io/library/nginx:1".into())),
            (
                [None, Some("docker.io"), Some("nginx"), None, None],
                None,
                Some("docker.io/library/nginx:latest".into()),
            ),
            (
                [None, Some("ghcr.io"), Some("acme/web"), None, Some(digest.as_str())],
                None,
                Some(format!("ghcr.io/acme/web@{digest}")),
            ),
            (
                [None, None, None, Some("2"), None],
                Some("ghcr.io/acme/web:1"),
                Some("ghcr.io/acme/web:2".into()),
            ),
            (
                [None, None, None, Some("2"), None],
                Some(&*format!("ghcr.io/acme/web:1@{digest}")),
                Some("ghcr.io/acme/web:2".into()),
            ),
            (
                [None, Some("localhost:5000"), None, None, None],
                Some("ghcr.io/acme/web:1"),
                Some("localhost:5000/acme/web:1".into()),
            ),
        ] {
            assert_eq!(read(fields, current).unwrap(), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_part() {
        for (fields, field) in [
            ([Some("nginx"), None, None, Some("1"), None], "image"),
            ([Some("Nginx!"), None, None, None, None], "image"),
            ([None, None, None, Some("1"), None], "imageName"),
            ([None, None, Some("ghcr.io/acme/web"), None, None], "imageName"),
            ([None, None, Some("nginx:1"), None, None], "imageName"),
            ([None, Some("ghcr.io"), Some("Acme"), None, None], "imageName"),
            ([None, Some("a b"), Some("acme"), None, None], "imageRegistry"),
            ([None, None, Some("nginx"), Some("-"), None], "imageTag"),
            ([None, None, Some("nginx"), None, Some("sha256:1")], "imageDigest"),
        ] {
            assert_eq!(read(fields, None).unwrap_err().at_field(), Some(field), "{fields:?}");
        }
    }
}
