//! `mirage logs NAME…`

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mirage_core::{Code, Error, LogCursor, LogPlace, Result};

use super::Context;
use super::api::segment;
use super::args::since;
use super::wire::LogLine;

/// Pauses before a platform that went away is asked again: at first, and at most.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// Show what services wrote
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mirage logs web -f\n  mirage logs web worker -f --level warn\n  mirage logs web --since 10m --regex 'status=5..'"
)]
pub struct LogsArgs {
    /// The services: names, ids, or project/environment/name
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Go on with every new line, also over a restart of the platform
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
    /// Only lines that this regular expression matches
    #[arg(long, value_name = "PATTERN")]
    regex: Option<String>,
    /// Only JSON lines of this level or a worse one: trace, debug, info, warn, error, fatal
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
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
    let query = query(&args, context.surroundings.clock.now())?;
    let mut output = Output {
        args: &args,
        context: &context,
        passed: LogCursor::default(),
        seen: 0,
        connected: None,
        speakers: BTreeSet::new(),
    };
    let first = match args.limit {
        Some(limit) => format!("{query}&limit={limit}"),
        None => query.clone(),
    };
    let mut ended = output.pass_on(&first).await;
    let mut pause = PAUSE;
    // Only what was connected once is waited for: a wrong address is no platform that was restarted.
    while let (true, Some(since)) = (args.follow, output.connected) {
        match ended {
            Ok(()) => {}
            Err(error) if error.code() == Code::TargetUnavailable => {
                context.printer.note("the platform went away; waiting for it");
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
        let seen = output.seen;
        let next = match seen {
            // Who wanted some of those from before, and there were none, wants all that came since.
            0 if args.limit.is_some() => format!("{query}&after=@{}", since.as_microsecond()),
            0 => first.clone(),
            _ => format!("{query}&after={}", output.passed),
        };
        ended = output.pass_on(&next).await;
        pause = if output.seen > seen { PAUSE } else { (pause * 2).min(PAUSE_MOST) };
    }
    ended
}

/// Where lines go.
struct Output<'a> {
    args: &'a LogsArgs,
    context: &'a Context,
    /// How far the lines of each instance have come, and how many there were.
    passed: LogCursor,
    seen: u64,
    /// When a platform answered for the first time.
    connected: Option<Timestamp>,
    /// Services and instances that have written.
    speakers: BTreeSet<(String, String)>,
}

impl Output<'_> {
    /// Shows every line of an answer until it ends.
    async fn pass_on(&mut self, query: &str) -> Result<()> {
        let (lines, date) = self.context.api.lines(&format!("/api/logs?{query}")).await?;
        self.connected = self.connected.or(date).or_else(|| Some(self.context.surroundings.clock.now()));
        let mut lines = pin!(lines);
        while let Some(text) = lines.try_next().await? {
            let line: LogLine = serde_json::from_str(&text)
                .map_err(|error| Error::internal("read a log line of the platform", error))?;
            self.passed.pass(line.next.parse::<LogPlace>()?, line.time);
            self.seen += 1;
            if self.context.printer.json {
                self.context.printer.data(&text);
            } else {
                self.show(line);
            }
        }
        Ok(())
    }

    fn show(&mut self, line: LogLine) {
        if line.lost_before {
            self.context
                .printer
                .note("lines are missing here: the log's size limit took them away before they were read");
        }
        let shown = self.shown(&line);
        self.context.printer.data(&shown);
    }

    /// The line, with the service before it where several are asked for, and the instance where several speak.
    fn shown(&mut self, line: &LogLine) -> String {
        let instance = &line.instance[..line.instance.len().min(8)];
        self.speakers.insert((line.service.clone(), line.instance.clone()));
        let siblings = self.speakers.iter().filter(|(service, _)| *service == line.service).count();
        let who = match (self.args.names.len() > 1, siblings > 1) {
            (false, false) => String::new(),
            (false, true) => format!("{instance} | "),
            (true, false) => format!("{} | ", line.service),
            (true, true) => format!("{} {instance} | ", line.service),
        };
        let time = if self.args.timestamps { format!("{} ", line.time) } else { String::new() };
        format!("{time}{who}{}", line.text)
    }
}

/// Everything but how many and from where.
fn query(args: &LogsArgs, now: Timestamp) -> Result<String> {
    let mut query = format!("follow={}", args.follow);
    let mut add = |name: &str, value: &str| {
        query += &format!("&{name}={}", segment(value));
    };
    args.names.iter().for_each(|name| add("service", name));
    for (name, text) in [("since", &args.since), ("until", &args.until)] {
        if let Some(text) = text {
            add(name, &since(text, now)?.to_string());
        }
    }
    let plain = [
        ("grep", &args.grep),
        ("regex", &args.regex),
        ("level", &args.level),
        ("deployment", &args.deployment),
    ];
    for (name, text) in plain {
        if let Some(text) = text {
            add(name, text);
        }
    }
    Ok(query)
}
