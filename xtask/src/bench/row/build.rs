//! How long the binary takes to build.

use std::path::Path;
use std::time::{Instant, SystemTime};

use anyhow::{Result, bail};

use crate::bench::Setting;
use crate::bench::report::{Figure, Outcome};
use crate::bench::rounds::{Runner, interleave};
use crate::workspace::{cargo, root, target};

/// Sources of the adapters, one of which is touched a round.
const ADAPTERS: &[&str] = &["mirage-proxy", "mirage-engine", "mirage-oci"];

/// A rebuild after touching one adapter.
pub(in super::super) fn rebuild(setting: &Setting) -> Result<Outcome> {
    let target = target()?;
    let runner = Runner::new("rebuild", |round| {
        touch(&root().join("crates").join(ADAPTERS[round % ADAPTERS.len()]).join("src/lib.rs"))?;
        build(&target)
    });
    let samples = interleave(setting.rounds_or(ADAPTERS.len()), vec![runner])?;
    Ok(Outcome {
        what: "rebuild after touching one adapter, release profile".into(),
        must: "under 40 s".into(),
        got: format!("{:.0} s, at most {:.0} s", samples[0].median(), samples[0].most()),
        reached: samples[0].most() < 40.0,
        figures: vec![Figure::new("cargo build --release", &samples[0], "s")],
        note: format!("One of {} is touched in each round.", ADAPTERS.join(", ")),
    })
}

/// The first build, with an empty target folder; crates are downloaded already.
pub(in super::super) fn first(_setting: &Setting) -> Result<Outcome> {
    let folder = tempfile::Builder::new().prefix("mirage-build-").tempdir()?;
    let seconds = build(folder.path())?;
    Ok(Outcome {
        what: "first build, cold, release profile".into(),
        must: "under 10 minutes on two cores".into(),
        got: format!("{:.1} minutes", seconds / 60.0),
        reached: seconds < 600.0,
        figures: vec![Figure::once("cargo build --release", seconds, "s")],
        note: "An empty target folder; the crates have been downloaded before.".into(),
    })
}

fn build(target: &Path) -> Result<f64> {
    let since = Instant::now();
    let status = cargo()
        .args(["build", "--release", "--quiet", "--package", "mirage", "--target-dir"])
        .arg(target)
        .status()?;
    if !status.success() {
        bail!("the release binary does not build");
    }
    Ok(since.elapsed().as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "a file's time, so that cargo sees it as changed")]
fn touch(path: &Path) -> Result<()> {
    std::fs::File::options().append(true).open(path)?.set_modified(SystemTime::now())?;
    Ok(())
}
