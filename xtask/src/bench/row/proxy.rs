//! The proxy against nginx as a reverse proxy, before the same upstream.

use anyhow::{Result, bail};

use super::good;
use crate::bed::{Platform, PlatformOptions, Registry};
use crate::bench::Setting;
use crate::bench::contender::nginx::ReverseProxy;
use crate::bench::contender::wrk::load;
use crate::bench::image::nginx;
use crate::bench::report::{Figure, Outcome};
use crate::bench::rounds::{Runner, Samples, interleave};

/// Seconds of load a turn.
const SECONDS: u32 = 6;

/// Answers a second, and the time of the slowest hundredth.
pub(in super::super) fn measure(setting: &Setting) -> Result<Outcome> {
    let registry = Registry::start()?;
    let reference = registry.reference("bench/nginx:1");
    nginx()?.push(&reference)?;
    let platform = Platform::start(&setting.binary, PlatformOptions::default())?;
    good(platform.cli(&["deploy", &reference, "--name", "up"])?)?;
    let other = ReverseProxy::start(platform.backend("up", 8080)?)?;
    let host = "up-production.localhost";
    let mut tails = [Samples::default(), Samples::default()];
    let [ours, theirs] = &mut tails;
    let turn = |port: u16, tail: &mut Samples| {
        let load = load(port, host, SECONDS)?;
        if load.errors > 0 {
            bail!("{} answers were wrong", load.errors);
        }
        tail.push(load.p99);
        Ok(load.rate)
    };
    // One second of warm-up each: connections, caches, the upstream's file.
    load(platform.proxy_port(), host, 1)?;
    load(other.port(), host, 1)?;
    let samples = interleave(
        setting.rounds_or(9),
        vec![
            Runner::new("mirage", |_| turn(platform.proxy_port(), ours)),
            Runner::new("nginx", |_| turn(other.port(), theirs)),
        ],
    )?;
    let ratio = samples[0].ratio_to(&samples[1]);
    let p99 = tails[0].ratio_to(&tails[1]);
    Ok(Outcome {
        what: "proxy, 64 connections keep-alive, 1 KiB answers".into(),
        must: "at least nginx (two workers) as a reverse proxy, p99 no worse".into(),
        got: format!("{ratio:.2} of nginx, p99 {p99:.2} of nginx's"),
        reached: ratio >= 1.0 && p99 <= 1.0,
        figures: vec![
            Figure::new("mirage", &samples[0], "answers/s"),
            Figure::new("nginx", &samples[1], "answers/s"),
            Figure::new("mirage, p99", &tails[0], "ms"),
            Figure::new("nginx, p99", &tails[1], "ms"),
        ],
        note: format!(
            "wrk with one thread, {SECONDS} s a turn. The upstream is an nginx with one worker in a container that Mirage \
             runs; both proxies forward to its address."
        ),
        ..Outcome::default()
    })
}
