//! The proxy against nginx as a reverse proxy, before the same upstream.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;

use super::good;
use crate::bed::{Platform, PlatformOptions, Process, Registry, eventually, free_port, http};
use crate::bench::Setting;
use crate::bench::contender::nginx::Nginx;
use crate::bench::contender::wrk::load;
use crate::bench::image::nginx;
use crate::bench::report::{Figure, Outcome};
use crate::bench::rounds::{Runner, Samples, interleave};

/// Seconds of load a turn, and turns: short and many, since the machine's own pace changes by the minute.
const SECONDS: u32 = 4;
const ROUNDS: usize = 16;

/// What stands in the way of a better figure.
const LIMIT: &str = "Both proxies make the same two reads and two writes a request, and four fifths of their time is \
                     the kernel's. On a machine whose two cores the load, the upstream and the proxy share, the ratio \
                     measured with one build was between 0.95 and 1.03, and that of p99 between 0.69 and 1.36.";

/// The host that is asked for.
const HOST: &str = "up-production.localhost";

/// The proxy process alone, with everything on loopback.
pub(in super::super) fn alone(setting: &Setting) -> Result<Outcome> {
    let upstream = Nginx::answering()?;
    let theirs = Nginx::before(upstream.address())?;
    let folder = tempfile::Builder::new().prefix("mirage-proxy-").tempdir()?;
    let (_ours, port) = proxy(&setting.binary, folder.path(), upstream.address())?;
    let note = format!(
        "wrk with one thread, {SECONDS} s a turn. The upstream is an nginx with one worker, everything is on loopback. nginx \
         listens with `reuseport`, keeps its upstream connections and sets the same headers but for `Forwarded`."
    );
    race(setting, port, theirs.address().port(), note)
}

/// The whole platform, before a container.
pub(in super::super) fn bridged(setting: &Setting) -> Result<Outcome> {
    let registry = Registry::start()?;
    let reference = registry.reference("bench/nginx:1");
    nginx()?.push(&reference)?;
    let platform = Platform::start(&setting.binary, PlatformOptions::default())?;
    good(platform.cli(&["deploy", &reference, "--name", "up"])?)?;
    let theirs = Nginx::before(platform.backend("up", 8080)?)?;
    let note = "As `proxy`, but the upstream is in a container that Mirage runs; both proxies forward to its address, \
                through the bridge and the packet filter."
        .to_owned();
    let outcome = race(setting, platform.proxy_port(), theirs.address().port(), note)?;
    Ok(Outcome { what: "the same before a container".into(), ..outcome })
}

/// `mirage proxy` with one route; answers with its port.
fn proxy(binary: &Path, folder: &Path, upstream: SocketAddr) -> Result<(Process, u16)> {
    let id = "0b9f6c1e-55a1-4c55-9a3f-2a8f3f1f7d10";
    let backends = json!([{"instance": id, "address": upstream}]);
    let route = json!({"host": HOST, "service": id, "service_name": "up", "backends": backends});
    let table = json!({"generation": 1, "routes": [route], "zones": []});
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let kept = json!({"boot": boot.trim(), "table": table});
    std::fs::write(folder.join("routes.json"), kept.to_string())?;
    let port = free_port()?;
    let mut command = Command::new(binary);
    command.arg("proxy").arg("--run").arg(folder).arg("--listen").arg(format!("127.0.0.1:{port}"));
    let process = Process::start(&mut command, folder, "proxy")?;
    let url = format!("http://{HOST}:{port}/");
    let answer = || http::get(&url).ok().filter(|answer| answer.status == 200);
    eventually("the proxy's answer", Duration::from_secs(10), answer)?;
    Ok((process, port))
}

fn race(setting: &Setting, ours: u16, theirs: u16, note: String) -> Result<Outcome> {
    let mut tails = [Samples::default(), Samples::default()];
    let [our_tail, their_tail] = &mut tails;
    let turn = |port: u16, tail: &mut Samples| {
        let load = load(port, HOST, SECONDS)?;
        if load.errors > 0 {
            bail!("{} answers were wrong", load.errors);
        }
        tail.push(load.p99);
        Ok(load.rate)
    };
    // One second of warm-up each: connections, caches, the upstream's file.
    load(ours, HOST, 1)?;
    load(theirs, HOST, 1)?;
    let samples = interleave(
        setting.rounds_or(ROUNDS),
        vec![
            Runner::new("mirage", |_| turn(ours, our_tail)),
            Runner::new("nginx", |_| turn(theirs, their_tail)),
        ],
    )?;
    let (ratio, p99) = (samples[0].ratio_to(&samples[1]), tails[0].ratio_to(&tails[1]));
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
        note: format!("{note} {LIMIT}"),
    })
}
