//! docs/RELIABILITY.md.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::bench::machine;
use crate::workspace::root;

const HEAD: &str = "\
# Reliability

What was done to a running platform, and how many requests were lost. Written by `cargo xtask reliability` and \
`cargo xtask chaos --write`; each part is done anew by its command, on one machine, with the release binary unless another one is named. Requests are \
counted by the clients that send them: every request that is begun ends as good or as failed, an answer is good when it is \
whole and is what the version that it names must say, and nothing is asked twice.
";

/// Every heading, in the order of the document.
const HEADINGS: &[&str] = &[
    "Requests lost in rollouts and rollbacks",
    "Requests lost in rollouts of a service with a volume",
    "Requests lost when the control process is killed in the middle of a rollout",
    "Requests lost when the running binary is replaced",
    "Rollback when the tag has moved and the registry is gone",
    "Chaos",
    "Fail points",
];

/// The document by its parts. Parts that are not done anew stay as they are written there.
pub(crate) struct Document {
    parts: Vec<(String, String)>,
}

impl Document {
    /// What earlier runs wrote.
    pub(crate) fn load() -> Self {
        Self::parse(&std::fs::read_to_string(path()).unwrap_or_default())
    }

    /// The text below a heading, without its last line, which says when and where.
    pub(crate) fn part(&self, heading: &str) -> Option<&str> {
        let (_, text) = self.parts.iter().find(|(known, _)| known == heading)?;
        Some(text.rsplit_once("\n\n").map_or(text.as_str(), |(part, _)| part))
    }

    /// Replaces what stands below a heading, as of today, this commit and this machine.
    ///
    /// # Errors
    /// Where the document has no such heading.
    pub(crate) fn set(&mut self, heading: &str, commit: &str, text: &str) -> Result<()> {
        let (today, machine) = (machine::today(), machine::describe());
        let text = format!("{}\n\n{today}, commit {commit}, {machine}", text.trim_end());
        self.set_undated(heading, &text)
    }

    /// The same with a last line of its own.
    ///
    /// # Errors
    /// Where the document has no such heading.
    pub(crate) fn set_undated(&mut self, heading: &str, text: &str) -> Result<()> {
        if !HEADINGS.contains(&heading) {
            bail!("docs/RELIABILITY.md has no part `{heading}`; it belongs into `HEADINGS`");
        }
        self.parts.retain(|(known, _)| known != heading);
        self.parts.push((heading.to_owned(), text.to_owned()));
        Ok(())
    }

    /// Writes the document.
    pub(crate) fn write(&self) -> Result<()> {
        let path = path();
        std::fs::write(&path, self.page())
            .with_context(|| format!("{} cannot be written", path.display()))?;
        eprintln!("docs/RELIABILITY.md written");
        Ok(())
    }

    fn parse(page: &str) -> Self {
        let parts = page.split("\n## ").skip(1).filter_map(|part| part.split_once('\n'));
        Self { parts: parts.map(|(heading, text)| (heading.to_owned(), text.trim().to_owned())).collect() }
    }

    fn page(&self) -> String {
        let mut page = HEAD.to_owned();
        for heading in HEADINGS {
            if let Some((_, text)) = self.parts.iter().find(|(known, _)| known == heading) {
                page.push_str(&format!("\n## {heading}\n\n{text}\n"));
            }
        }
        page
    }
}

fn path() -> PathBuf {
    root().join("docs/RELIABILITY.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_not_done_anew_stay_as_they_are_written() {
        let mut document = Document::parse("");
        document.set("Chaos", "abc", "Faults.\n\n| a |\n").unwrap();
        document.set(HEADINGS[0], "abc", "None lost.").unwrap();
        let page = document.page();
        let read = Document::parse(&page);
        assert_eq!(read.page(), page);
        assert_eq!(read.part("Chaos"), Some("Faults.\n\n| a |"));
        assert_eq!(read.part(HEADINGS[0]), Some("None lost."));
        assert_eq!(read.part(HEADINGS[1]), None);
    }

    #[test]
    fn every_part_that_is_done_is_written() {
        let mut document = Document::parse("");
        for part in super::super::PARTS {
            document.set(part.heading, "abc", part.name).unwrap();
            assert!(document.page().contains(part.heading), "{}", part.heading);
        }
        assert!(document.set("Another", "abc", "x").is_err());
    }
}
