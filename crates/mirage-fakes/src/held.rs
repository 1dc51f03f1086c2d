//! What the built-in registry holds, as a list.

use mirage_core::port::HeldRepository;
use mirage_core::{Digest, Repository, Tag};

/// A repository with the tags that follow one of them.
pub(crate) fn page_of(
    all: &[HeldRepository],
    repository: &Repository,
    after: Option<&Tag>,
    most: usize,
) -> Option<HeldRepository> {
    let mut one = all.iter().find(|one| one.repository == *repository)?.clone();
    let seen =
        after.and_then(|after| one.tags.iter().position(|tag| tag.tag == *after)).map_or(0, |at| at + 1);
    one.tags = one.tags.into_iter().skip(seen).take(most).collect();
    Some(one)
}

/// Takes a tag, or a whole repository, away.
pub(crate) fn take(
    all: &mut Vec<HeldRepository>,
    repository: &Repository,
    tag: Option<&Tag>,
) -> Option<Vec<Digest>> {
    let at = all.iter().position(|one| one.repository == *repository)?;
    let Some(tag) = tag else {
        return Some(all.remove(at).tags.into_iter().map(|tag| tag.digest).collect());
    };
    let one = &mut all[at];
    let gone = one.tags.remove(one.tags.iter().position(|held| held.tag == *tag)?);
    one.tag_count -= 1;
    if one.tags.is_empty() {
        all.remove(at);
    }
    Some(vec![gone.digest])
}
