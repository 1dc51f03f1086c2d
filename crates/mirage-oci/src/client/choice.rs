//! Which image of an index fits a platform.

use mirage_core::Platform;

use super::manifest::{Index, IndexEntry};

impl Index {
    /// The image for `wanted`: exactly that variant first, then any that satisfies it, then one that
    /// does not say what it was built for (its configuration will).
    pub fn choose(&self, wanted: &Platform) -> Option<&IndexEntry> {
        let fitting =
            |entry: &&IndexEntry| entry.platform.as_ref().is_some_and(|offer| offer.satisfies(wanted));
        let exact = |entry: &&IndexEntry| entry.platform.as_ref() == Some(wanted);
        let silent = |entry: &&IndexEntry| entry.platform.is_none();
        let plain = |entry: &&IndexEntry| {
            fitting(entry) && entry.platform.as_ref().is_some_and(|offer| offer.variant.is_none())
        };
        let entries = || self.entries.iter();
        entries()
            .find(exact)
            .or_else(|| entries().find(plain))
            .or_else(|| entries().find(fitting))
            .or_else(|| entries().find(silent))
    }

    /// Every platform on offer, each once, in the index's order.
    pub fn platforms(&self) -> Vec<Platform> {
        let mut platforms: Vec<Platform> = Vec::new();
        for platform in self.entries.iter().filter_map(|entry| entry.platform.as_ref()) {
            if !platforms.contains(platform) {
                platforms.push(platform.clone());
            }
        }
        platforms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::manifest::Descriptor;
    use mirage_core::Digest;

    fn index(offers: &[&str]) -> Index {
        let entry = |(number, offer): (usize, &&str)| IndexEntry {
            manifest: Descriptor { digest: Digest::sha256([number as u8; 32]), size: 1 },
            platform: offer.parse().ok(),
        };
        Index { entries: offers.iter().enumerate().map(entry).collect(), attestations: Vec::new() }
    }

    fn chosen(offers: &[&str], wanted: &str) -> Option<usize> {
        let index = index(offers);
        let found = index.choose(&wanted.parse().unwrap())?;
        index.entries.iter().position(|entry| entry == found)
    }

    #[test]
    fn the_exact_variant_comes_before_a_merely_fitting_one() {
        assert_eq!(chosen(&["linux/arm/v6", "linux/arm", "linux/arm/v7"], "linux/arm/v7"), Some(2));
        assert_eq!(chosen(&["linux/amd64/v3", "linux/amd64"], "linux/amd64"), Some(1));
        assert_eq!(chosen(&["linux/amd64/v3", "linux/amd64"], "linux/amd64/v2"), Some(1));
        assert_eq!(chosen(&["linux/amd64", "linux/arm64"], "linux/arm64/v8"), Some(1));
    }

    #[test]
    fn an_entry_that_says_nothing_is_the_last_resort() {
        assert_eq!(chosen(&["", "linux/amd64"], "linux/amd64"), Some(1));
        assert_eq!(chosen(&["linux/arm64", ""], "linux/amd64"), Some(1));
        assert_eq!(chosen(&["linux/arm64", "windows/amd64"], "linux/amd64"), None);
    }

    #[test]
    fn offers_are_listed_once() {
        let offers = index(&["linux/amd64", "windows/amd64", "windows/amd64", ""]).platforms();
        assert_eq!(
            offers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["linux/amd64", "windows/amd64"]
        );
    }
}
