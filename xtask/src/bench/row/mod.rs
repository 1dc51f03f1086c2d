//! The rows of the table, one file each.

pub(super) mod build;
pub(super) mod first_answer;
pub(super) mod hundred;
pub(super) mod idle;
pub(super) mod log_page;
pub(super) mod many;
pub(super) mod pages;
pub(super) mod preflight;
pub(super) mod proxy;
pub(super) mod pull;
pub(super) mod push;
pub(super) mod rollout;
pub(super) mod second_deploy;
pub(super) mod typing;

use anyhow::{Result, bail};

use crate::bed::Cli;

/// The answer of a verb that must succeed.
fn good(cli: Cli) -> Result<Cli> {
    match cli.code {
        0 => Ok(cli),
        code => bail!("exit code {code}: {}{}", cli.stdout, cli.stderr),
    }
}
