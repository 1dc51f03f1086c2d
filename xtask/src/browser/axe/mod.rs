//! axe-core, by which pages are judged for those who cannot see, hear or point. Under the MPL 2.0, unchanged, and a part of
//! nothing that is shipped.

use anyhow::{Result, bail};
use serde_json::json;

use super::page::Page;

/// As its makers released it.
pub(super) const AXE: &str = include_str!("axe-4.14.1.min.js");

const RUN: &str = "async () => {
  const found = await axe.run(document, {resultTypes: ['violations']});
  if (!found.passes.length && !found.violations.length) { throw new Error('axe judged nothing'); }
  return found.violations.flatMap(it => it.nodes.map(node =>
    `${it.id}: ${it.help}: ${node.target.join(' ')}: ${node.html.slice(0, 200)} ${node.failureSummary}`));
}";

impl Page {
    /// What is wrong with the page for somebody who uses it in another way, each as a line.
    ///
    /// # Errors
    /// Where the page goes away meanwhile.
    pub fn faults(&self) -> Result<Vec<String>> {
        self.evaluate(AXE)?;
        let found = self.call(RUN, &[])?;
        let Some(found) = found.as_array() else { bail!("axe answered {}", json!(found)) };
        Ok(found.iter().map(|fault| fault.as_str().unwrap_or_default().to_owned()).collect())
    }
}
