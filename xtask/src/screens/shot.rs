//! Which pages are shown, and how somebody gets there.

use anyhow::Result;

use super::town::Town;
use crate::browser::{Page, button, heading, link};

/// Name of the picture, and the way to the page.
type Shot = (&'static str, fn(&Page, &Town) -> Result<()>);

/// The ten of docs/screens, in the order in which they are taken.
pub(super) const SHOTS: &[Shot] = &[
    ("services", |page, _| page.visit("/projects/default/production")),
    ("image", image),
    ("settings", settings),
    ("review", review),
    ("service", |page, _| page.visit("/projects/default/production/shop")),
    ("deployment", failed_deployment),
    ("logs", |page, _| page.visit("/projects/default/production/shop/logs")),
    ("metrics", |page, _| page.visit("/projects/default/production/shop/metrics")),
    ("variables", |page, _| page.visit("/projects/default/production/shop/variables")),
    ("images", |page, _| page.visit("/images")),
];

/// Taken where somebody names them, or asks for all.
pub(super) const MORE: &[Shot] = &[
    ("new", |page, _| page.visit("/new?image=ghcr.io/acme/billing:3.2.0")),
    ("deployments", |page, _| page.visit("/projects/default/production/shop/deployments")),
    ("service-settings", |page, _| page.visit("/projects/default/production/shop/settings")),
    ("domains", |page, _| page.visit("/projects/default/production/shop/domains")),
    ("volumes", |page, _| page.visit("/projects/default/production/db/volumes")),
    ("credentials", |page, _| page.visit("/credentials")),
    ("tokens", |page, _| page.visit("/settings/tokens")),
    ("about", |page, _| page.visit("/settings/about")),
    ("events", |page, _| page.visit("/events")),
    ("keys", |page, _| page.visit("/keys")),
    ("cards", cards),
];

/// The services as cards, which is remembered.
fn cards(page: &Page, _: &Town) -> Result<()> {
    page.visit("/projects/default/production")?;
    page.follow(&button("As cards"))
}

/// The step of the wizard that judges an image.
fn image(page: &Page, _: &Town) -> Result<()> {
    page.visit("/new?image=ghcr.io/acme/billing:3.2.0")?;
    page.follow(&button("Use a Docker image"))?;
    page.follow(&button("Check image"))
}

/// The step after it.
fn settings(page: &Page, town: &Town) -> Result<()> {
    image(page, town)?;
    page.follow(&button("Next: settings"))?;
    page.write("Name of variable 1", "GREETING")?;
    page.write("Value of variable 1", "good morning")?;
    page.write("Path that answers when it is well", "/healthz")?;
    page.write("Memory of each", "256MiB")
}

/// The last step.
fn review(page: &Page, town: &Town) -> Result<()> {
    settings(page, town)?;
    page.follow(&button("Next: review"))?;
    page.until(&heading("What will happen"))
}

/// The page of the deployment that failed.
fn failed_deployment(page: &Page, _: &Town) -> Result<()> {
    page.visit("/projects/default/production/checkout")?;
    page.follow(&link("#1"))?;
    page.until(&heading("Why it failed"))
}
