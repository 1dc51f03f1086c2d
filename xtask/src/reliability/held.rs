//! Rollouts of a service that has to be stopped before its next instance starts.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;

use super::{Site, Trial};
use crate::load::{Load, Shape};

/// So many rollouts of a service with a volume: two instances never run at once, by the kernel, and requests that
/// come in between wait.
///
/// # Errors
/// Where the platform does not do what it is asked, or two containers ran side by side.
pub fn held(binary: &Path, rollouts: usize) -> Result<Trial> {
    let site = Site::start_with(binary, json!({"volumes": [{"name": "data", "path": "/data"}]}))?;
    let load = Load::start(&site.target(), Shape::NewConnections, 8, Duration::from_millis(5));
    let (ended, most) = (AtomicBool::new(false), AtomicUsize::new(0));
    let done = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                most.fetch_max(site.containers().len(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let done = (1..=rollouts).try_for_each(|number| {
            site.deploy(&site.push(number)?)?;
            std::thread::sleep(Duration::from_millis(200));
            Ok(())
        });
        ended.store(true, Ordering::Relaxed);
        done
    });
    let counts = load.stop();
    done.and_then(|()| site.until_only(rollouts, 1))?;
    match most.into_inner() {
        1 => Ok(Trial { what: format!("{rollouts} rollouts with a volume, 8 clients"), counts }),
        most => bail!("{most} containers had the volume at once"),
    }
}
