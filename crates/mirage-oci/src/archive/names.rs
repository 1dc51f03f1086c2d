//! What the images of an archive are called, there and here.

use std::str::FromStr;

use mirage_core::{Code, Digest, Error, Reference, Repository, Result, Tag};

use super::bundle::Named;

/// Another name than the archive's: `acme/web`, `acme/web:2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The repository.
    pub repository: Repository,
    /// The tag; without one each image keeps its own.
    pub tag: Option<Tag>,
}

impl FromStr for Rename {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (repository, tag) = match text.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (text, None),
        };
        let named = repository
            .parse()
            .and_then(|repository| Ok(Self { repository, tag: tag.map(str::parse).transpose()? }));
        named.map_err(|error: Error| {
            error.hint("write it without a registry, such as `acme/web` or `acme/web:2`")
        })
    }
}

/// A place in the registry, and which of the images goes there. Without a tag it goes there by digest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) repository: Repository,
    pub(super) tag: Option<Tag>,
    pub(super) image: usize,
}

/// A name of an archive: with a repository, or a tag alone.
enum Name {
    Full(Repository, Option<Tag>),
    Tag(Tag),
}

/// Where the images go, in the order of the archive.
pub(super) fn places(archive: &str, images: &[Named], rename: Option<&Rename>) -> Result<Vec<Place>> {
    let mut places: Vec<Place> = Vec::new();
    for (at, named) in images.iter().enumerate() {
        for (repository, tag) in of_image(archive, named, rename)? {
            let place = Place { repository, tag, image: at };
            let same = places.iter().find(|other| {
                (&other.repository, &other.tag) == (&place.repository, &place.tag) && place.tag.is_some()
            });
            match same {
                None => places.push(place),
                Some(other) if digest(images, other) == digest(images, &place) => {}
                Some(_) => return Err(two_of_one_name(archive, &place)),
            }
        }
    }
    Ok(places)
}

fn of_image(archive: &str, named: &Named, rename: Option<&Rename>) -> Result<Vec<(Repository, Option<Tag>)>> {
    if let Some(Rename { repository, tag: Some(tag) }) = rename {
        return Ok(vec![(repository.clone(), Some(tag.clone()))]);
    }
    let names = named.names.iter().map(|name| read(name)).collect::<Result<Vec<_>>>()?;
    let Some(Rename { repository, .. }) = rename else {
        let full = names.into_iter().map(|name| match name {
            Name::Full(repository, tag) => Ok((repository, tag)),
            Name::Tag(tag) => Err(tag_alone(archive, &tag)),
        });
        let full = full.collect::<Result<Vec<_>>>()?;
        return if full.is_empty() { Err(nameless(archive)) } else { Ok(full) };
    };
    let tags = names.into_iter().filter_map(|name| match name {
        Name::Full(_, tag) => tag,
        Name::Tag(tag) => Some(tag),
    });
    let mut tags: Vec<_> = tags.map(Some).collect();
    if tags.is_empty() {
        tags.push("latest".parse().ok());
    }
    Ok(tags.into_iter().map(|tag| (repository.clone(), tag)).collect())
}

/// A name with a colon, a slash or a digest has a repository; one without is a tag, as the image
/// specification wants it. The registry it names is left out, and so is Docker Hub's `library/`.
fn read(name: &str) -> Result<Name> {
    if !name.contains([':', '/', '@']) {
        return name.parse().map(Name::Tag);
    }
    let reference: Reference = name
        .parse()
        .map_err(|error: Error| error.hint("name the image yourself with `--as REPOSITORY:TAG`"))?;
    let path = reference.repository().as_str();
    let short = path.strip_prefix("library/").filter(|_| reference.host().is_docker_hub());
    let repository = short.unwrap_or(path).parse()?;
    Ok(Name::Full(repository, reference.tag().cloned()))
}

fn digest<'a>(images: &'a [Named], place: &Place) -> Option<&'a Digest> {
    images.get(place.image).and_then(|named| named.image.digest())
}

fn nameless(archive: &str) -> Error {
    Error::new(Code::InvalidRequest, format!("`{archive}` has an image without a name"))
        .hint("name it with `--as REPOSITORY:TAG`")
}

