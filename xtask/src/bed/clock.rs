//! A time of day that can be set, for one platform.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Built by `build.rs` from `sample/clock.rs`.
const CLOCK: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/clock.so"));

/// How far the time of day of a platform is off that of the machine. Deadlines do not notice.
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
    seconds: i64,
}

impl Clock {
    /// A clock that goes right, with its files in this folder.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn make(folder: &Path) -> Result<Self> {
        let (library, file) = (folder.join("clock.so"), folder.join("clock"));
        fs::write(&library, CLOCK)?;
        let mut clock = Self { library, file, seconds: 0 };
        clock.jump(0)?;
        Ok(clock)
    }

    /// The variables by which `mirage serve` goes by it, and whatever that starts.
    pub fn variables(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![("LD_PRELOAD".into(), text(&self.library)), ("BED_CLOCK".into(), text(&self.file))]
    }

    /// Puts it forward by so many seconds, or back.
    ///
    /// # Errors
    /// Where its file cannot be written.
    pub fn jump(&mut self, seconds: i64) -> Result<()> {
        self.seconds += seconds;
        Ok(fs::write(&self.file, self.seconds.to_string())?)
    }

    /// By how many seconds it is ahead.
    pub fn offset(&self) -> i64 {
        self.seconds
    }
}
