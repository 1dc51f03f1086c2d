//! A chair before a browser.

use std::path::Path;

use xtask::bed::{Image, Platform, PlatformOptions, Registry, may_run_as_root};
use xtask::browser::{Browser, Page};

use crate::stage::{BINARY, Stage};

/// A platform, a registry, and a browser with one page open.
pub(super) struct Seat {
    pub(super) page: Page,
    /// Ended before what it looks at.
    pub(super) browser: Browser,
    pub(super) stage: Stage,
}

impl Seat {
    /// Sits down before a fresh platform, logged in, unless the test has to be skipped. What it asks Docker Hub and
    /// GitHub for is had from the registry of the stage.
    pub(super) fn take(test: &str) -> Option<Self> {
        Self::at(test, |test| {
            if !may_run_as_root(test) {
                return None;
            }
            let registry = Registry::start().unwrap();
            let of =
                |known: &str| ["--registry-mirror".to_owned(), format!("{known}={}", registry.address())];
            let arguments = ["docker.io", "ghcr.io"].into_iter().flat_map(of).collect();
            let options = PlatformOptions { arguments, ..PlatformOptions::default() };
            let platform = Platform::start(Path::new(BINARY), options).unwrap();
            Some(Stage { registry, platform })
        })
    }

    /// The same before this stage.
    pub(super) fn at(test: &str, stage: impl FnOnce(&str) -> Option<Stage>) -> Option<Self> {
        if !Browser::is_here(test) {
            return None;
        }
        let stage = stage(test)?;
        let browser = Browser::start().unwrap();
        let page = browser.open(stage.platform.api_port()).unwrap();
        page.log_in(&stage.platform.token()).unwrap();
        Some(Self { page, browser, stage })
    }

    /// Has an image at the registry of the stage; answers with its reference there.
    pub(super) fn pushed(&self, name: &str, image: &Image) -> String {
        crate::sample::pushed(&self.stage.registry, name, image)
    }

    /// Nothing went wrong in the browser.
    pub(super) fn is_content(&self) {
        assert_eq!(self.page.complaints(), Vec::<String>::new());
    }
}
