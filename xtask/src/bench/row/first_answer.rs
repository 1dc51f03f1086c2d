//! From the wish to the first 200.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use super::good;
use crate::bed::Docker;
use crate::bed::{Platform, PlatformOptions, Registry, eventually};
use crate::bench::Setting;
use crate::bench::contender::podman::Podman;
use crate::bench::image::web;
use crate::bench::report::{Figure, Outcome};
use crate::bench::rounds::{Runner, Samples, interleave};

const NAMES: [&str; 3] = ["mirage", "docker run -p", "podman run -p"];

/// The image is there already.
pub(in super::super) fn present(setting: &Setting) -> Result<Outcome> {
    let registry = Registry::start()?;
    let reference = registry.reference("bench/web:1");
    web("present").push(&reference)?;
    let platform = Platform::start(&setting.binary, PlatformOptions::default())?;
    // The first service stays, so that the image does too.
    good(platform.cli(&["deploy", &reference, "--name", "first"])?)?;
    let (docker, podman) = (Docker::start()?, Podman::start()?);
    docker.call(&["pull", "--quiet", &reference])?;
    podman.pull(&reference)?;
    let samples = race(setting.rounds_or(9), &platform, &docker, &podman, |_| reference.clone())?;
    let (millis, ratio) = (samples[0].median(), samples[0].ratio_to(&samples[1]));
    Ok(Outcome {
        what: "image present: from `POST` to the first 200 through the proxy".into(),
        must: "at most 0.30 of `docker run -p`, under 80 ms".into(),
        got: format!("{ratio:.2} of docker, {millis:.0} ms"),
        reached: ratio <= 0.30 && millis < 80.0,
        figures: figures(&samples),
        note: "busybox httpd with limits on memory and CPU, asked every 0.5 ms. Docker and Podman publish a port; Mirage \
               resolves the tag at the registry, writes the revision, starts, probes and routes."
            .into(),
    })
}

/// The image, one layer of about 2 MB, has to be pulled.
pub(in super::super) fn with_pull(setting: &Setting) -> Result<Outcome> {
    let rounds = setting.rounds_or(7);
    let registry = Registry::start()?;
    let tag = |round: usize| registry.reference(&format!("bench/small:{round}"));
    for round in 0..rounds {
        web(&format!("round {round}")).push(&tag(round))?;
    }
    let platform = Platform::start(&setting.binary, PlatformOptions::default())?;
    let (docker, podman) = (Docker::start()?, Podman::start()?);
    let samples = race(rounds, &platform, &docker, &podman, tag)?;
    let (millis, ratio) = (samples[0].median(), samples[0].ratio_to(&samples[1]));
    Ok(Outcome {
        what: "1-layer 2 MB image, with pull: to the first 200".into(),
        must: "at most 0.30 of `docker run` with pull".into(),
        got: format!("{ratio:.2} of docker, {millis:.0} ms"),
        reached: ratio <= 0.30,
        figures: figures(&samples),
        note: "As `present`, but every round has an image that nobody has yet.".into(),
    })
}

fn race(
    rounds: usize,
    platform: &Platform,
    docker: &Docker,
    podman: &Podman,
    reference: impl Fn(usize) -> String,
) -> Result<Vec<Samples>> {
    let runners = vec![
        Runner::new(NAMES[0], |round| create(platform, &reference(round), round)),
        Runner::new(NAMES[1], |round| docker.run_until_served(&reference(round))),
        Runner::new(NAMES[2], |round| podman.run_until_served(&reference(round))),
    ];
    interleave(rounds, runners)
}

/// Milliseconds from the request to the first 200; the service is removed afterwards.
fn create(platform: &Platform, reference: &str, round: usize) -> Result<f64> {
    let name = format!("r{round}");
    let body = json!({"name": name, "image": reference, "resources": {"memory": "256MiB", "cpu": 1}});
    let since = Instant::now();
    let answer = platform.api("POST", "/api/services/from-image", Some(&body))?;
    if answer.status != 202 {
        bail!("{}: {}", answer.status, answer.text());
    }
    platform.until_served(&format!("{name}-production"))?;
    let millis = since.elapsed().as_secs_f64() * 1e3;
    good(platform.cli(&["remove", &name])?)?;
    eventually("the end of the service", Duration::from_secs(30), || {
        platform.visit(&format!("{name}-production")).ok().filter(|answer| answer.status == 404)
    })?;
    Ok(millis)
}

fn figures(samples: &[Samples]) -> Vec<Figure> {
    NAMES.iter().zip(samples).map(|(name, samples)| Figure::new(name, samples, "ms")).collect()
}
