//! A chair before a browser.

use xtask::bed::PlatformOptions;
use xtask::browser::{Browser, Page};

use crate::stage::Stage;

/// A platform, a registry, and a browser with one page open.
pub(super) struct Seat {
    pub(super) page: Page,
    /// Ended before what it looks at.
    pub(super) browser: Browser,
    pub(super) stage: Stage,
}

impl Seat {
    /// Sits down before a fresh platform, logged in, unless the test has to be skipped.
    pub(super) fn take(test: &str) -> Option<Self> {
        Self::at(test, |test| Stage::with(test, PlatformOptions::default()))
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

    /// Nothing went wrong in the browser.
    pub(super) fn is_content(&self) {
        assert_eq!(self.page.complaints(), Vec::<String>::new());
    }
}
