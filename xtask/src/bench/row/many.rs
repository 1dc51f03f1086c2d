//! Many services: what control costs, how it starts, how long a list takes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::idle::{seconds_of, with_role};
use crate::bed::{Platform, PlatformOptions, Registry, Temper, containers, eventually, web};
use crate::bench::Setting;
use crate::bench::report::{Figure, Outcome};
use crate::bench::rounds::Samples;

/// Clients that create services at the same time.
const CLIENTS: usize = 8;
/// Services in an environment, which has addresses for 253 instances.
const TOGETHER: usize = 200;
/// Services with a container each.
const RESTARTED: usize = 500;
const IDLE: usize = 1_000;
/// Services in a list, without containers.
const FEW: usize = 1_000;
const MANY: usize = 10_000;
/// Seconds of idling that are looked at.
const SECONDS: u64 = 60;

/// Control is killed with 500 services that run, and comes up again.
pub(in super::super) fn restart(setting: &Setting) -> Result<Outcome> {
    let bed = Bed::start(setting)?;
    let mut platform = bed.platform;
    create(&platform, &bed.reference, 0..RESTARTED, 1)?;
    until_running(&platform, RESTARTED)?;
    let before = containers(&platform.data());
    let mut samples = Samples::default();
    for _ in 0..setting.rounds_or(5) {
        platform.kill_control();
        let since = Instant::now();
        platform.serve()?;
        samples.push(since.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_secs(2));
    }
    let same = containers(&platform.data()) == before;
    let (seconds, most) = (samples.median(), samples.most());
    let touched = if same { "no" } else { "a" };
    Ok(Outcome {
        what: format!("restart of control with {RESTARTED} services"),
        must: "ready in at most 2 s, no service touched".into(),
        got: format!("{seconds:.2} s, at most {most:.2} s, {touched} service touched"),
        reached: most <= 2.0 && same,
        figures: vec![Figure::new("from the start of `mirage serve` to 200 at `/readyz`", &samples, "s")],
        note: "One replica each, in environments of 200. Control was ended with SIGKILL. Process ids of the containers are \
               the kernel's, from before and two seconds after the last start."
            .into(),
    })
}

/// A thousand services of which nobody wants anything.
pub(in super::super) fn idle(setting: &Setting) -> Result<Outcome> {
    let bed = Bed::start(setting)?;
    create(&bed.platform, &bed.reference, 0..IDLE, 1)?;
    until_running(&bed.platform, IDLE)?;
    std::thread::sleep(Duration::from_secs(20));
    let [control, proxy] = ["serve", "proxy"].map(|role| with_role(&bed.platform, role));
    let (control, proxy) = (control?, proxy?);
    let (since, before) = (Instant::now(), [seconds_of(&[control])?, seconds_of(&[proxy])?]);
    std::thread::sleep(Duration::from_secs(SECONDS));
    let after = [seconds_of(&[control])?, seconds_of(&[proxy])?];
    let time = since.elapsed().as_secs_f64();
    let percent = |at: usize| (after[at] - before[at]) / time * 100.0;
    Ok(Outcome {
        what: format!("{IDLE} idle services"),
        must: "reconciliation under 1 % of a core".into(),
        got: format!("{:.2} % of a core", percent(0)),
        reached: percent(0) < 1.0,
        figures: vec![
            Figure::once("control, which probes each once a minute", percent(0), "% of a core"),
            Figure::once("proxy", percent(1), "% of a core"),
        ],
        note: format!(
            "Each with a container of its own that runs, probed once a minute: what is seen is reconciliation and 17 probes a second. \
             {SECONDS} s, from 20 s after the last start."
        ),
    })
}

