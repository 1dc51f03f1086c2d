//! The habits of this house, one command each: `test`, `bench`, `reliability`, `chaos`, `screens`, `tidy`, `docs`.
//!
//! The library half exists for the integration tests of the binary: they and the bench use the
//! same [`bed`] (a registry that is somebody else's, images made here, the real `mirage`).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal of its developer")]

use std::process::ExitCode;

pub mod bed;
mod bench;
pub mod browser;
pub mod chaos;
mod docs;
pub mod load;
pub mod reliability;
pub mod screens;
mod settings;
mod test;
pub mod tidy;
mod workspace;

const HELP: &str = "\
cargo xtask <command>

  test             installs what the tests need (Debian, root), then runs every test, a minute
                   of each fuzz target and three minutes of chaos
      --no-install   leaves the machine as it is
      FILTER…        only tests whose name contains one of these
  bench [ROW…]     measures the table of docs/BENCHMARKS.md and writes it; `bench --list` names the rows
      --rounds N     interleaved rounds a row (default: the row's own)
      --binary PATH  measures this binary instead of building one
      --no-write     prints only
  reliability [PART…]  does what docs/RELIABILITY.md tells, and writes it; parts: rollouts killed upgraded moved
      --rollouts N, --rollbacks N, --kills N, --upgrades N
      --binary PATH  tries this binary instead of building one
      --no-write     prints only
  chaos            a random walk over a live platform, under load
      --seed N       repeats the walk of this seed
      --minutes M    (default 3)
      --binary PATH  tries this binary instead of building one
      --write        adds what came out to docs/RELIABILITY.md
  screens [NAME…]  takes the pictures of docs/screens; `screens --list` names them
      --binary PATH  shows this binary instead of building one
      --into FOLDER  puts them elsewhere
      --all          takes also those that are not kept there
  tidy             the rules of ARCHITECTURE.md as checks
  docs             writes docs/CLI.md, docs/ENV.md and docs/API.md from the binary
      --check        fails where they are stale instead
  help             this

MIRAGE_FUZZ_SECONDS   seconds for each fuzz target in `test` (default 60)
MIRAGE_CHAOS_SECONDS  seconds for the walk of chaos in `test` (default 180)
MIRAGE_CHAOS_SEED     its seed (default 1)
CI=true               a test that is skipped although this is root on Linux is a failure
";

/// Runs one command; what it has to say goes to the terminal.
pub fn run(words: &[String]) -> ExitCode {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        [] | ["help" | "--help" | "-h", ..] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        ["tidy"] => tidy::command(),
        ["test", rest @ ..] => test::command(rest),
        ["bench", rest @ ..] => bench::command(rest),
        ["reliability", rest @ ..] => reliability::command(rest),
        ["chaos", rest @ ..] => chaos::command(rest),
        ["screens", rest @ ..] => screens::command(rest),
        ["docs", rest @ ..] => docs::command(rest),
        [other, ..] => {
            eprintln!("`{other}` is no command of xtask\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}
