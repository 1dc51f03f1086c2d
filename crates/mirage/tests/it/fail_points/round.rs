//! One point after the other, and what must hold after each.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mirage_core::fault::names;
use nix::sys::signal::Signal;
use xtask::bed::eventually;

use super::act::Act;
use super::range::Range;

/// How long until a point is reached.
const LIMIT: Duration = Duration::from_secs(15);

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Crash,
    Error,
}

/// Who dies at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Control,
    Proxy,
    Shim,
    /// The process of a verb, or one that is being started: whoever asked sees its end.
    Asked,
}

impl Who {
    fn at(point: &str) -> Self {
        match point.split_once('/') {
            Some(("proxy", _)) => Self::Proxy,
            Some(("archive" | "file" | "restore" | "token", _) | ("network", "block")) => Self::Asked,
            Some(("shim", _)) | Some(("volume", "fill" | "name" | "named")) => Self::Shim,
            _ => Self::Control,
        }
    }
}

/// Tries every point there is, on one platform. Those of the proxy are last: its end is seen by who asks.
pub(super) fn at_every_point(test: &str, how: How) {
    let Some(mut range) = Range::set(test).unwrap() else { return };
    let mut points = names();
    points.sort_by_key(|point| (Who::at(point) == Who::Proxy, Act::reaching(point) == Act::Relay));
    let mut wrong = Vec::new();
    for point in &points {
        if how == How::Crash && Who::at(point) == Who::Proxy || Act::reaching(point) == Act::Relay {
            range.end_load();
        }
        let began = Instant::now();
        match round(&mut range, point, how) {
            Ok(told) => eprintln!("{:6} ms {point}: {told}", began.elapsed().as_millis()),
            Err(error) => {
                eprintln!("{:6} ms {point}: {error:#}", began.elapsed().as_millis());
                wrong.push(format!("{point}: {error:#}"));
                // What one has left over would be counted against all that follow.
                break;
            }
        }
        if range.platform.control_id().is_none() {
            range.platform.serve().unwrap();
        }
    }
    let listed: BTreeSet<String> = names().into_iter().collect();
    let passed = range.passed();
    let unlisted: Vec<_> = passed.difference(&listed).collect();
    let counts = range.end_load();
    if counts.failed > 0 || counts.good == 0 {
        wrong.push(format!("{} requests failed: {}", counts.failed, counts.faults()));
    }
    assert!(unlisted.is_empty(), "points that no list has: {unlisted:?}");
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), range.platform.narration());
}

fn round(range: &mut Range, point: &str, how: How) -> Result<String> {
    let (act, who) = (Act::reaching(point), Who::at(point));
    let subject = range.make(act).context("in peace, before")?;
    range.arm(point, if how == How::Crash { "crash" } else { "error" })?;
    if matches!(point, "reconcile/sweep" | "reconcile/swept") {
        // Only then is anything left.
        range.arm("reconcile/exited", "error")?;
    }
    let asked = range.ask(act, &subject);
    let fired = eventually("the point", LIMIT, || range.has_fired(point).then_some(()));
    range.disarm()?;
    fired.with_context(|| format!("{act:?} does not reach it ({:?})", asked.as_ref().err()))?;
    if how == How::Crash && who == Who::Control {
        let ended = range.platform.control_ended()?;
        if ended.signal() != Some(Signal::SIGKILL as i32) {
            bail!("control ended in another way: {ended}");
        }
        range.platform.serve().context("the next start")?;
    }
    let refused = asked.as_ref().err().map(|error| format!("{error:#}"));
    let failed = range.conclude(act, &subject, asked.ok().flatten(), how).context("in peace, after")?;
    if let (Some(why), How::Crash, Who::Control) = (&failed, how, who) {
        bail!("a deployment failed because control crashed: {why}");
    }
    range.settled()?;
    let told = refused.map(|why| format!("refused, {why}")).or(failed.map(|why| format!("failed, {why}")));
    Ok(told.unwrap_or_else(|| "done".to_owned()))
}
