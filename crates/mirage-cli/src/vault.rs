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
    /// Begin anew where the key is lost for good: removes every login and every sealed variable
    Reset(ResetArgs),
}

/// Seal every secret anew under a new key
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage vault rotate\n  mirage vault rotate --json")]
pub struct RotateArgs {}

/// Begin anew where the key is lost for good: removes every login and every sealed variable
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage vault reset --drop-secrets\n  mirage vault reset --drop-secrets --json"
)]
pub struct ResetArgs {
    /// Yes, what is sealed is to be removed
    #[arg(long, required = true)]
    drop_secrets: bool,
}

#[derive(Debug, Deserialize)]
struct GivenUp {
    credentials: u64,
    variables: u64,
    certificates: u64,
}

#[derive(Debug, Deserialize)]
struct Rotated {
    records: usize,
}

pub(crate) async fn run(verb: VaultVerb, context: Context) -> Result<()> {
    let start = Instant::now();
    if let VaultVerb::Reset(_) = verb {
        let done: Told<GivenUp> = context.api.post("/api/vault/reset", &json!({})).await?;
        if context.printer.json {
            context.printer.json(&done);
        }
        let GivenUp { credentials, variables, certificates } = &*done;
        let text = format!(
            "the vault, {credentials} logins, {variables} variables and {certificates} certificate keys removed"
        );
        context.printer.step("Reset", &text, Some(start.elapsed()));
        return Ok(());
    }
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
