//! `mirage logs NAME…`

use std::collections::BTreeSet;

use clap::Args;
use jiff::Timestamp;
use mirage_core::{Error, LogCursor, LogPlace, Result};

use super::Context;
use super::api::segment;
use super::args::since;
use super::restarts::{Reader, read, read_on};
use super::wire::LogLine;

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
        query,
        passed: LogCursor::default(),
        seen: 0,
        connected: None,
        speakers: BTreeSet::new(),
    };
    match args.follow {
        true => read_on(&context.api, &mut output, |line| context.printer.note(line)).await,
        false => read(&context.api, &mut output).await,
    }
}

/// Where lines go.
struct Output<'a> {
    args: &'a LogsArgs,
    context: &'a Context,
    /// Everything but how many and from where.
    query: String,
    /// How far the lines of each instance have come, and how many there were.
    passed: LogCursor,
    seen: u64,
    /// When a platform answered for the first time.
    connected: Option<Timestamp>,
    /// Services and instances that have written.
    speakers: BTreeSet<(String, String)>,
}

impl Reader for Output<'_> {
    fn path(&self) -> String {
        let Self { query, passed, .. } = self;
        match (self.seen, self.args.limit, self.connected) {
            (0, Some(limit), None) => format!("/api/logs?{query}&limit={limit}"),
            // Who wanted some of those from before, and there were none, wants all that came since.
            (0, Some(_), Some(since)) => format!("/api/logs?{query}&after=@{}", since.as_microsecond()),
            (0, None, _) => format!("/api/logs?{query}"),
            _ => format!("/api/logs?{query}&after={passed}"),
        }
    }

    fn answered(&mut self, at: Option<Timestamp>) {
        self.connected = self.connected.or(at).or_else(|| Some(self.context.surroundings.clock.now()));
    }

    async fn take(&mut self, text: String) -> Result<()> {
        let line: LogLine = serde_json::from_str(&text)
            .map_err(|error| Error::internal("read a log line of the platform", error))?;
        self.passed.pass(line.next.parse::<LogPlace>()?, line.time);
        self.seen += 1;
        match self.context.printer.json {
            true => self.context.printer.data(&text),
            false => self.show(line),
        }
        Ok(())
    }
}

impl Output<'_> {
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
