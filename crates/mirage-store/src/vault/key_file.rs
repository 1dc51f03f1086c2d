//! Where the vault's keys are: a file that only its owner reads, or a variable of the environment.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use mirage_core::fault::point_io;
use mirage_core::{Code, Error, Result, Secret};
use zeroize::Zeroizing;

use super::key::Key;

/// Bits of a file's mode that nobody but its owner may have.
const OTHERS: u32 = 0o077;
/// The largest key file that is read, in bytes. One key is a line of 65.
const MAX_FILE_BYTES: u64 = 4096;

/// Where the vault's keys are.
#[derive(Clone)]
pub enum KeySource {
    /// A file of mode 0600, one key a line as 64 hexadecimal digits, the newest first.
    File(PathBuf),
    /// The text of a variable: one key, or several separated by commas, the newest first.
    Given {
        /// The name of the variable, for messages.
        variable: &'static str,
        /// Its text.
        keys: Secret,
    },
}

/// Why there are no keys.
pub(super) enum Missing {
    /// There is no file.
    Absent,
    /// Others than its owner may read it.
    Open,
    /// It holds something else.
    Garbled,
    /// It cannot be read.
    Unreadable(io::Error),
}

impl KeySource {
    /// The names of the keys, newest first: they tell nothing about the keys.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` where there are none that can be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let keys = self.read().map_err(|missing| missing.into_error(self))?;
        Ok(keys.iter().map(|key| key.name().to_string()).collect())
    }

    /// Writes the keys to another file, for its owner alone.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` where there are none that can be read, or the file cannot be written.
    pub fn copy_to(&self, path: &Path) -> Result<()> {
        let keys = self.read().map_err(|missing| missing.into_error(self))?;
        Self::File(path.to_owned()).write(&keys)
    }

    /// Where they are, for messages.
    pub fn place(&self) -> String {
        match self {
            Self::File(path) => format!("`{}`", path.display()),
            Self::Given { variable, .. } => format!("what {variable} holds"),
        }
    }

    /// The keys, newest first.
    pub(super) fn read(&self) -> Result<Vec<Key>, Missing> {
        match self {
            Self::File(path) => keys(&read(path)?),
            Self::Given { keys: text, .. } => keys(text.reveal()),
        }
    }

    /// Keeps these keys instead of what was there: at every moment there is a whole file.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` where the file cannot be written, `CONFLICT` where the keys are not in a file.
    pub(super) fn write(&self, keys: &[Key]) -> Result<()> {
        let Self::File(path) = self else { return Err(self.not_a_file()) };
        let mut text = Zeroizing::new(String::new());
        for key in keys {
            text.push_str(&key.hex());
            text.push('\n');
        }
        replace(path, text.as_bytes()).map_err(|cause| {
            let what = format!("the vault's key file `{}` cannot be written: {cause}", path.display());
            Error::new(Code::TargetUnavailable, what).hint("check the owner of its folder, and the free disk")
        })
    }

    /// What to say where the keys are none that were used.
    pub(super) fn other_key(&self) -> Error {
        unavailable(format!("{} is not the key that the secrets of this platform were sealed with", self.place()))
            .hint(match self {
                Self::File(path) => format!(
                    "put back the `{}` that belongs to this database; if it is lost for good, `mirage vault reset` gives up what is sealed",
                    path.display()
                ),
                Self::Given { variable, .. } => format!(
                    "set {variable} to the key that was used, or to the new and the old one separated by a comma"
                ),
            })
    }

    /// What to say where keys that were given from outside are to be changed.
    pub(super) fn not_a_file(&self) -> Error {
        Error::new(Code::Conflict, "the vault's key comes from outside, so Mirage cannot change it")
            .hint("start `mirage serve` with MIRAGE_VAULT_KEY=NEW,OLD, run this again, then take OLD away")
    }
}

impl Missing {
    /// Whether there is nothing yet, rather than something wrong.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    pub(super) fn into_error(self, source: &KeySource) -> Error {
        let place = source.place();
        match self {
            Self::Absent => unavailable(format!("the vault's key file {place} is missing"))
                .hint("put it back from a backup; if it is lost for good, `mirage vault reset` gives up what is sealed"),
            Self::Open => unavailable(format!("the vault's key file {place} can be read by others than its owner"))
                .hint(format!("run `chmod 600 {}`, and consider `mirage vault rotate`", place.trim_matches('`'))),
            Self::Garbled => unavailable(match source {
                KeySource::File(_) => format!("{place} holds no key"),
                KeySource::Given { variable, .. } => format!("{variable} holds no key"),
            })
            .hint(
                "a key is 64 hexadecimal digits, such as the output of `openssl rand -hex 32`; several come newest first",
            ),
            Self::Unreadable(cause) => unavailable(format!("the vault's key file {place} cannot be read: {cause}"))
                .hint("check its owner and mode"),
        }
    }
}

fn unavailable(message: String) -> Error {
    Error::new(Code::TargetUnavailable, message)
}

fn read(path: &Path) -> Result<Zeroizing<String>, Missing> {
    let file = File::open(path).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => Missing::Absent,
        _ => Missing::Unreadable(cause),
    })?;
    let mode = file.metadata().map_err(Missing::Unreadable)?.mode();
    if mode & OTHERS != 0 {
        return Err(Missing::Open);
    }
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_BYTES as usize));
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(|cause| match cause.kind() {
        io::ErrorKind::InvalidData => Missing::Garbled,
        _ => Missing::Unreadable(cause),
    })?;
    Ok(text)
}

fn keys(text: &str) -> Result<Vec<Key>, Missing> {
    let words = text.split([',', '\n']).map(str::trim).filter(|word| !word.is_empty());
    let keys: Vec<Key> =
        words.map(|word| Key::parse(word).ok_or(Missing::Garbled)).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(Missing::Garbled) } else { Ok(keys) }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("key.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    point_io("key/name")?;
    std::fs::rename(&draft, path)?;
    point_io("key/named")?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}
