//! The control process is killed in the middle of rollouts.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use jiff::Timestamp;
use serde_json::Value;

use super::{Site, Trial};
use crate::bench::machine;
use crate::load::{Counts, Load, Shape};

const REPLICAS: usize = 2;
/// The step that follows the switch.
const DRAIN: &str = "drain";

/// Kills control once in each of so many rollouts, at another moment each time.
///
/// # Errors
/// Where a rollout is not finished by the next life of control, the kernel shows other containers than
/// those that are wanted, or half of the rollouts or more had switched before the kill.
pub fn killed_control(binary: &Path, kills: usize) -> Result<Trial> {
    let mut site = Site::start(binary, REPLICAS as u32)?;
    let references = (1..=kills).map(|number| site.push(number)).collect::<Result<Vec<_>>>()?;
    let target = site.target();
    let loads = [
        Load::start(&target, Shape::KeepAlive, 8, Duration::from_millis(5)),
        Load::start(&target, Shape::NewConnections, 4, Duration::from_millis(5)),
        Load::start(&target, Shape::InFlight, 16, Duration::ZERO),
        Load::start(&target, Shape::Uploads, 4, Duration::from_millis(5)),
    ];
    let done = references.iter().enumerate().try_fold(BTreeMap::new(), |mut steps, (turn, reference)| {
        *steps.entry(kill_during(&mut site, reference, turn)?).or_insert(0) += 1;
        Ok::<_, anyhow::Error>(steps)
    });
    let mut counts = Counts::default();
    loads.into_iter().for_each(|load| counts.add(load.stop()));
    let steps: BTreeMap<String, usize> = done?;
    let after = steps.get(DRAIN).copied().unwrap_or_default();
    if after * 2 >= kills {
        bail!("{after} of {kills} rollouts had switched when control was killed");
    }
    let spread: Vec<_> = steps.iter().map(|(step, count)| format!("{count} at `{step}`")).collect();
    let what = format!(
        "control killed in each of {kills} rollouts ({}), all four shapes of load",
        spread.join(", ")
    );
    Ok(Trial { what, counts })
}

/// Kills control after a moment, and waits for the end of the rollout; answers with the step that it was at.
fn kill_during(site: &mut Site, reference: &str, turn: usize) -> Result<String> {
    let id = site.begin(reference)?;
    // A rollout is over in less than a tenth of a second.
    std::thread::sleep(Duration::from_millis(turn as u64 * 7 % 50));
    let killed = machine::now();
    site.platform.kill_control();
    std::thread::sleep(Duration::from_millis(200));
    site.platform.serve()?;
    let ended = site.platform.until_ended(&id)?;
    if ended["phase"] != "active" {
        bail!("the deployment did not become active: {ended}");
    }
    site.until_only(turn + 1, REPLICAS)?;
    let begun = |step: &&Value| {
        let time = step["startedAt"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
        time.is_some_and(|time| time <= killed)
    };
    let step = ended["steps"].as_array().and_then(|steps| steps.iter().rfind(begun));
    let kind = step.and_then(|step| step["kind"].as_str());
    Ok(kind.unwrap_or("queued").to_owned())
}
