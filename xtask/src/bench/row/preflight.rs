//! Judging an image.

use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::json;

use crate::bed::{Platform, PlatformOptions, Registry};
use crate::bench::Setting;
use crate::bench::image::web;
use crate::bench::report::{Figure, Outcome};
use crate::bench::rounds::{Runner, interleave};

/// From the request to the verdict, of a tag that nobody has looked at and of one that is known.
pub(in super::super) fn measure(setting: &Setting) -> Result<Outcome> {
    let rounds = setting.rounds_or(15);
    let registry = Registry::start()?;
    let tag = |round: usize| registry.reference(&format!("bench/preflight:{round}"));
    for round in 0..=rounds {
        web(&format!("round {round}")).push(&tag(round))?;
    }
    let platform = Platform::start(&setting.binary, PlatformOptions::default())?;
    let known = tag(rounds);
    inspect(&platform, &known)?;
    let runners = vec![
        Runner::new("a tag never seen", |round| inspect(&platform, &tag(round))),
        Runner::new("a tag seen before", |_| inspect(&platform, &known)),
    ];
    let samples = interleave(rounds, runners)?;
    let millis = samples[0].median();
    Ok(Outcome {
        what: "preflight of a tag over loopback: from `POST /api/images/inspect` to the verdict".into(),
        must: "under 15 ms".into(),
        got: format!("{millis:.1} ms"),
        reached: millis < 15.0,
        figures: vec![
            Figure::new("a tag never seen", &samples[0], "ms"),
            Figure::new("a tag seen before", &samples[1], "ms"),
        ],
        note: "Through the REST API of a running platform, which has connections to the registry already and asks \
               without a login; `docker-registry` on loopback. Of a tag never seen it fetches manifest and \
               configuration, of one seen before it asks what the tag is; either way it looks for signature, SBOM and \
               provenance."
            .into(),
    })
}

fn inspect(platform: &Platform, reference: &str) -> Result<f64> {
    let since = Instant::now();
    let answer = platform.api("POST", "/api/images/inspect", Some(&json!({"image": reference})))?;
    let millis = since.elapsed().as_secs_f64() * 1e3;
    if answer.status != 200 || !answer.text().contains("\"runs\":true") {
        bail!("{}: {}", answer.status, answer.text());
    }
    Ok(millis)
}
