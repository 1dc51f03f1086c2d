//! Acts of processes of their own: backups, restores, and starts.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use xtask::bed::{Platform, PlatformOptions};

use super::range::{Range, Subject};
use crate::stage::BINARY;

/// What a restore brings, but for what it moves aside.
const RESTORED: [&str; 4] = ["content", "lock", "mirage.db", "vault.key"];

impl Range {
    /// A file for a backup, in a folder that has nothing else.
    pub(super) fn make_file(&self, name: String) -> Result<Subject> {
        let folder = self.trial.path().join(&name);
        fs::create_dir(&folder)?;
        Ok(Subject { file: folder.join("mirage.backup"), name, ..Subject::default() })
    }

    /// Writes a backup into it.
    pub(super) fn back_up(&self, subject: &Subject) -> Result<()> {
        self.took_part(&["backup", &subject.file.to_string_lossy()])
    }

    /// Writes it again; it is all that is there.
    pub(super) fn back_up_again(&self, subject: &Subject) -> Result<()> {
        self.took_part(&["backup", "--force", &subject.file.to_string_lossy()])?;
        let folder = subject.file.parent().context("no folder")?;
        let left = names(folder)?;
        if left != ["mirage.backup"] {
            bail!("beside a backup there is {left:?}");
        }
        Ok(fs::remove_dir_all(folder)?)
    }

    /// A platform that is to be replaced by that of the backup.
    pub(super) fn make_replaced(&self, name: String) -> Result<Subject> {
        let subject = Subject { file: self.trial.path().join(&name), name, ..Subject::default() };
        self.restore(&subject)?;
        Ok(subject)
    }

    /// Restores the backup there.
    pub(super) fn restore(&self, subject: &Subject) -> Result<()> {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let (there, backup, key) = (path(&subject.file), path(&self.backup), path(&self.key));
        self.took_part(&["restore", &backup, "--data-dir", &there, "--vault-key", &key, "--force"])
    }

    /// Restores it again; it is whole, and nothing is half-way.
    pub(super) fn restore_again(&self, subject: &Subject) -> Result<()> {
        self.restore(subject)?;
        let there = &subject.file;
        let mut found = names(there)?;
        found.retain(|name| !name.starts_with("replaced-"));
        if found != RESTORED {
            bail!("a restore has left {found:?}");
        }
        let same = |part: &str| {
            Ok::<_, anyhow::Error>(fs::read(there.join(part))? == fs::read(self.once.join(part))?)
        };
        if !same("mirage.db")? || !same("vault.key")? {
            bail!("a restore has brought something else");
        }
        let (blobs, wanted) = (blobs(there)?, blobs(&self.once)?);
        if blobs != wanted || blobs.is_empty() {
            bail!("a restore has brought {blobs:?} instead of {wanted:?}");
        }
        Ok(fs::remove_dir_all(there)?)
    }

    /// A platform that was never started.
    pub(super) fn make_first(&mut self) -> Result<Subject> {
        let options = PlatformOptions { variables: vec![self.part()], ..PlatformOptions::default() };
        self.other = Some(Platform::unstarted(Path::new(BINARY), options)?);
        Ok(Subject::default())
    }

    /// Starts it.
    pub(super) fn start_first(&mut self) -> Result<()> {
        self.other.as_mut().context("no other platform")?.serve()
    }

    /// Starts it again, and takes it down.
    pub(super) fn start_first_again(&mut self) -> Result<()> {
        let mut other = self.other.take().context("no other platform")?;
        if other.control_id().is_none() {
            other.serve()?;
        }
        let drafts: Vec<String> =
            names(&other.data())?.into_iter().filter(|name| name.ends_with(".new")).collect();
        let left = other.down()?;
        if !left.is_empty() || !drafts.is_empty() || other.token().len() < 16 {
            bail!("after a first start there is {left:?}, and drafts {drafts:?}");
        }
        Ok(())
    }

    /// Kills control and starts it again.
    pub(super) fn start_again(&mut self) -> Result<()> {
        self.platform.kill_control();
        self.platform.serve()
    }

    /// Kills the proxy; control starts another one.
    pub(super) fn kill_proxy(&self) -> Result<()> {
        let processes = self.platform.processes();
        let proxy = processes.iter().find(|(_, line)| line.split(' ').nth(1) == Some("proxy"));
        let (id, _) = proxy.context("no proxy")?;
        Ok(kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL)?)
    }

    /// Waits until services are reached again.
    pub(super) fn until_proxied(&self) -> Result<()> {
        self.platform.until_served("web-production").map(drop)
    }

    /// Writes an image of the built-in registry into a file.
    pub(super) fn save(&self, subject: &Subject) -> Result<()> {
        self.took_part(&["image", "save", &self.image, &subject.file.to_string_lossy()])
    }

    /// Writes it again; it is whole.
    pub(super) fn save_again(&self, subject: &Subject) -> Result<()> {
        self.save(subject)?;
        let wanted = subject.file.with_extension("whole");
        self.verb(&["image", "save", &self.image, &wanted.to_string_lossy()], "")?;
        if fs::read(&subject.file)? != fs::read(&wanted)? {
            bail!("an archive is not what it should be");
        }
        Ok(fs::remove_dir_all(subject.file.parent().context("no folder")?)?)
    }

    /// A verb whose own process takes part in the trial.
    fn took_part(&self, words: &[&str]) -> Result<()> {
        let mut command = self.platform.command();
        command.args(words).envs([self.part()]);
        let said = self.platform.run(&mut command)?;
        if said.code != 0 {
            bail!("{words:?} ends with {}: {}", said.code, said.stderr);
        }
        Ok(())
    }
}

fn blobs(data: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let folder = data.join("content/blobs/sha256");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        found.push((PathBuf::from(entry.file_name()), entry.metadata()?.len()));
    }
    found.sort();
    Ok(found)
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()?;
    names.sort();
    Ok(names)
}
