//! The pages in a browser, with many services: how soon they answer and are seen, what they weigh, how live they are.

use anyhow::{Context, Result};
use serde_json::json;

use super::many::{Bed, create};
use crate::bed::{Temper, web};
use crate::bench::Setting;
use crate::bench::report::{Figure, Outcome};
use crate::bench::rounds::Samples;
use crate::browser::{Browser, Figures, Page};

const SERVICES: usize = 1_000;
/// What a page may take and weigh: milliseconds and bytes.
const ANSWER: f64 = 20.0;
const PAINT: f64 = 100.0;
const HTML: u64 = 40_000;
const STYLE: u64 = 25_000;
const SCRIPT: u64 = 75_000;
/// Milliseconds until a state is on the page.
const LIVE: f64 = 200.0;

/// Pages that everybody has, and those of one of the services.
const PAGES: [&str; 14] = [
    "/projects",
    "/projects/default/e0",
    "/projects/default/production/one",
    "/projects/default/production/one/deployments",
    "/projects/default/production/one/logs",
    "/projects/default/production/one/metrics",
    "/projects/default/production/one/variables",
    "/projects/default/production/one/volumes",
    "/projects/default/production/one/domains",
    "/projects/default/production/one/settings",
    "/new",
    "/images",
    "/events",
    "/settings",
];

/// Every page, over and over.
pub(in super::super) fn measure(setting: &Setting) -> Result<Outcome> {
    let bed = Bed::start(setting)?;
    bed.platform.create("one", &bed.reference, json!({"environment": "production"}))?;
    create(&bed.platform, &bed.reference, 0..SERVICES, 0)?;
    let browser = Browser::start()?;
    let page = browser.open(bed.platform.api_port())?;
    page.log_in(&bed.platform.token())?;
    let mut answers = vec![Samples::default(); PAGES.len()];
    let (mut paints, mut shifts) = (Samples::default(), Samples::default());
    let (mut worst, mut moves) = (0.0, "none");
    let mut most = Figures::default();
    for round in 0..=setting.rounds_or(11) {
        for (path, answers) in PAGES.iter().zip(&mut answers) {
            page.visit(path)?;
            let seen = page.figures()?;
            // The first round fills caches, the browser's and ours.
            if round > 0 {
                answers.push(seen.answer);
                paints.push(seen.first_paint);
                shifts.push(seen.shift);
                if seen.shift > worst {
                    (worst, moves) = (seen.shift, *path);
                }
            }
            most.html = most.html.max(seen.html);
            most.style = most.style.max(seen.style);
            most.script = most.script.max(seen.script);
        }
    }
    let slowest = answers.iter().map(Samples::median).fold(0.0, f64::max);
    let paint = paints.median();
    let Figures { html, style, script, .. } = most;
    let is_small = html <= HTML && style <= STYLE && script <= SCRIPT;
    let mut figures: Vec<Figure> = PAGES
        .iter()
        .zip(&answers)
        .map(|(path, answers)| Figure::new(&format!("`{path}`: first byte"), answers, "ms"))
        .collect();
    figures.push(Figure::new("first paint, all pages", &paints, "ms"));
    figures.push(Figure::new("layout shift, all pages", &shifts, ""));
    Ok(Outcome {
        what: format!("{} pages with {SERVICES} services, in headless Chromium", PAGES.len()),
        must: "first byte under 20 ms, first paint under 100 ms, no layout shift; at most 40 kB of HTML, 25 kB of CSS, 75 kB of script".into(),
        got: format!(
            "the slowest page {slowest:.1} ms; first paint {paint:.0} ms; shift {worst:.4} (`{moves}`); at most {:.1} kB, {:.1} kB, {:.1} kB",
            kilo(html), kilo(style), kilo(script)
        ),
        reached: slowest < ANSWER && paint < PAINT && worst < 0.001 && is_small,
        figures,
        note: "Services in environments of 200, with 0 replicas, and one that runs. Measured by the browser (Navigation Timing, Paint \
               Timing, Layout Instability) over loopback, logged in, from its cache where a file has its hash in its address; the log-in is checked \
               within the time to the first byte. Sizes are unpacked."
            .into(),
    })
}

/// From a change that is recorded to its words on the page that somebody looks at.
pub(in super::super) fn live(setting: &Setting) -> Result<Outcome> {
    let bed = Bed::start(setting)?;
    bed.platform.create("one", &bed.reference, json!({}))?;
    let browser = Browser::start()?;
    let page = browser.open(bed.platform.api_port())?;
    page.log_in(&bed.platform.token())?;
    page.visit("/projects/default/production")?;
    let mut samples = Samples::default();
    for round in 0..setting.rounds_or(11) {
        let other = format!("many-{}", round + 2);
        let reference = format!("{}:{other}", bed.reference.rsplit_once(':').context("no tag")?.0);
        web(&other, Temper::Good).push(&reference)?;
        // The reference of the image that serves is in the row of its service.
        page.watch_for(&reference)?;
        let id = bed.platform.begin_deploy("one", &reference)?;
        bed.platform.until_active(&id)?;
        let shown = bed.platform.api("GET", &format!("/api/deployments/{id}"), None)?.json()?;
        let begun = shown["createdAt"].as_str().context("no time")?.parse::<jiff::Timestamp>()?;
        samples.push(seen(&page)? - begun.as_millisecond() as f64);
    }
    let (median, most) = (samples.median(), samples.most());
    Ok(Outcome {
        what: "a deployment on the page of its environment".into(),
        must: "on the page within 200 ms after it was recorded".into(),
        got: format!("{median:.0} ms, at most {most:.0} ms"),
        reached: most <= LIVE,
        figures: vec![Figure::new("from its record to the row of its service", &samples, "ms")],
        note: "The time of the record is the platform's, that of the page is taken by a MutationObserver in headless Chromium on the \
               same machine."
            .into(),
    })
}

/// When the words that are watched for were seen.
fn seen(page: &Page) -> Result<f64> {
    page.until_so("the words on the page", || Ok(page.seen_at()? > 0.0))?;
    page.seen_at()
}

fn kilo(bytes: u64) -> f64 {
    bytes as f64 / 1e3
}
