//! Rollouts and rollbacks under each shape of load.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};

use super::{Site, Trial};
use crate::bed::is_installed;
use crate::bench::wrk;
use crate::load::{Counts, Load, Shape, Target};

/// A rollback after so many rollouts.
const EVERY: usize = 4;

/// So many rollouts and rollbacks, dealt out to the four shapes of load.
///
/// # Errors
/// Where the platform does not do what it is asked, or a version was deployed and nobody saw it.
pub fn rollouts(binary: &Path, rollouts: usize, rollbacks: usize) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for (turn, shape) in Shape::ALL.into_iter().enumerate() {
        let deal = |all: usize| all / 4 + usize::from(turn < all % 4);
        trials.extend(under(binary, shape, deal(rollouts), deal(rollbacks))?);
    }
    Ok(trials)
}

fn under(binary: &Path, shape: Shape, rollouts: usize, rollbacks: usize) -> Result<Vec<Trial>> {
    let site = Site::start(binary, 1)?;
    let references = (1..=rollouts).map(|number| site.push(number)).collect::<Result<Vec<_>>>()?;
    let target = site.target();
    let (clients, rest) = match shape {
        Shape::KeepAlive => (16, Duration::from_millis(5)),
        Shape::NewConnections => (8, Duration::from_millis(5)),
        Shape::InFlight => (64, Duration::ZERO),
        Shape::Uploads => (8, Duration::from_millis(5)),
    };
    let load = Load::start(&target, shape, clients, rest);
    let ended = AtomicBool::new(false);
    let (done, by_wrk) = std::thread::scope(|scope| {
        let wrk = (shape == Shape::KeepAlive && is_installed("wrk"))
            .then(|| scope.spawn(|| wrk_until(&ended, &target)));
        let done = roll(&site, &references, rollbacks);
        ended.store(true, Ordering::Relaxed);
        (done, wrk.map(|wrk| wrk.join().unwrap_or_else(|_| bail!("wrk's thread broke off"))))
    });
    let counts = load.stop();
    done?;
    let deployed = rollouts + 1;
    if counts.versions.len() != deployed {
        bail!(
            "{}: {deployed} versions were active, and these answered: {:?}; {} requests failed: {}",
            shape.name(),
            counts.versions,
            counts.failed,
            counts.faults()
        );
    }
    let what = format!("{rollouts} rollouts, {rollbacks} rollbacks: {}, {clients} clients", shape.name());
    let mut trials = vec![Trial { what, counts }];
    if let Some(counts) = by_wrk.transpose()? {
        trials.push(Trial { what: "the same requests by `wrk`, 16 connections".into(), counts });
    }
    Ok(trials)
}

/// Deploys one version after the other and goes back now and then.
fn roll(site: &Site, references: &[String], mut rollbacks: usize) -> Result<()> {
    for (turn, reference) in references.iter().enumerate() {
        site.deploy(reference)?;
        // Long enough that somebody sees the version also where an answer takes a second.
        std::thread::sleep(Duration::from_millis(200));
        let left = references.len() - turn - 1;
        if rollbacks > 0 && (turn % EVERY == EVERY - 1 || left < rollbacks) {
            site.roll_back()?;
            std::thread::sleep(Duration::from_millis(200));
            rollbacks -= 1;
        }
    }
    Ok(())
}

/// Turns of wrk until it is told to stop. Versions and longest answers are not its business.
fn wrk_until(ended: &AtomicBool, target: &Target) -> Result<Counts> {
    let mut counts = Counts::default();
    while !ended.load(Ordering::Relaxed) {
        let seen = wrk::load_with(target.port, &target.host, 5, 16)?;
        counts.good += seen.answers - seen.errors.min(seen.answers);
        counts.failed += seen.errors;
    }
    Ok(counts)
}
