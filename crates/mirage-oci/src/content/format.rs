//! How layers are kept: found out by trying.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use mirage_core::{Code, Error, Result};
use nix::mount::{MsFlags, mount};

use super::mounts::{Carrier, detach, mount_image};
use super::store::disk_error;
use super::temporary::remove_tree;
use crate::layer::{self, Compression, LayerLimits};

/// How layers are kept on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerFormat {
    /// One EROFS file a layer, mounted by the kernel.
    Erofs,
    /// One folder a layer.
    Directory,
}

impl LayerFormat {
    /// As settings spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Erofs => "erofs",
            Self::Directory => "directory",
        }
    }
}

/// What was chosen, and why.
pub(super) struct Choice {
    pub(super) format: LayerFormat,
    pub(super) carrier: Carrier,
    pub(super) reason: String,
}

/// Chooses the format by mounting a small EROFS file, with an overlay above it as containers have.
pub(super) fn choose(wanted: Option<LayerFormat>, tmp: &Path, run: &Path) -> Result<Choice> {
    let directory =
        |reason: String| Choice { format: LayerFormat::Directory, carrier: Carrier::File, reason };
    if wanted == Some(LayerFormat::Directory) {
        return Ok(directory("layers are folders because the settings say so".to_owned()));
    }
    let refusal = if nix::unistd::geteuid().is_root() {
        match try_carriers(tmp, run)? {
            Ok(choice) => return Ok(choice),
            Err(refusal) => refusal,
        }
    } else {
        "only root may mount EROFS".to_owned()
    };
    match wanted {
        Some(_) => {
            Err(Error::new(Code::TargetUnavailable, format!("layers cannot be EROFS files here: {refusal}"))
                .hint("leave the layer format open, Mirage then keeps layers as folders"))
        }
        None => Ok(directory(format!("layers are folders: {refusal}"))),
    }
}

fn try_carriers(tmp: &Path, run: &Path) -> Result<Result<Choice, String>> {
    let trial = Trial { tmp: &tmp.join("trial"), point: &run.join("trial") };
    let broken = |cause| disk_error("try EROFS in", tmp, cause);
    trial.prepare().map_err(broken)?;
    let by_file = trial.attempt(Carrier::File);
    let by_loop = by_file.as_ref().err().map(|_| trial.attempt(Carrier::Loop));
    trial.clean().map_err(broken)?;
    Ok(match (by_file, by_loop) {
        (Ok(()), _) => Ok(Choice {
            format: LayerFormat::Erofs,
            carrier: Carrier::File,
            reason: "layers are EROFS files, mounted as they are".to_owned(),
        }),
        (Err(file), Some(Ok(()))) => Ok(Choice {
            format: LayerFormat::Erofs,
            carrier: Carrier::Loop,
            reason: format!("layers are EROFS files, mounted through loop devices (without one: {file})"),
        }),
        (Err(file), Some(Err(device))) => Err(format!(
            "the kernel mounts EROFS neither from a file ({file}) nor from a loop device ({device})"
        )),
        (Err(file), None) => Err(file.to_string()),
    })
}

struct Trial<'a> {
    tmp: &'a Path,
    point: &'a Path,
}

impl Trial<'_> {
    fn prepare(&self) -> io::Result<()> {
        self.clean()?;
        fs::create_dir(self.point)?;
        for folder in ["", "lower", "merged"] {
            fs::create_dir(self.tmp.join(folder))?;
        }
        let file = File::options().read(true).write(true).create_new(true).open(self.tmp.join("image"))?;
        // A tar archive without entries is two blocks of zeros.
        layer::write_erofs(&[0; 1024][..], Compression::None, &LayerLimits::default(), &file)
            .map(drop)
            .map_err(io::Error::other)
    }

    fn attempt(&self, carrier: Carrier) -> io::Result<()> {
        mount_image(carrier, &self.tmp.join("image"), self.point)?;
        // An overlay counts how deep file systems are stacked: a mounted file counts, and where the
        // data folder is on an overlay itself that is one too many.
        let merged = self.tmp.join("merged");
        let options = format!("lowerdir={}:{}", escaped(self.point), escaped(&self.tmp.join("lower")));
        let stacked =
            mount(Some("overlay"), &merged, Some("overlay"), MsFlags::MS_RDONLY, Some(options.as_str()));
        let undone = match stacked {
            Ok(()) => detach(&merged),
            Err(_) => Ok(()),
        };
        detach(self.point)?;
        stacked?;
        undone
    }

    fn clean(&self) -> io::Result<()> {
        for leftover in [&self.tmp.join("merged"), self.point] {
            if leftover.exists() {
                detach(leftover)?;
            }
        }
        remove_tree(self.point)?;
        remove_tree(self.tmp)
    }
}

/// A path among the options of an overlay, where colons and commas separate.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,")
}
