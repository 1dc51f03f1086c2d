//! Platforms: operating system, processor, variant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};

/// For what an image was built, in the words of the OCI image index: `linux/arm64/v8`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, `windows`, …
    pub os: String,
    /// As Go spells it: `amd64`, `arm64`, `arm`, …
    pub architecture: String,
    /// `v7`, `v8`, … where the architecture has variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// A Linux platform by its Rust architecture name, such as `std::env::consts::ARCH`.
    pub fn linux(rust_arch: &str) -> Self {
        let (architecture, variant) = match rust_arch {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", Some("v8")),
            "x86" => ("386", None),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: variant.map(Into::into) }
    }

    /// Whether something built for `self` runs where `wanted` is asked for. A side without a variant
    /// accepts any; `arm64` without a variant means `v8`.
    pub fn satisfies(&self, wanted: &Platform) -> bool {
        let variant = |p: &Platform| match (&*p.architecture, p.variant.as_deref()) {
            ("arm64", None) => Some("v8".to_owned()),
            (_, v) => v.map(str::to_owned),
        };
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && match (variant(self), variant(wanted)) {
                (Some(mine), Some(theirs)) => mine == theirs,
                _ => true,
            }
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            [os, architecture] | [os, architecture, _] if !os.is_empty() && !architecture.is_empty() => {
                Ok(Self {
                    os: os.to_owned(),
                    architecture: architecture.to_owned(),
                    variant: parts.get(2).filter(|v| !v.is_empty()).map(|v| (*v).to_owned()),
                })
            }
            _ => Err(Error::new(Code::InvalidRequest, format!("`{text}` is not a platform"))
                .hint("a platform looks like `linux/amd64` or `linux/arm64/v8`")
                .field("platform")),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_matters_only_where_both_sides_name_one() {
        let p = |text: &str| text.parse::<Platform>().unwrap();
        assert!(p("linux/amd64").satisfies(&p("linux/amd64")));
        assert!(p("linux/arm64").satisfies(&p("linux/arm64/v8")));
        assert!(p("linux/arm").satisfies(&p("linux/arm/v7")));
        assert!(!p("linux/arm/v6").satisfies(&p("linux/arm/v7")));
        assert!(!p("linux/arm64").satisfies(&p("linux/amd64")));
        assert!(!p("windows/amd64").satisfies(&p("linux/amd64")));
    }
}
