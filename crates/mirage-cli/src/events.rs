//! `mirage events`

use std::pin::pin;

use clap::Args;
use futures_util::TryStreamExt;
use mirage_core::{Error, Result};

use super::Context;
use super::api::segment;
use super::args::since;
use super::wire::{Event, Events, Told};

/// Show who did what, and what happened
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage events --service web --since 1d\n  mirage events -f --kind deploymentRequested"
)]
pub struct EventsArgs {
    /// Go on with every new event
    #[arg(long, short)]
    follow: bool,
    /// Only about this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only about this deployment
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,
    /// Only of this kind, such as serviceScaled
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only by this one: admin, mirage, or a token as project/name
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only since this time, or so long ago: 10m, 2h, 7d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only those that follow this number
    #[arg(long, value_name = "NUMBER")]
    after: Option<i64>,
    /// The most events (default: 100)
    #[arg(long, short = 'n', value_name = "N", conflicts_with = "follow")]
    limit: Option<u32>,
}

pub(crate) async fn run(args: EventsArgs, context: Context) -> Result<()> {
    let now = context.surroundings.clock.now();
    let mut path = format!("/api/events?follow={}", args.follow);
    let mut add = |name: &str, value: &str| path += &format!("&{name}={}", segment(value));
    for (name, text) in [("since", &args.since), ("until", &args.until)] {
        if let Some(text) = text {
            add(name, &since(text, now)?.to_string());
        }
    }
    let plain = [
        ("service", args.service),
        ("deployment", args.deployment),
        ("kind", args.kind),
        ("actor", args.actor),
        ("after", args.after.map(|number| number.to_string())),
        ("limit", args.limit.map(|limit| limit.to_string())),
    ];
    for (name, text) in plain {
        if let Some(text) = text {
            add(name, &text);
        }
    }
    if args.follow {
        return follow(&path, &context).await;
    }
    let found: Told<Events> = context.api.get(&path).await?;
    if context.printer.json {
        context.printer.json(&found);
        return Ok(());
    }
    let mut rows = vec![["NUMBER", "TIME", "WHO", "WHAT", "ABOUT"].map(str::to_owned).to_vec()];
    rows.extend(found.events.iter().map(row));
    context.printer.table(&rows);
    Ok(())
}

async fn follow(path: &str, context: &Context) -> Result<()> {
    let (lines, _) = context.api.lines(path).await?;
    let mut lines = pin!(lines);
    while let Some(line) = lines.try_next().await? {
        if context.printer.json {
            context.printer.data(&line);
            continue;
        }
        let event: Event = serde_json::from_str(&line)
            .map_err(|error| Error::internal("read an event of the platform", error))?;
        context.printer.data(row(&event).join("  ").trim_end());
    }
    Ok(())
}

fn row(event: &Event) -> Vec<String> {
    let about = event.service.as_deref().map_or(String::new(), |id| id[..id.len().min(8)].to_owned());
    let time = event.time.strftime("%Y-%m-%d %H:%M:%S").to_string();
    vec![event.number.to_string(), time, event.actor.clone(), event.told(), about]
}
