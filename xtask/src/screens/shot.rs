//! Which pages are shown, and how somebody gets there.

use anyhow::Result;

use super::town::Town;
use crate::browser::{Page, heading};

/// Name of the picture, and the way to the page.
type Shot = (&'static str, fn(&Page, &Town) -> Result<()>);

/// In the order in which they are taken.
pub(super) const SHOTS: &[Shot] = &[
    ("services", |page, _| page.visit("/projects/default/production")),
    ("service", |page, _| page.visit("/projects/default/production/shop")),
    ("deployment", failed_deployment),
    ("events", |page, _| page.visit("/events")),
];

/// The page of the deployment that failed.
fn failed_deployment(page: &Page, _: &Town) -> Result<()> {
    page.visit("/projects/default/production/checkout")?;
    page.follow(&crate::browser::link("#1"))?;
    page.until(&heading("Why it failed"))
}
