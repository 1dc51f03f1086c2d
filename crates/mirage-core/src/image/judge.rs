//! Preflight's judgement: what is known of an image in, findings out. Nothing is asked here.

use std::collections::HashSet;

use jiff::Timestamp;

use super::attachments::{Attachments, Presence};
use super::expansion::{Origin, Words, quoted};
use super::quota::Quota;
use super::resolved::{ImageConfig, ResolvedImage};
use super::stock::Stock;
use super::verdict::{FindingCode, ImageFinding, ImageVerdict, Severity};
use crate::error::{Code, one_line};
use crate::revision::DEFAULT_PORT;
use crate::service::ServiceSpec;
use crate::size::human_bytes;

const DAY: i64 = 24 * 60 * 60;
/// An image older than this has missed a year of fixes to what it is built on.
const OLD_DAYS: i64 = 365;
/// There were no container images before March 2013: such a date stands for a build that hides its own.
const FIRST_IMAGE: i64 = 1_362_096_000;
/// The most volumes that are named.
const MAX_VOLUMES: usize = 4;

/// What an image is judged by, beside itself.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    /// The time.
    pub now: Timestamp,
    /// Whether it was resolved for the platform of the target. Otherwise `stock` says nothing.
    pub at_target: bool,
    /// What is there, and the room for the rest.
    pub stock: Stock,
    /// What it would run as; `None` where it is only looked at.
    pub spec: Option<&'a ServiceSpec>,
    /// What hangs on it.
    pub attachments: Attachments,
    /// What its registry still lets through.
    pub quota: Option<&'a Quota>,
}

/// Judges an image that was resolved: can it run, and what should be known before it does.
pub fn judge(image: &ResolvedImage, about: &Circumstances<'_>) -> ImageVerdict {
    let config = &image.config;
    let mut findings: Vec<ImageFinding> = Vec::new();
    if about.at_target {
        findings.extend(room(&about.stock));
    }
    findings.extend(no_command(config, about.spec));
    findings.extend(unexpanded(config, about.spec));
    findings.extend(root(config));
    findings.extend(volumes(config, about.spec));
    findings.extend(about.quota.and_then(|quota| low(quota, image)));
    findings.extend(no_port(config, about.spec));
    findings.extend(healthcheck(config, about.spec));
    findings.extend(old(config, about.now));
    findings.extend(unattached(&about.attachments));
    findings.sort_by_key(|finding| finding.severity);
    let place = if about.at_target { "here".to_owned() } else { format!("on {}", image.platform) };
    ImageVerdict { place, findings }
}

fn problem(code: FindingCode, refusal: Code, message: String, hint: String) -> ImageFinding {
    ImageFinding { refusal: Some(refusal), ..finding(code, Severity::Problem, message, Some(hint)) }
}

fn warning(code: FindingCode, message: String, hint: &str) -> ImageFinding {
    finding(code, Severity::Warning, message, Some(hint.to_owned()))
}

fn note(code: FindingCode, message: String, hint: Option<String>) -> ImageFinding {
    finding(code, Severity::Note, message, hint)
}

/// What is quoted comes from an image: characters that move a cursor are written as escapes.
fn finding(code: FindingCode, severity: Severity, message: String, hint: Option<String>) -> ImageFinding {
    ImageFinding { code, severity, message: one_line(message), hint: hint.map(one_line), refusal: None }
}

/// The rule of a pull, and the rule of thumb by which it explains a disk that ran full.
fn room(stock: &Stock) -> Option<ImageFinding> {
    if let Some(why) = stock.too_large() {
        let hint = "free some space where the platform keeps its data, or use a smaller image";
        let message = format!("it {why}");
        return Some(problem(FindingCode::ImageTooLarge, Code::ImageTooLarge, message, hint.to_owned()));
    }
    let (needs, free) = (stock.probably_too_large()?, stock.free_bytes?);
    let message =
        format!("it may need about {} unpacked, {} are free", human_bytes(needs), human_bytes(free));
    Some(warning(FindingCode::DiskTight, message, "free some space where the platform keeps its data"))
}

fn no_command(config: &ImageConfig, spec: Option<&ServiceSpec>) -> Option<ImageFinding> {
    let given = spec.and_then(|spec| spec.command.as_ref());
    let nothing = config.entrypoint.is_empty() && given.unwrap_or(&config.command).is_empty();
    nothing.then(|| {
        let hint = "give it one: `mirage deploy REF -- PROGRAM ARGUMENT…`".to_owned();
        let message = "it names no program to run".to_owned();
        problem(FindingCode::NoCommand, Code::StartFailed, message, hint)
    })
}

