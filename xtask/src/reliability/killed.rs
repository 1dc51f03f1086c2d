//! The control process is killed in the middle of rollouts.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Site, Trial};
use crate::load::{Counts, Load, Shape};

const REPLICAS: usize = 2;

/// Kills control once in each of so many rollouts, at another moment each time.
///
/// # Errors
/// Where a rollout is not finished by the next life of control, or the kernel shows other containers than
/// those that are wanted.
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
    let mut done = Ok(());
    for (turn, reference) in references.iter().enumerate() {
        done = kill_during(&mut site, reference, turn);
        if done.is_err() {
            break;
        }
    }
    let mut counts = Counts::default();
    loads.into_iter().for_each(|load| counts.add(load.stop()));
    done?;
    Ok(Trial { what: format!("control killed in each of {kills} rollouts, all four shapes of load"), counts })
}

fn kill_during(site: &mut Site, reference: &str, turn: usize) -> Result<()> {
    let id = site.begin(reference)?;
    std::thread::sleep(Duration::from_millis(turn as u64 * 70 % 250));
    site.platform.kill_control();
    std::thread::sleep(Duration::from_millis(200));
    site.platform.serve()?;
    site.platform.until_active(&id)?;
    site.until_only(turn + 1, REPLICAS)
}
