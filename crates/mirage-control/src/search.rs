//! What a few typed characters may mean.

use mirage_core::{DeploymentId, Name, Result};
use mirage_store::{SEARCH_WORDS, ServicePath};

use crate::Control;
use crate::access::{Action, Actor};

/// The longest text that is searched for, in bytes.
const TEXT_MAX: usize = 200;
/// Characters that an id has to be begun with.
const ID_LEAST: usize = 4;
/// Projects and deployments that are found beside services.
const BESIDE: u32 = 5;
/// Letters in which a name may differ that somebody had in mind.
const SLIPS: usize = 2;

/// Something that somebody may look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A service.
    Service(ServicePath),
    /// A project.
    Project(Name),
    /// A deployment, and the service it is of.
    Deployment(DeploymentId, ServicePath),
}

impl Control {
    /// What a text may mean: projects and services that have it in their name, word by word, and deployments whose
    /// id begins with it; the most likely first, at most `limit` services. An empty text finds any service.
    pub async fn search(&self, actor: &Actor, text: &str, limit: u32) -> Result<Vec<Found>> {
        self.allow(actor, Action::Read)?;
        let Some(text) = Some(text.trim()).filter(|text| text.len() <= TEXT_MAX) else {
            return Ok(Vec::new());
        };
        let text = text.to_lowercase();
        let words: Vec<&str> = text.split_whitespace().take(SEARCH_WORDS).collect();
        let store = &self.parts.store;
        let mut found = Vec::new();
        if is_start_of_id(&text) {
            let deployments = store.deployments_from(&text, BESIDE).await?;
            found.extend(deployments.into_iter().map(|(id, of)| Found::Deployment(id, of)));
        }
        if let [word] = words.as_slice() {
            found.extend(store.projects_like(word, BESIDE).await?.into_iter().map(Found::Project));
        }
        found.extend(store.services_like(&words, limit).await?.into_iter().map(Found::Service));
        Ok(found)
    }

    /// Services whose name is nearly this one, the nearest first, at most `limit`.
    pub async fn similar(&self, actor: &Actor, name: &str, limit: usize) -> Result<Vec<ServicePath>> {
        self.allow(actor, Action::Read)?;
        self.near(name, limit).await
    }

    /// The same for whoever may know it.
    pub(crate) async fn near(&self, name: &str, limit: usize) -> Result<Vec<ServicePath>> {
        if name.is_empty() || name.len() > TEXT_MAX {
            return Ok(Vec::new());
        }
        let all = self.parts.store.service_paths().await?.into_iter();
        let mut near: Vec<_> =
            all.filter_map(|path| Some((slips(name, path.name.as_str())?, path))).collect();
        near.sort_by_key(|(slips, _)| *slips);
        Ok(near.into_iter().take(limit).map(|(_, path)| path).collect())
    }
}

fn is_start_of_id(text: &str) -> bool {
    text.len() >= ID_LEAST && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

/// In how many letters two names differ, one put in, left out or replaced; `None` where those are too many.
pub(crate) fn slips(one: &str, other: &str) -> Option<usize> {
    if one.len().abs_diff(other.len()) > SLIPS {
        return None;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (to, against) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(letter != against);
            diagonal = row[to + 1];
            row[to + 1] = replaced.min(row[to] + 1).min(diagonal + 1);
        }
    }
    // Of two letters none is left where both differ.
    row.last().copied().filter(|slips| *slips <= SLIPS && *slips < one.len().max(other.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near_that_differ_in_a_letter_or_two() {
        assert_eq!(slips("wbe", "web"), Some(2));
        assert_eq!(slips("web", "web"), Some(0));
        assert_eq!(slips("payment", "payments"), Some(1));
        assert_eq!(slips("payment", "pay"), None);
        assert_eq!(slips("ab", "cd"), None, "nothing of it is left");
        assert_eq!(slips("", "a"), None);
    }

    #[test]
    fn an_id_is_begun_with_four_of_its_characters() {
        assert!(is_start_of_id("0b9f") && is_start_of_id("0b9f6c1e-55"));
        assert!(!is_start_of_id("0b9") && !is_start_of_id("web1") && !is_start_of_id("0b9f'"));
    }
}
