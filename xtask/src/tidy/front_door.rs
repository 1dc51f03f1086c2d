//! The README's first command.

use super::Finding;
use crate::workspace::Metadata;

/// What `cargo run` in a fresh clone has to mean.
const PRODUCT: &str = "mirage";

pub(super) fn check(metadata: &Metadata) -> Vec<Finding> {
    judge(metadata.default_members().map(|package| package.name.as_str()))
}

/// With two programs to choose from, `cargo run` refuses.
fn judge<'a>(members: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    match members.collect::<Vec<_>>().as_slice() {
        [PRODUCT] => Vec::new(),
        others => vec![Finding::new(
            "Cargo.toml",
            0,
            format!(
                "`default-members` are {others:?}; `cargo run --release -- demo` needs `{PRODUCT}` alone"
            ),
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_run_means_the_product() {
        assert_eq!(judge(["mirage"].into_iter()), Vec::new());
        assert_eq!(judge(["mirage", "xtask"].into_iter()).len(), 1);
        assert_eq!(judge([].into_iter()).len(), 1);
    }
}