/// Pages of a list of services that have no containers.
pub(in super::super) fn lists(setting: &Setting) -> Result<Outcome> {
    let bed = Bed::start(setting)?;
    let rounds = setting.rounds_or(21);
    create(&bed.platform, &bed.reference, 0..FEW, 0)?;
    let few = pages(&bed.platform, FEW, rounds)?;
    create(&bed.platform, &bed.reference, FEW..MANY, 0)?;
    let many = pages(&bed.platform, MANY, rounds)?;
    let ratio = many[1].median() / few[0].median();
    let worst = many[0].median().max(many[1].median());
    Ok(Outcome {
        what: format!("`GET /api/services`: a page of 100 of {MANY} services"),
        must: "under 20 ms, and the cost grows with the page, not the total".into(),
        got: format!("{worst:.1} ms; the last page of {MANY} costs {ratio:.2} of the first of {FEW}"),
        reached: worst < 20.0 && ratio < 1.5,
        figures: vec![
            Figure::new(&format!("first page of {FEW}"), &few[0], "ms"),
            Figure::new(&format!("last page of {FEW}"), &few[1], "ms"),
            Figure::new(&format!("first page of {MANY}"), &many[0], "ms"),
            Figure::new(&format!("last page of {MANY}"), &many[1], "ms"),
        ],
        note:
            "Services with 0 replicas. Each request on a new connection, until the last byte of the answer."
                .into(),
    })
}

pub(super) struct Bed {
    pub(super) reference: String,
    pub(super) platform: Platform,
    _registry: Registry,
}

impl Bed {
    pub(super) fn start(setting: &Setting) -> Result<Self> {
        let registry = Registry::start()?;
        let reference = registry.reference("bench/web:1");
        web("many-1", Temper::Good).push(&reference)?;
        let platform = Platform::start(&setting.binary, PlatformOptions::default())?;
        // The image is here before many ask for it.
        platform.create("first", &reference, json!({"replicas": 1}))?;
        platform.api("DELETE", "/api/services/first", None)?;
        Ok(Self { reference, platform, _registry: registry })
    }
}

/// Creates the services of these numbers, several at a time.
pub(super) fn create(
    platform: &Platform,
    reference: &str,
    numbers: std::ops::Range<usize>,
    replicas: u32,
) -> Result<()> {
    let make = |number: usize| -> Result<()> {
        let environment = format!("e{}", number / TOGETHER % 64);
        let body = json!({
            "name": format!("s{number:05}"), "environment": environment, "image": reference, "replicas": replicas,
            "healthcheck": {"intervalSeconds": 60},
        });
        let answer = platform.api("POST", "/api/services/from-image", Some(&body))?;
        if answer.status != 202 {
            bail!("s{number}: {}: {}", answer.status, answer.text());
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let mut own = numbers.clone().skip(client).step_by(CLIENTS);
                scope.spawn(move || own.try_for_each(make))
            })
            .collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().unwrap_or_else(|_| bail!("a client broke off")))
    })
}

fn until_running(platform: &Platform, wanted: usize) -> Result<()> {
    let all = || (containers(&platform.data()).len() == wanted).then_some(());
    eventually("all containers", Duration::from_secs(300), all)
}

/// Milliseconds of the first and of the last page.
fn pages(platform: &Platform, services: usize, rounds: usize) -> Result<[Samples; 2]> {
    let mut after = None::<String>;
    let mut last = path(None);
    let mut seen = 0;
    loop {
        let page = list(platform, &path(after.as_deref()))?;
        seen += page["services"].as_array().context("no services")?.len();
        last = if after.is_some() { path(after.as_deref()) } else { last };
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    if seen < services {
        bail!("{services} services are listed as {seen}");
    }
    let mut samples = [Samples::default(), Samples::default()];
    for _ in 0..rounds {
        for (samples, path) in samples.iter_mut().zip([path(None), last.clone()]) {
            let since = Instant::now();
            list(platform, &path)?;
            samples.push(since.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(samples)
}

fn path(after: Option<&str>) -> String {
    let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
    format!("/api/services?limit=100{after}")
}

fn list(platform: &Platform, path: &str) -> Result<Value> {
    let answer = platform.api("GET", path, None)?;
    if answer.status != 200 {
        bail!("GET {path}: {}: {}", answer.status, answer.text());
    }
    answer.json()
}
