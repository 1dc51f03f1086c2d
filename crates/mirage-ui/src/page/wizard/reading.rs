//! What was typed, as the values that it means, beyond what [`crate::page::reading`] reads.

use mirage_control::DraftFields;
use mirage_core::{Result, VolumeMount};

use super::typed::VOLUMES_MAX;
use crate::page::reading::{Typed, invalid, read};

impl Typed for DraftFields {
    fn text(&self, name: &str) -> &str {
        self.get(name)
    }

    fn is_ticked(&self, name: &str) -> bool {
        self.has(name)
    }
}

/// Arguments, a line each.
pub(super) fn command(fields: &DraftFields) -> Option<Vec<String>> {
    let text = fields.get("command");
    (!text.is_empty()).then(|| text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect())
}

/// The volumes that have a name: a path without one is not kept.
pub(super) fn volumes(fields: &DraftFields) -> Result<Vec<VolumeMount>> {
    let mut all = Vec::new();
    for at in 0..VOLUMES_MAX {
        let [name, path] = ["name", "path"].map(|part| format!("volume-{at}-{part}"));
        let volume = read(fields, &name, "volumes")?;
        let Some(volume) = volume else { continue };
        let path = read(fields, &path, "volumes")?.ok_or_else(|| {
            invalid(
                "volumes",
                format!("the volume `{volume}` has no path"),
                "a path looks like `/var/lib/data`",
            )
        })?;
        all.push(VolumeMount { volume, path });
    }
    Ok(all)
}
