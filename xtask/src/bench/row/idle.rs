//! What the platform costs while nothing happens.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::good;
use crate::bed::{Platform, PlatformOptions, Registry};
use crate::bench::Setting;
use crate::bench::image::web;
use crate::bench::report::{Figure, Outcome};

/// Seconds of idling that are looked at.
const SECONDS: u64 = 60;

/// Memory and processor time of control and proxy with one idle service.
pub(in super::super) fn measure(setting: &Setting) -> Result<Outcome> {
    let registry = Registry::start()?;
    let reference = registry.reference("bench/web:1");
    web("idle").push(&reference)?;
    let platform = Platform::start(&setting.binary, PlatformOptions::default())?;
    good(platform.cli(&["deploy", &reference, "--name", "web"])?)?;
    std::thread::sleep(Duration::from_secs(10));
    let all: Vec<u32> = platform.processes().into_iter().map(|(id, _)| id).collect();
    let (since, before) = (Instant::now(), seconds_of(&all)?);
    std::thread::sleep(Duration::from_secs(SECONDS));
    let percent = (seconds_of(&all)? - before) / since.elapsed().as_secs_f64() * 100.0;
    let [control, proxy] = [resident(&platform, "serve")?, resident(&platform, "proxy")?];
    let together = control + proxy;
    Ok(Outcome {
        what: "idle platform".into(),
        must: "under 40 MiB resident for control and proxy together, under 0.5 % of a core".into(),
        got: format!("{together:.1} MiB, {percent:.2} % of a core"),
        reached: together < 40.0 && percent < 0.5,
        figures: vec![
            Figure::once("control, resident", control, "MiB"),
            Figure::once("proxy, resident", proxy, "MiB"),
            Figure::once("processor time of all processes of the platform", percent, "% of a core"),
        ],
        note: format!(
            "One service with its probe, {SECONDS} s, from ten seconds after the deploy; processor time includes the shim's."
        ),
    })
}

/// MiB resident of the one process with this role.
fn resident(platform: &Platform, role: &str) -> Result<f64> {
    let id = with_role(platform, role)?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no size")?.parse()?;
    Ok(kib / 1024.0)
}

/// The one process with this role.
pub(super) fn with_role(platform: &Platform, role: &str) -> Result<u32> {
    let all = platform.processes();
    let Some((id, _)) = all.iter().find(|(_, line)| line.split(' ').nth(1) == Some(role)) else {
        bail!("no process with the role `{role}` among {all:?}");
    };
    Ok(*id)
}

/// Seconds of processor time that these processes have used.
pub(super) fn seconds_of(processes: &[u32]) -> Result<f64> {
    let mut ticks = 0;
    for id in processes {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The name in parentheses may contain spaces; user and system time are the 12th and 13th after it.
        let (_, rest) = stat.rsplit_once(')').context("no name")?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        for at in [11, 12] {
            ticks += words.get(at).context("no time")?.parse::<u64>()?;
        }
    }
    // Linux reports in hundredths of a second, whatever its own tick is.
    Ok(ticks as f64 / 100.0)
}
