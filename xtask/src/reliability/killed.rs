//! The control process is killed in the middle of rollouts.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use super::{Site, Trial};
use crate::load::{Counts, Load, Shape};

const REPLICAS: usize = 2;

/// Kills control once in each of so many rollouts, at another moment each time.
///
/// # Errors
/// Where a rollout is not finished by the next life of control, the kernel shows other containers than
/// those that are wanted, or half of the rollouts or more were over before the kill.
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
    let done = references.iter().enumerate().try_fold(0, |moving, (turn, reference)| {
        Ok::<_, anyhow::Error>(moving + usize::from(kill_during(&mut site, reference, turn)?))
    });
    let mut counts = Counts::default();
    loads.into_iter().for_each(|load| counts.add(load.stop()));
    let moving = done?;
    if moving * 2 <= kills {
        bail!("{moving} of {kills} rollouts were in their middle when control was killed");
    }
    let what = format!(
        "control killed in each of {kills} rollouts, {moving} in their middle, all four shapes of load"
    );
    Ok(Trial { what, counts })
}

/// Kills control after a moment, and waits for the end of the rollout; answers whether it was in its middle. Nothing
/// moves while there is no control, so that can be asked of the kernel.
fn kill_during(site: &mut Site, reference: &str, turn: usize) -> Result<bool> {
    let id = site.begin(reference)?;
    std::thread::sleep(Duration::from_millis(turn as u64 * 70 % 250));
    site.platform.kill_control();
    let moving = !site.runs_only(turn + 1, REPLICAS);
    std::thread::sleep(Duration::from_millis(200));
    site.platform.serve()?;
    site.platform.until_active(&id)?;
    site.until_only(turn + 1, REPLICAS)?;
    Ok(moving)
}
