//! Layers stacked into one writable tree.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::MsFlags;

/// The most layers of an image, as in other engines.
const MAX_LAYERS: usize = 127;

/// What is stacked.
pub(crate) struct Layers<'a> {
    /// Read-only directories, topmost first.
    pub(crate) lower: &'a [PathBuf],
    /// An existing folder that gets `upper` and `work`.
    pub(crate) writable: &'a Path,
}

/// Mounts the stack at `target`, using the empty folder `scratch` for short names. Changes the
/// working directory of the process to `/`.
///
/// # Errors
/// `InvalidInput` for no layers or too many, otherwise whatever the kernel says.
pub(crate) fn mount(layers: &Layers<'_>, scratch: &Path, target: &Path) -> io::Result<()> {
    if layers.lower.is_empty() || layers.lower.len() > MAX_LAYERS {
        let message = format!("{} layers, and 1 to {MAX_LAYERS} can be stacked", layers.lower.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    for part in ["upper", "work"] {
        make_folder(&layers.writable.join(part))?;
    }
    // The options must fit into a page, which 127 paths do not; one digit to three each do.
    for (number, layer) in layers.lower.iter().enumerate() {
        symlink(layer, scratch.join(number.to_string()))?;
    }
    symlink(layers.writable, scratch.join("w"))?;
    let numbers: Vec<String> = (0..layers.lower.len()).map(|number| number.to_string()).collect();
    let options = format!("lowerdir={},upperdir=w/upper,workdir=w/work", numbers.join(":"));

    nix::unistd::chdir(scratch)?;
    // What a container writes is thrown away with it, so nothing has to reach the disk in order,
    // and unmounting need not wait for it. Kernels before 5.10 do not know the option.
    let mounted = match mount_overlay(&format!("{options},volatile"), target) {
        Err(Errno::EINVAL) => mount_overlay(&options, target),
        result => result,
    };
    nix::unistd::chdir("/")?;
    Ok(mounted?)
}

fn mount_overlay(options: &str, target: &Path) -> nix::Result<()> {
    nix::mount::mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(options))
}

fn make_folder(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}
