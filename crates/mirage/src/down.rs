//! `mirage down`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use mirage_core::{Code, Error, Result};

use crate::platform::{Platform, PlatformOptions};
use crate::serve::{needs_root, runtime};
use mirage_cli::config::run_dir;
use mirage_cli::{Global, Printer};

/// Stop the platform of a data folder with everything it runs
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage down\n  mirage down --data-dir ./data")]
pub(crate) struct DownArgs {}

/// How long a running control plane may take to let go of the data folder.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) fn run(_args: DownArgs, global: &Global, printer: &Printer) -> Result<ExitCode> {
    needs_root("down")?;
    let start = Instant::now();
    let data = global.data_dir();
    if !data.join("mirage.db").exists() {
        return Err(Error::new(Code::NotFound, format!("there is no platform in `{}`", data.display()))
            .hint("name its folder with `--data-dir`"));
    }
    let held = stop_control(&data)?;
    let ran = held || ["netns", "subnet"].iter().any(|part| run_dir(&data).join(part).exists());
    let place = data.display().to_string();
    runtime()?.block_on(async { Platform::tear_down(PlatformOptions::of_folder(data)).await })?;
    if !ran {
        printer.note(&format!("nothing ran in `{place}`; `mirage serve` starts it"));
        return Ok(ExitCode::SUCCESS);
    }
    printer.step("Stopped", "everything; `mirage serve` starts it again", Some(start.elapsed()));
    printer.note("the data of volumes was not touched");
    Ok(ExitCode::SUCCESS)
}

/// Asks the process that holds the data folder to stop, and waits until it has; answers whether there was one.
fn stop_control(data: &std::path::Path) -> Result<bool> {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    let start = Instant::now();
    let mut asked = false;
    loop {
        let refused = match crate::platform::lock_data_dir(data) {
            Ok(_held) => return Ok(asked),
            Err(refused) => refused,
        };
        let holder =
            std::fs::read_to_string(data.join("lock")).ok().and_then(|text| text.trim().parse().ok());
        if let (false, Some(pid)) = (asked, holder) {
            kill(Pid::from_raw(pid), Signal::SIGTERM)
                .map_err(|error| Error::internal("stop the control plane", error))?;
            asked = true;
        }
        if start.elapsed() > PATIENCE {
            return Err(refused);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