fn tag_alone(archive: &str, tag: &Tag) -> Error {
    Error::new(
        Code::InvalidRequest,
        format!("`{archive}` has an image that is called `{tag}` alone, without a repository"),
    )
    .hint("name the repository with `--as REPOSITORY`")
}

fn two_of_one_name(archive: &str, place: &Place) -> Error {
    let (repository, tag) = (&place.repository, place.tag.as_ref().map_or("", Tag::as_str));
    Error::new(Code::InvalidRequest, format!("two images of `{archive}` would both be `{repository}:{tag}`"))
        .hint("give them one name each: `--as REPOSITORY` keeps their tags")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::bundle::{Bundle, Document};

    fn named(number: u8, names: &[&str]) -> Named {
        let mut image = Bundle::default();
        let digest = Digest::sha256([number; 32]);
        image.add_document(Document { media_type: "a/b", digest, bytes: Default::default() });
        Named { names: names.iter().map(ToString::to_string).collect(), image }
    }

    fn told(images: &[Named], rename: Option<&str>) -> Result<Vec<String>, String> {
        let rename = rename.map(|text| text.parse::<Rename>().unwrap());
        let places = places("x.tar", images, rename.as_ref()).map_err(|error| error.message().to_owned())?;
        let text = |place: Place| {
            let tag = place.tag.map_or("-".to_owned(), |tag| tag.to_string());
            format!("{}:{tag} {}", place.repository, place.image)
        };
        Ok(places.into_iter().map(text).collect())
    }

    #[test]
    fn the_registry_is_left_out_of_a_name_and_so_is_library() {
        for (name, expected) in [
            ("nginx:1.27", "nginx:1.27 0"),
            ("docker.io/library/nginx:1.27", "nginx:1.27 0"),
            ("docker.io/acme/web:2", "acme/web:2 0"),
            ("ghcr.io/library/web:2", "library/web:2 0"),
            ("localhost/acme/web:1", "acme/web:1 0"),
            ("localhost:5000/acme/web", "acme/web:latest 0"),
            ("127.0.0.1:5000/acme/web:1", "acme/web:1 0"),
        ] {
            assert_eq!(told(&[named(1, &[name])], None), Ok(vec![expected.to_owned()]), "{name}");
        }
        let pinned = format!("acme/web@{}", Digest::sha256([1; 32]));
        assert_eq!(told(&[named(1, &[&pinned])], None), Ok(vec!["acme/web:- 0".into()]));
    }

    #[test]
    fn an_image_is_called_otherwise_where_somebody_says_so() {
        let two = [named(1, &["acme/web:1", "acme/web:latest"]), named(2, &["acme/web:2"])];
        assert_eq!(told(&two, Some("b/c")).unwrap(), ["b/c:1 0", "b/c:latest 0", "b/c:2 1"]);
        assert_eq!(told(&two[..1], Some("b/c:3")).unwrap(), ["b/c:3 0"]);
        assert_eq!(told(&[named(1, &["1.27"])], Some("nginx")).unwrap(), ["nginx:1.27 0"]);
        assert_eq!(told(&[named(1, &[])], Some("b/c")).unwrap(), ["b/c:latest 0"]);
        assert_eq!(told(&two, Some("b/c:3")), Err("two images of `x.tar` would both be `b/c:3`".into()));
        assert!("a:b:c".parse::<Rename>().is_err() && "A".parse::<Rename>().is_err());
    }

    #[test]
    fn a_name_that_says_too_little_is_asked_for() {
        assert_eq!(told(&[named(1, &[])], None), Err("`x.tar` has an image without a name".into()));
        let alone = told(&[named(1, &["1.27"])], None);
        assert_eq!(
            alone,
            Err("`x.tar` has an image that is called `1.27` alone, without a repository".into())
        );
        let twice = [named(1, &["a/b:1"]), named(1, &["docker.io/a/b:1"])];
        assert_eq!(told(&twice, None), Ok(vec!["a/b:1 0".into()]));
        let other = [named(1, &["x.io/a/b:1"]), named(2, &["y.io/a/b:1"])];
        assert_eq!(told(&other, None), Err("two images of `x.tar` would both be `a/b:1`".into()));
    }
}
