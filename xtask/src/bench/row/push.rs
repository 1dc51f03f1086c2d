//! Push of a large image into the built-in registry.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::bed::{Compression, Process, Registry, eventually, free_port, http};
use crate::bench::Setting;
use crate::bench::image::{large, web};
use crate::bench::report::{Figure, Outcome};
use crate::bench::rounds::{Runner, Samples, interleave};

const MIB: f64 = 1024.0 * 1024.0;

/// What the peak may have more after the large image than after a small one, in MiB.
const MOST_GROWTH: f64 = 32.0;

/// gzip layers by skopeo, against Debian's `docker-registry`.
pub(in super::super) fn measure(setting: &Setting) -> Result<Outcome> {
    let (image, shape) = large(Compression::Gzip, "pushed")?;
    let (image, small) = (image.layout()?, web("small").layout()?);
    let mut peaks = [Samples::default(), Samples::default(), Samples::default()];
    let [small_peak, peak, others_peak] = &mut peaks;
    let runners = vec![
        Runner::new("mirage registry", |_| {
            let registry = BuiltIn::start(setting)?;
            let login = format!("--dest-creds=mirage:{}", registry.token()?);
            small.push(&registry.reference("bench/small:1"), &[&login])?;
            small_peak.push(peak_of(registry.process.id())?);
            let reference = registry.reference("bench/large:1");
            let seconds = timed(|| image.push(&reference, &[&login]).map(|_| ()))?;
            peak.push(peak_of(registry.process.id())?);
            Ok(seconds)
        }),
        Runner::new("docker-registry", |_| {
            let registry = Registry::start()?;
            small.push(&registry.reference("bench/small:1"), &[])?;
            let reference = registry.reference("bench/large:1");
            let seconds = timed(|| image.push(&reference, &[]).map(|_| ()))?;
            others_peak.push(peak_of(registry.id().context("it has ended")?)?);
            Ok(seconds)
        }),
    ];
    let samples = interleave(setting.rounds_or(5), runners)?;
    let ratio = samples[0].ratio_to(&samples[1]);
    let [small_peak, peak, others_peak] = peaks;
    let growth = peak.median() - small_peak.median();
    let largest = image.largest_blob()? as f64 / MIB;
    Ok(Outcome {
        what: format!("push by skopeo, gzip ({shape})"),
        must: format!(
            "at most 1.0 of `docker-registry`; memory does not grow with the layer (under {MOST_GROWTH} MiB)"
        ),
        got: format!("{ratio:.2} of docker-registry; {growth:.1} MiB more at most than for a small image"),
        reached: ratio <= 1.0 && growth < MOST_GROWTH,
        figures: vec![
            Figure::new("mirage registry", &samples[0], "s"),
            Figure::new("docker-registry", &samples[1], "s"),
            Figure::new("mirage registry, most memory after a small image", &small_peak, "MiB"),
            Figure::new("mirage registry, most memory after the large image", &peak, "MiB"),
            Figure::new("docker-registry, most memory after the large image", &others_peak, "MiB"),
        ],
        note: format!(
            "Wall time of `skopeo copy` from an OCI layout in the page cache to a registry on loopback whose store is empty \
             but for a small image, on a synced disk; both registries bring every blob to the disk before they answer. \
             Memory is VmHWM of the registry's process; the largest layer has {largest:.0} MiB."
        ),
    })
}

/// `mirage registry` with a folder and a port of its own.
struct BuiltIn {
    port: u16,
    process: Process,
    folder: TempDir,
}

impl BuiltIn {
    fn start(setting: &Setting) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mirage-push-").tempdir()?;
        let port = free_port()?;
        let mut command = Command::new(&setting.binary);
        command.arg("registry").arg("--data-dir").arg(folder.path().join("data"));
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        let process = Process::start(&mut command, folder.path(), "registry")?;
        let url = format!("http://127.0.0.1:{port}/v2/");
        eventually("the registry's answer", Duration::from_secs(10), || http::get(&url).ok())
            .with_context(|| process.stderr())?;
        Ok(Self { port, process, folder })
    }

    fn reference(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    fn token(&self) -> Result<String> {
        let token = std::fs::read_to_string(self.folder.path().join("data/admin.token"))?;
        Ok(token.trim().to_owned())
    }
}

/// The most memory that a process has had, in MiB.
fn peak_of(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).context("no VmHWM")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no size")?.parse()?;
    Ok(kib / 1024.0)
}

/// Seconds that the work takes on a disk with nothing left to write.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    nix::unistd::sync();
    let since = Instant::now();
    work()?;
    Ok(since.elapsed().as_secs_f64())
}
