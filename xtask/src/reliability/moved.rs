//! A rollback that no registry can help with.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Site, Trial};
use crate::load::{Load, Shape};

/// Moves a tag twice, ends the registry, and rolls back.
///
/// # Errors
/// Where another version than the one of before the move runs, by the kernel.
pub fn moved_tag(binary: &Path) -> Result<Trial> {
    let mut site = Site::start(binary, 1)?;
    let tag = site.push_as(1, "live")?;
    site.deploy(&tag)?;
    site.until_only(1, 1)?;
    site.push_as(2, "live")?;
    site.deploy(&tag)?;
    site.until_only(2, 1)?;
    site.push_as(3, "live")?;
    site.registry.stop();
    let load = Load::start(&site.target(), Shape::NewConnections, 4, Duration::from_millis(5));
    let done = site.roll_back().and_then(|()| site.until_only(1, 1));
    let counts = load.stop();
    done?;
    Ok(Trial { what: "tag moved twice, registry ended, rolled back".into(), counts })
}
