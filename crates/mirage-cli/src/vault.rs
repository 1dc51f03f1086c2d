//! `mirage vault`

use std::time::Instant;

use clap::{Args, Subcommand};
use mirage_core::Result;
use serde::Deserialize;
use serde_json::json;

use super::Context;
use super::wire::Told;

/// Manage the key that secrets are sealed with
#[derive(Debug, Subcommand)]
pub enum VaultVerb {
    /// Seal every secret anew under a new key
    Rotate(RotateArgs),
}

/// Seal every secret anew under a new key
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage vault rotate\n  mirage vault rotate --json")]
pub struct RotateArgs {}

#[derive(Debug, Deserialize)]
struct Rotated {
    records: usize,
}

pub(crate) async fn run(verb: VaultVerb, context: Context) -> Result<()> {
    let VaultVerb::Rotate(RotateArgs {}) = verb;
    let start = Instant::now();
    let done: Told<Rotated> = context.api.post("/api/vault/rotate", &json!({})).await?;
    if context.printer.json {
        context.printer.json(&done);
        return Ok(());
    }
    let secrets = if done.records == 1 { "secret" } else { "secrets" };
    let text = format!("the vault, {} {secrets} sealed anew", done.records);
    context.printer.step("Rotated", &text, Some(start.elapsed()));
    Ok(())
}
