//! A second deploy moves what has changed, and nothing else.

use std::collections::BTreeSet;

use anyhow::Result;

use super::good;
use crate::bed::{Access, Compression, Platform, PlatformOptions, Registry};
use crate::bench::Setting;
use crate::bench::image::large;
use crate::bench::report::{Figure, Outcome};

/// Counts the layers that the registry hands out.
pub(in super::super) fn measure(setting: &Setting) -> Result<Outcome> {
    let registry = Registry::start()?;
    let reference = registry.reference("bench/large:1");
    large(Compression::Gzip, "before")?.0.push(&reference)?;
    let platform = Platform::start(&setting.binary, PlatformOptions::default())?;
    good(platform.cli(&["deploy", &reference, "--name", "large"])?)?;
    let first = blobs(&registry.requests());
    large(Compression::Gzip, "after")?.0.push(&reference)?;
    let seen = registry.requests().len();
    good(platform.cli(&["deploy", &reference, "--name", "large"])?)?;
    let second = blobs(&registry.requests()[seen..]);
    let layers = second.len().saturating_sub(1);
    Ok(Outcome {
        what: "second deploy, only the top layer changed".into(),
        must: "only that layer moves".into(),
        got: format!("{layers} of 7 layers moved"),
        reached: layers == 1 && first.is_disjoint(&second),
        figures: vec![
            Figure::once("blobs of the first deploy (7 layers, 1 configuration)", first.len() as f64, "blobs"),
            Figure::once("blobs of the second deploy", second.len() as f64, "blobs"),
        ],
        note: "Counted in the access log of `docker-registry`; the configuration of the image is one of the blobs.".into(),
    })
}

/// Paths of the blobs that were handed out.
fn blobs(requests: &[Access]) -> BTreeSet<String> {
    let gets =
        requests.iter().filter(|access| access.method == "GET" && access.path.contains("/blobs/sha256:"));
    gets.map(|access| access.path.clone()).collect()
}
