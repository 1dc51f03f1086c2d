//! Annotations of manifests and descriptors (OCI image-spec, `annotations.md`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Names with values, which should be texts. Others are passed over: what annotates does not decide.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "Option<BTreeMap<String, Value>>")]
pub(crate) struct Annotations(BTreeMap<String, Value>);

impl Annotations {
    /// The text under a name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }
}

/// Go writes `null` for whatever is empty.
impl From<Option<BTreeMap<String, Value>>> for Annotations {
    fn from(all: Option<BTreeMap<String, Value>>) -> Self {
        Self(all.unwrap_or_default())
    }
}
