//! A hundred services of one image.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::good;
use crate::bed::{Platform, PlatformOptions, Registry};
use crate::bench::Setting;
use crate::bench::image::web;
use crate::bench::report::{Figure, Outcome};

const SERVICES: usize = 100;

/// Starts them at once, waits for the last one's 200, and reads what they cost.
pub(in super::super) fn measure(setting: &Setting) -> Result<Outcome> {
    let registry = Registry::start()?;
    let reference = registry.reference("bench/web:1");
    web("hundred").push(&reference)?;
    let platform = Platform::start(&setting.binary, PlatformOptions::default())?;
    good(platform.cli(&["deploy", &reference, "--name", "first"])?)?;
    let before = private_of(&platform, &["serve", "proxy"])?;
    let since = Instant::now();
    let created: Vec<Result<()>> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|start| {
                scope.spawn({
                    let (platform, reference) = (&platform, &reference);
                    move || create(platform, reference, start)
                })
            })
            .collect();
        starts.into_iter().map(|start| start.join().unwrap_or_else(|_| bail!("a thread broke off"))).collect()
    });
    created.into_iter().collect::<Result<()>>()?;
    for service in 0..SERVICES {
        platform.until_served(&format!("s{service}-production"))?;
    }
    let seconds = since.elapsed().as_secs_f64();
    let shims = private_of(&platform, &["shim"])? / (SERVICES + 1) as f64;
    let kept = (private_of(&platform, &["serve", "proxy"])? - before) / SERVICES as f64;
    let each = shims + kept;
    Ok(Outcome {
        what: "100 services of one image".into(),
        must: "100 starts in at most 10 s; less than 2 MiB private memory each for shim and bookkeeping"
            .into(),
        got: format!("{seconds:.1} s, {each:.2} MiB each"),
        reached: seconds <= 10.0 && each < 2.0,
        figures: vec![
            Figure::once("from the first `POST` to the last 200", seconds, "s"),
            Figure::once("private memory of a shim", shims, "MiB"),
            Figure::once("growth of control and proxy for each service", kept, "MiB"),
        ],
        note:
            "Eight clients create the services at once; each is asked through the proxy. Private memory is \
               `Private_Clean` + `Private_Dirty` of smaps_rollup."
                .into(),
    })
}

/// Creates every eighth service from `start` on.
fn create(platform: &Platform, reference: &str, start: usize) -> Result<()> {
    for service in (start..SERVICES).step_by(8) {
        let body = json!({"name": format!("s{service}"), "image": reference});
        let answer = platform.api("POST", "/api/services/from-image", Some(&body))?;
        if answer.status != 202 {
            bail!("s{service}: {}: {}", answer.status, answer.text());
        }
    }
    Ok(())
}

/// MiB of private memory of every process of the platform with one of these roles.
fn private_of(platform: &Platform, roles: &[&str]) -> Result<f64> {
    let mut kib = 0;
    for (id, line) in platform.processes() {
        if line.split(' ').nth(1).is_some_and(|role| roles.contains(&role)) {
            let text =
                std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).with_context(|| line.clone())?;
            let private = text
                .lines()
                .filter(|line| line.starts_with("Private_Clean") || line.starts_with("Private_Dirty"));
            kib +=
                private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>();
        }
    }
    Ok(kib as f64 / 1024.0)
}
