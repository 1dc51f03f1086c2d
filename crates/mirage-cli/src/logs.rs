//! `mirage logs NAME`

use std::collections::BTreeSet;
use std::pin::pin;

use clap::Args;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mirage_core::{Error, Result};

use super::Context;
use super::api::segment;
use super::args::since;
use super::wire::LogLine;

/// Show what a service wrote
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mirage logs web -f\n  mirage logs web --since 10m --grep error")]
pub struct LogsArgs {
    /// The service: a name, an id, or project/environment/name
    name: String,
    /// Go on with every new line
    #[arg(long, short)]
    follow: bool,
    /// Only since this time, or so long ago: 10m, 2h
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only lines that contain this text
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only lines of this deployment
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,
    /// Only the last so many
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<u32>,
    /// Show the time of each line
    #[arg(long, short)]
    timestamps: bool,
}

pub(crate) async fn run(args: LogsArgs, context: Context) -> Result<()> {
    let lines = context.api.lines(&path(&args, context.surroundings.clock.now())?).await?;
    let mut lines = pin!(lines);
    let mut instances = BTreeSet::new();
    while let Some(line) = lines.try_next().await? {
        if context.printer.json {
            context.printer.data(&line);
            continue;
        }
        let line: LogLine = serde_json::from_str(&line)
            .map_err(|error| Error::internal("read a log line of the platform", error))?;
        instances.insert(line.instance.clone());
        context.printer.data(&shown(&line, instances.len() > 1, args.timestamps));
    }
    Ok(())
}

fn path(args: &LogsArgs, now: Timestamp) -> Result<String> {
    let mut path = format!("/api/services/{}/logs?follow={}", segment(&args.name), args.follow);
    let mut add = |name: &str, value: &str| {
        path += &format!("&{name}={}", segment(value));
    };
    if let Some(text) = &args.since {
        add("since", &since(text, now)?.to_string());
    }
    if let Some(text) = &args.until {
        add("until", &since(text, now)?.to_string());
    }
    if let Some(text) = &args.grep {
        add("grep", text);
    }
    if let Some(id) = &args.deployment {
        add("deployment", id);
    }
    if let Some(limit) = args.limit {
        add("limit", &limit.to_string());
    }
    Ok(path)
}

/// The line, with the instance before it once more than one has spoken.
fn shown(line: &LogLine, several: bool, timestamps: bool) -> String {
    let time = if timestamps { format!("{} ", line.time) } else { String::new() };
    let who =
        if several { format!("{} | ", &line.instance[..line.instance.len().min(8)]) } else { String::new() };
    format!("{time}{who}{}", line.text)
}
