//! Manifests, indexes and configurations as a hostile registry might send them.

use mirage_core::Platform;
use mirage_oci::client::{ConfigDocument, Document};

/// What is read obeys the limits, what is refused is refused in one line.
pub fn run(input: &[u8]) {
    let wanted: Platform = Platform::linux("x86_64");
    match Document::parse(input) {
        Ok(Document::Image(manifest)) => {
            assert!(manifest.layers.len() <= 512);
            assert!(manifest.size_bytes() >= manifest.config.size);
        }
        Ok(Document::Index(index)) => {
            assert!(index.entries.len() <= 1_000);
            let offered = index.platforms();
            if let Some(chosen) = index.choose(&wanted) {
                let fits = chosen.platform.as_ref().is_none_or(|platform| platform.satisfies(&wanted));
                assert!(fits && chosen.platform.as_ref().is_none_or(|platform| offered.contains(platform)));
            }
            for platform in offered {
                let shown = platform.to_string();
                assert!(shown.len() <= 98 && !shown.chars().any(char::is_control));
            }
        }
        Err(error) => assert!(!error.message().chars().any(char::is_control), "{}", error.message()),
    }
    match ConfigDocument::parse(input) {
        Ok(document) => assert!(document.config.ports.is_sorted()),
        Err(error) => assert!(!error.message().chars().any(char::is_control), "{}", error.message()),
    }
}
