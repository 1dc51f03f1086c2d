//! Pull and unpack of a large image.

use std::time::Instant;

use anyhow::Result;

use super::good;
use crate::bed::Docker;
use crate::bed::{Compression, Platform, PlatformOptions, Registry};
use crate::bench::Setting;
use crate::bench::contender::podman::Podman;
use crate::bench::image::large;
use crate::bench::report::{Figure, Outcome};
use crate::bench::rounds::{Runner, interleave};

const NOTE: &str = "Wall time until the command returns; the registry is `docker-registry` on loopback, warm in the page \
                    cache; every store is empty before its turn, and the disk is synced. Mirage's time is the whole of \
                    `mirage deploy`: pulling, starting, probing, routing.";

/// gzip layers against Docker and Podman.
pub(in super::super) fn gzip(setting: &Setting) -> Result<Outcome> {
    let registry = Registry::start()?;
    let reference = registry.reference("bench/large:gzip");
    let (image, shape) = large(Compression::Gzip, "large")?;
    image.push(&reference)?;
    let (docker, podman) = (Docker::start()?, Podman::start()?);
    let runners = vec![
        Runner::new("mirage deploy", |_| deploy(setting, &reference)),
        Runner::new("docker pull", |_| {
            let seconds = timed(|| docker.call(&["pull", "--quiet", &reference]).map(|_| ()))?;
            docker.call(&["rmi", "--force", &reference])?;
            Ok(seconds)
        }),
        Runner::new("podman pull", |_| podman_pull(&podman, &reference)),
    ];
    let samples = interleave(setting.rounds_or(3), runners)?;
    let (to_docker, to_podman) = (samples[0].ratio_to(&samples[1]), samples[0].ratio_to(&samples[2]));
    Ok(Outcome {
        what: format!("pull and unpack, gzip ({shape})"),
        must: "at most 0.25 of `docker pull`, 0.30 of `podman pull`".into(),
        got: format!("{to_docker:.2} of docker, {to_podman:.2} of podman"),
        reached: to_docker <= 0.25 && to_podman <= 0.30,
        figures: figures(&["mirage deploy", "docker pull", "podman pull"], &samples),
        note: NOTE.into(),
    })
}

/// zstd layers against Podman; Docker 20.10 does not know them.
pub(in super::super) fn zstd(setting: &Setting) -> Result<Outcome> {
    let registry = Registry::start()?;
    let reference = registry.reference("bench/large:zstd");
    let (image, shape) = large(Compression::Zstd, "large")?;
    image.push(&reference)?;
    let podman = Podman::start()?;
    let runners = vec![
        Runner::new("mirage deploy", |_| deploy(setting, &reference)),
        Runner::new("podman pull", |_| podman_pull(&podman, &reference)),
    ];
    let samples = interleave(setting.rounds_or(3), runners)?;
    let ratio = samples[0].ratio_to(&samples[1]);
    Ok(Outcome {
        what: format!("pull and unpack, zstd ({shape})"),
        must: "at most 0.25 of `podman pull`".into(),
        got: format!("{ratio:.2} of podman"),
        reached: ratio <= 0.25,
        figures: figures(&["mirage deploy", "podman pull"], &samples),
        note: NOTE.into(),
    })
}

fn deploy(setting: &Setting, reference: &str) -> Result<f64> {
    let platform = Platform::start(&setting.binary, PlatformOptions::default())?;
    timed(|| good(platform.cli(&["deploy", reference, "--name", "large"])?).map(|_| ()))
}

fn podman_pull(podman: &Podman, reference: &str) -> Result<f64> {
    let seconds = timed(|| podman.pull(reference))?;
    podman.call(&["rmi", "--force", reference])?;
    Ok(seconds)
}

/// Seconds that the work takes on a disk with nothing left to write.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    nix::unistd::sync();
    let since = Instant::now();
    work()?;
    Ok(since.elapsed().as_secs_f64())
}

fn figures(names: &[&str], samples: &[crate::bench::rounds::Samples]) -> Vec<Figure> {
    names.iter().zip(samples).map(|(name, samples)| Figure::new(name, samples, "s")).collect()
}
