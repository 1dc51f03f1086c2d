//! A tag that has come to mean something else than what runs.

use mirage_core::{Reference, Result, Source};

use crate::Control;
use crate::access::{Action, Actor};
use crate::read::ServiceView;

/// What is set and what runs have the same name and not the same bytes, as after a rollback. A deploy asks the
/// registry anew, and would bring the newer ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedTag {
    /// The image as it is set.
    pub reference: Reference,
    /// The revision that runs.
    pub runs: u32,
    /// The newer revision that has the other bytes.
    pub newer: u32,
    /// What to set for the bytes that run, whatever becomes of the tag.
    pub pinned: Reference,
}

impl Control {
    /// Whether the image that is set was last seen to be something else than what runs. No registry is asked.
    pub async fn moved_tag(&self, actor: &Actor, of: &ServiceView) -> Result<Option<MovedTag>> {
        self.allow(actor, Action::Read)?;
        let Source::Image(reference) = &of.service.spec.source;
        let (Some(_), None, Some(runs)) = (&of.active, &of.candidate, &of.revision) else { return Ok(None) };
        if reference.digest().is_some() || runs.image.reference != *reference {
            return Ok(None);
        }
        let newest = self.parts.store.newest_revision_with(of.service.id, reference).await?;
        Ok(newest.filter(|newest| newest.image.digest != runs.image.digest).map(|newest| MovedTag {
            reference: reference.clone(),
            runs: runs.number,
            newer: newest.number,
            pinned: reference.pinned(runs.image.digest.clone()),
        }))
    }
}
