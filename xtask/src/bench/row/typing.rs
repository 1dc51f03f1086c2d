//! The verdict of the wizard, which answers while somebody types.

use anyhow::{Context, Result, bail};

use super::many::Bed;
use crate::bed::{Temper, web};
use crate::bench::Setting;
use crate::bench::report::{Figure, Outcome};
use crate::bench::rounds::Samples;
use crate::browser::{Browser, Page, button};

/// Milliseconds within which it has to be there, once typing pauses.
const ANSWER: f64 = 300.0;
/// Milliseconds without a key after which the page takes it for a pause, and how its markup says so.
const PAUSE: f64 = 250.0;
const DELAY: &str = "input delay:250ms";

/// From the last key in the field of the image to what is known of it.
pub(in super::super) fn verdict(setting: &Setting) -> Result<Outcome> {
    let bed = Bed::start(setting)?;
    let repository = bed.reference.rsplit_once(':').context("no tag")?.0;
    let browser = Browser::start()?;
    let page = browser.open(bed.platform.api_port())?;
    page.log_in(&bed.platform.token())?;
    page.visit(&format!("/new?image={}", bed.reference))?;
    page.follow(&button("Use a Docker image"))?;
    page.until_text("Latest or exactly this")?;
    if !page.markup()?.contains(DELAY) {
        bail!("the page waits for another pause than `{DELAY}`");
    }
    let (mut found, mut missing, mut wrong) = (Samples::default(), Samples::default(), Samples::default());
    for round in 0..setting.rounds_or(21) {
        // One that nobody asked for before.
        let reference = format!("{repository}:typed-{round}");
        let digest = web(&format!("typed-{round}"), Temper::Good).push(&reference)?;
        found.push(typed(&page, &reference, &digest)?);
        let nowhere = format!("{repository}:nowhere-{round}");
        missing.push(typed(&page, &nowhere, &format!("has no image {nowhere}"))?);
        let tag = format!("no-tag-{round}!");
        wrong.push(typed(&page, &format!("{repository}:{tag}"), &format!("the tag {tag} is not"))?);
    }
    let (median, most) = (found.median() - PAUSE, found.most().max(missing.most()).max(wrong.most()) - PAUSE);
    Ok(Outcome {
        what: "the verdict on an image, while it is typed".into(),
        must: "on the page 300 ms after typing pauses".into(),
        got: format!(
            "{median:.0} ms, at most {most:.0} ms; with the pause of {PAUSE:.0} ms {:.0} ms",
            found.median()
        ),
        reached: most <= ANSWER,
        figures: vec![
            Figure::new("from the last key: an image that nobody asked for before", &found, "ms"),
            Figure::new("the same of one that is not there", &missing, "ms"),
            Figure::new("the same of what is no reference", &wrong, "ms"),
        ],
        note: format!(
            "The last key is pressed in headless Chromium; a MutationObserver sees the digest, or the words of the refusal. After \
             {PAUSE:.0} ms without another key the page takes it for a pause and asks: they are in the figures below, not in \
             those above. The registry is Debian's on the same machine; one that is further away adds its round trips."
        ),
    })
}

/// Types a text; milliseconds from its last key to these words.
fn typed(page: &Page, text: &str, words: &str) -> Result<f64> {
    let last = text.chars().next_back().context("nothing to type")?;
    page.write("Image", text.strip_suffix(last).unwrap_or_default())?;
    page.watch_typing_for(words)?;
    page.press(&last.to_string())?;
    page.answered()
}
