//! `cargo xtask screens`: pictures of the pages, in light, dark and narrow.

mod town;

pub use town::Town;
