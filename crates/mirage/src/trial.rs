//! Fail points with somebody who decides, for the stories in `tests/it/fail_points`. What is shipped has none of it.
//!
//! What to do at a point stands in a file of the folder `armed`, which has its name with `.` for `/`, as the crate
//! `fail` reads it: `2*off->1*return(crash)` lets the third one who comes by crash. The first process that comes to
//! the point takes the file away, so that it happens once, whichever processes follow. When it happens, the name is
//! added to the file `fired`; and each point that is passed adds its name to `passed`.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use mirage_cli::config::env;
use mirage_core::fault::{self, Trial};
use mirage_core::{Error, Result};
use nix::sys::signal::{Signal, raise};

/// The longest that passes between two looks at something.
const PATIENCE: Duration = Duration::from_millis(500);

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Takes part in the trial whose folder the environment names.
pub(crate) fn begin() {
    if let Some(folder) = env::read(env::FAIL_POINTS) {
        let variables = vec![(env::FAIL_POINTS, folder.clone())];
        FOLDER.get_or_init(|| PathBuf::from(folder));
        fault::begin(Trial { judge, variables, patience: PATIENCE });
    }
}

fn judge(point: &str) -> Result<()> {
    let Some(folder) = FOLDER.get() else { return Ok(()) };
    // The trial sees what is missing; here there is nobody to tell.
    let _ = note(&folder.join("passed"), point);
    if let Some(actions) = taken(folder, point) {
        fail::cfg(point, &actions)
            .map_err(|why| Error::internal("arm a fail point", std::io::Error::other(why)))?;
    }
    let Some(action) = fail::eval(point, Option::unwrap_or_default) else { return Ok(()) };
    let _ = note(&folder.join("fired"), point);
    if action == "crash" {
        let _ = raise(Signal::SIGKILL);
    }
    Err(Error::internal("go on", std::io::Error::other(format!("the fail point `{point}` says so"))))
}

/// The actions for this point, for the first who asks.
fn taken(folder: &Path, point: &str) -> Option<String> {
    let armed = folder.join("armed").join(point.replace('/', "."));
    let actions = fs::read_to_string(&armed).ok()?;
    fs::remove_file(&armed).ok()?;
    Some(actions)
}

/// One short line, so that those of several processes do not mix.
fn note(file: &Path, point: &str) -> std::io::Result<()> {
    let mut file = File::options().append(true).create(true).open(file)?;
    file.write_all(format!("{point}\n").as_bytes())
}
