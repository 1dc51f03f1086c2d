//! The tags of a repository, in the order in which somebody looks for one.

use std::cmp::{Ordering, Reverse};

use super::reference::Tag;

/// Digits of the first number of a version: longer ones are dates, builds or commits.
const VERSION_DIGITS: usize = 4;

/// Tags of a repository: `latest`, then versions, the highest first, then the rest by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagListing {
    /// The tags. Those that only hold something about an image (signatures, attestations) are left out.
    pub tags: Vec<Tag>,
    /// Whether the repository has more than were read.
    pub more: bool,
}

impl TagListing {
    /// Puts tags in order.
    pub fn new(mut tags: Vec<Tag>, more: bool) -> Self {
        tags.retain(|tag| !is_about_an_image(tag.as_str()));
        tags.sort_by(|one, other| Rank::of(one.as_str()).cmp(&Rank::of(other.as_str())));
        tags.dedup();
        Self { tags, more }
    }
}

/// `sha256-<hex>`, with or without an ending (OCI distribution-spec, "Referrers Tag Schema").
fn is_about_an_image(tag: &str) -> bool {
    let rest = ["sha256-", "sha512-"].iter().find_map(|algorithm| tag.strip_prefix(algorithm));
    rest.and_then(|rest| rest.get(..64)).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Where a tag stands: the smallest comes first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank<'a> {
    Latest,
    Version(Numbers, Reverse<bool>, &'a str),
    Name(&'a str),
}

/// The numbers of a version, the highest first; `1.27.3` stands before `1.27`.
#[derive(PartialEq, Eq)]
struct Numbers(Vec<u64>);

impl PartialOrd for Numbers {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Numbers {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.cmp(&self.0)
    }
}

impl<'a> Rank<'a> {
    fn of(tag: &'a str) -> Self {
        if tag == "latest" {
            return Self::Latest;
        }
        match version(tag) {
            Some((numbers, rest)) => Self::Version(Numbers(numbers), Reverse(!is_unfinished(rest)), rest),
            None => Self::Name(tag),
        }
    }
}

/// `v1.27.3-alpine` is 1, 27, 3 and `-alpine`.
fn version(tag: &str) -> Option<(Vec<u64>, &str)> {
    let mut rest = tag.strip_prefix('v').unwrap_or(tag);
    let mut numbers = Vec::new();
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if numbers.is_empty() && end > VERSION_DIGITS {
            return None;
        }
        numbers.push(rest[..end].parse().ok()?);
        rest = &rest[end..];
        match rest.strip_prefix('.') {
            Some(after) if after.starts_with(|c: char| c.is_ascii_digit()) => rest = after,
            // `3fa9c1d` is a commit.
            _ if rest.starts_with(|c: char| c.is_ascii_alphanumeric()) => return None,
            _ => return Some((numbers, rest)),
        }
    }
}

/// Whether the ending of a version says that it is not the version itself yet.
fn is_unfinished(ending: &str) -> bool {
    ["alpha", "beta", "rc", "pre", "dev", "nightly"].iter().any(|word| ending.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(tags: &[&str]) -> Vec<String> {
        let tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        TagListing::new(tags, false).tags.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_newest_version_is_found_at_the_top() {
        let found = listed(&[
            "1.9",
            "stable",
            "1.27-alpine",
            "v2.0.0-rc1",
            "1.27",
            "1.27.3",
            "latest",
            "1.27",
            "v2.0.0",
        ]);
        assert_eq!(
            found,
            ["latest", "v2.0.0", "v2.0.0-rc1", "1.27.3", "1.27", "1.27-alpine", "1.9", "stable"]
        );
    }

    #[test]
    fn commits_and_dates_are_no_versions() {
        assert_eq!(
            listed(&["3fa9c1d", "20241010", "16", "16beta1", "main"]),
            ["16", "16beta1", "20241010", "3fa9c1d", "main"]
        );
    }

    #[test]
    fn what_only_holds_something_about_an_image_is_left_out() {
        let about = format!("sha256-{}", "a".repeat(64));
        let tags = [about.clone(), format!("{about}.sig"), "sha256-short".to_owned()];
        assert_eq!(listed(&tags.each_ref().map(String::as_str)), ["sha256-short"]);
    }

    #[test]
    fn numbers_that_no_machine_holds_are_names() {
        assert_eq!(listed(&["1.99999999999999999999999", "1.2"]), ["1.2", "1.99999999999999999999999"]);
    }
}