/// Where the words are those of the request, the request is wrong and can be written otherwise; where
/// they are the image's, it is the start that fails.
fn unexpanded(config: &ImageConfig, spec: Option<&ServiceSpec>) -> Option<ImageFinding> {
    let given = spec.and_then(|spec| spec.command.as_ref());
    let own = config.environment.iter().filter_map(|pair| pair.split('=').next());
    let set = spec.into_iter().flat_map(|spec| spec.variables.keys().map(|name| name.as_str()));
    let known: HashSet<&str> = own.chain(set).chain(["PORT"]).collect();
    let words = Words {
        entrypoint: &config.entrypoint,
        command: given.unwrap_or(&config.command),
        given: given.is_some(),
        known,
    };
    let found = words.unexpanded()?;
    let whose = match found.origin {
        Origin::Entrypoint => "its entrypoint",
        Origin::Command => "its command",
        Origin::Given => "the given command",
    };
    let shell = words.through_a_shell();
    let hint = match (found.origin, shell) {
        (Origin::Entrypoint, _) => {
            "write `ENTRYPOINT` as a shell command in its Dockerfile, without the brackets".to_owned()
        }
        (_, Some(shell)) => format!("give the command through a shell: `{shell}`; or write the value itself"),
        (_, None) => "give a command with the value itself in its place".to_owned(),
    };
    let (written, word) = (&found.written, &found.word);
    if !found.certain {
        let message =
            format!("`{written}` in {whose} is only expanded if the program does it: no shell reads it");
        return Some(warning(FindingCode::VariableNotExpanded, message, &hint));
    }
    let quote = if written == word { String::new() } else { format!(" (`{word}`)") };
    let message = format!("`{written}` in {whose}{quote} is not expanded: no shell reads it");
    let refusal = if found.origin == Origin::Given { Code::InvalidRequest } else { Code::StartFailed };
    Some(problem(FindingCode::VariableNotExpanded, refusal, message, hint))
}

fn root(config: &ImageConfig) -> Option<ImageFinding> {
    let user = config.user.split(':').next().unwrap_or_default();
    let is_root = user.is_empty() || user == "root" || user.parse::<u32>() == Ok(0);
    is_root.then(|| {
        let hint = "name another user with `USER` in its Dockerfile";
        warning(FindingCode::RunsAsRoot, "it runs as root".to_owned(), hint)
    })
}

fn volumes(config: &ImageConfig, spec: Option<&ServiceSpec>) -> Option<ImageFinding> {
    let is_kept =
        |path: &&String| spec.is_some_and(|spec| spec.volumes.iter().any(|mount| mount.path.keeps(path)));
    let all: Vec<&String> = config.volumes.iter().filter(|path| !is_kept(path)).collect();
    let mut named: Vec<String> =
        all.iter().take(MAX_VOLUMES).map(|path| format!("`{}`", quoted(path))).collect();
    if all.len() > MAX_VOLUMES {
        named.push(format!("{} more", all.len() - MAX_VOLUMES));
    }
    (!all.is_empty()).then(|| {
        let message = format!("what it writes to {} is gone when its instance is replaced", named.join(", "));
        let hint = "keep it in a volume: `mirage deploy REF --volume NAME:PATH`";
        warning(FindingCode::VolumeNotKept, message, hint)
    })
}

fn low(quota: &Quota, image: &ResolvedImage) -> Option<ImageFinding> {
    quota.is_low().then(|| {
        let of = quota.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
        let window = match quota.window_seconds {
            Some(seconds @ 3600..) => format!(" in {} h", seconds / 3600),
            Some(seconds @ 60..) => format!(" in {} min", seconds / 60),
            _ => String::new(),
        };
        let (host, left) = (image.reference.host(), quota.remaining);
        let message = format!("`{host}` lets {left}{of} pulls through{window}");
        warning(FindingCode::QuotaLow, message, "registries grant more pulls to those who log in")
    })
}

fn no_port(config: &ImageConfig, spec: Option<&ServiceSpec>) -> Option<ImageFinding> {
    let told = spec.is_some_and(|spec| {
        spec.ports.is_some() || spec.variables.keys().any(|name| name.as_str() == "PORT")
    });
    (config.ports.is_empty() && !told).then(|| {
        let message = format!("it exposes no port, so `PORT` tells it to listen on {DEFAULT_PORT}");
        note(FindingCode::NoExposedPort, message, Some("name another port with `--port`".to_owned()))
    })
}

/// A command costs a process each time, and sees the service from inside alone.
fn healthcheck(config: &ImageConfig, spec: Option<&ServiceSpec>) -> Option<ImageFinding> {
    let asked = spec.is_some_and(|spec| spec.probe.path.is_some());
    config.health_arguments().filter(|_| !asked).map(|_| {
        let hint = config.health_path().map(|path| {
            format!("to ask the same from outside, as its visitors do, deploy with `--health-path {path}`")
        });
        let message = "it counts as healthy when its HEALTHCHECK ends well, which is run in it";
        note(FindingCode::HealthcheckRun, message.to_owned(), hint)
    })
}

fn old(config: &ImageConfig, now: Timestamp) -> Option<ImageFinding> {
    let created = config.created.filter(|created| created.as_second() >= FIRST_IMAGE)?;
    let days = now.duration_since(created).as_secs() / DAY;
    (days > OLD_DAYS).then(|| {
        let age = match days / OLD_DAYS {
            1 => "over a year ago".to_owned(),
            years => format!("{years} years ago"),
        };
        let message = format!("it was built {age}, on {}", created.strftime("%Y-%m-%d"));
        note(FindingCode::OldImage, message, Some("look for a newer tag".to_owned()))
    })
}

fn unattached(attachments: &Attachments) -> Vec<ImageFinding> {
    let absent = |presence: Presence| presence == Presence::Absent;
    let mut notes = Vec::new();
    if absent(attachments.signature) {
        notes.push(note(FindingCode::NotSigned, "it has no signature".to_owned(), None));
    }
    if absent(attachments.sbom) {
        let message = "it has no list of what it consists of (SBOM)".to_owned();
        notes.push(note(FindingCode::NoSbom, message, None));
    }
    notes
}

#[cfg(test)]
mod tests;
