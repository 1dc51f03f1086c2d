//! The running binary is replaced.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Site, Trial};
use crate::bed::eventually;
use crate::load::{Counts, Load, Shape};

/// How long the new control may take to replace the proxy. Nobody helps it.
const SUCCESSION: Duration = Duration::from_secs(20);

/// Replaces the binary so many times under load, by one that differs from it, and rolls out after each.
///
/// # Errors
/// Where a process of the old binary stays in charge, or a container is another one afterwards.
pub fn upgraded(binary: &Path, upgrades: usize) -> Result<Trial> {
    let folder = tempfile::Builder::new().prefix("mirage-upgrade-").tempdir()?;
    let installed = folder.path().join("mirage");
    std::fs::copy(binary, &installed)?;
    let mut site = Site::start(&installed, 1)?;
    let references = (1..=upgrades).map(|number| site.push(number)).collect::<Result<Vec<_>>>()?;
    let target = site.target();
    let loads = [
        Load::start(&target, Shape::KeepAlive, 8, Duration::from_millis(5)),
        Load::start(&target, Shape::NewConnections, 4, Duration::from_millis(5)),
        Load::start(&target, Shape::InFlight, 16, Duration::ZERO),
        Load::start(&target, Shape::Uploads, 4, Duration::from_millis(5)),
    ];
    let mut done = Ok(());
    for (turn, reference) in references.iter().enumerate() {
        done = upgrade(&mut site, binary, &installed, turn).and_then(|()| {
            site.deploy(reference)?;
            site.until_only(turn + 1, 1)
        });
        if done.is_err() {
            break;
        }
    }
    let mut counts = Counts::default();
    loads.into_iter().for_each(|load| counts.add(load.stop()));
    done?;
    Ok(Trial {
        what: format!("{upgrades} upgrades, each followed by a rollout, all four shapes of load"),
        counts,
    })
}

fn upgrade(site: &mut Site, binary: &Path, installed: &Path, turn: usize) -> Result<()> {
    let before = site.containers();
    install(binary, installed, turn)?;
    site.platform.stop_control()?;
    site.platform.serve()?;
    eventually("a proxy of the new file", SUCCESSION, || in_charge(site, installed).then_some(()))?;
    let after = site.containers();
    if before != after {
        bail!("the containers were {before:?}, and are {after:?}");
    }
    Ok(())
}

/// Puts a changed binary in the place of the one that runs, as a package does: whole, by one rename.
fn install(binary: &Path, installed: &Path, turn: usize) -> Result<()> {
    let draft = installed.with_extension("new");
    std::fs::copy(binary, &draft)?;
    // The loader takes no notice of what stands after the last section.
    std::fs::OpenOptions::new().append(true).open(&draft)?.write_all(format!("change {turn}").as_bytes())?;
    std::fs::rename(&draft, installed)?;
    Ok(())
}

/// Whether the proxy that answers runs the installed file, and is alone.
fn in_charge(site: &Site, installed: &Path) -> bool {
    let proxies: Vec<u32> = proxies(site);
    let [proxy] = proxies.as_slice() else { return false };
    same_file(&format!("/proc/{proxy}/exe"), installed).unwrap_or(false)
}

fn proxies(site: &Site) -> Vec<u32> {
    let processes = site.platform.processes().into_iter();
    processes.filter(|(_, line)| line.split(' ').nth(1) == Some("proxy")).map(|(id, _)| id).collect()
}

fn same_file(link: &str, installed: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (one, other) = (std::fs::metadata(link).context("no such process")?, std::fs::metadata(installed)?);
    Ok(one.ino() == other.ino() && one.dev() == other.dev())
}
