//! What was typed, as the values that it means. Errors name the field as the REST face does.

use std::str::FromStr;

use mirage_control::DraftFields;
use mirage_core::{Code, Error, Port, Probe, Resources, RestartPolicy, Result, Rollout, VolumeMount};
use mirage_core::{bytes_of, cores_of, thousandths_of};

use super::typed::VOLUMES_MAX;

/// A field that has to be of a kind, at the name by which errors know it; nothing where it is empty.
pub(super) fn read<T: FromStr<Err = Error>>(
    fields: &DraftFields,
    name: &str,
    known: &str,
) -> Result<Option<T>> {
    let text = fields.get(name);
    (!text.is_empty()).then(|| text.parse().map_err(|error: Error| error.field(known))).transpose()
}

/// A whole number.
pub(super) fn number<T: FromStr>(fields: &DraftFields, name: &str, known: &str) -> Result<Option<T>> {
    let text = fields.get(name);
    let wrong =
        || invalid(known, format!("`{text}` is not a number that is possible here"), "write digits alone");
    (!text.is_empty()).then(|| text.parse().map_err(|_| wrong())).transpose()
}

/// The ports that were typed, each once; an empty list for a worker.
pub(super) fn ports(fields: &DraftFields) -> Result<Option<Vec<Port>>> {
    let words = words(fields.get("ports"));
    let at = |what: String, hint: &str| Err(invalid("ports", what, hint));
    if fields.has("worker") {
        return match words.is_empty() {
            true => Ok(Some(Vec::new())),
            false => at(
                "a worker listens on nothing, and there are ports".into(),
                "take the ports out, or the tick at “Worker”",
            ),
        };
    }
    let mut all: Vec<Port> = Vec::new();
    for word in words {
        let Ok(port) = word.parse::<Port>() else {
            return at(
                format!("`{word}` is not a port"),
                "ports are numbers from 1 to 65535, such as `8080, 9090`",
            );
        };
        if all.contains(&port) {
            return at(
                format!("port {port} is listed twice"),
                "list each port once, the one for the traffic first",
            );
        }
        all.push(port);
    }
    Ok((!all.is_empty()).then_some(all))
}

/// Text divided by spaces and commas.
pub(super) fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()).collect()
}

/// Arguments, a line each.
pub(super) fn command(fields: &DraftFields) -> Option<Vec<String>> {
    let text = fields.get("command");
    (!text.is_empty()).then(|| text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect())
}

/// How health is judged.
pub(super) fn probe(fields: &DraftFields) -> Result<Probe> {
    let text = |name: &str| Some(fields.get(name).to_owned()).filter(|text| !text.is_empty());
    Ok(Probe {
        path: text("health-path"),
        port: number::<Port>(fields, "health-port", "healthcheck.port")?.map(Port::get),
        host: text("health-host"),
        expected: read(fields, "health-status", "healthcheck.status")?,
        interval_millis: millis(fields, "health-interval", "healthcheck.intervalSeconds")?,
        timeout_millis: millis(fields, "health-answer", "healthcheck.timeoutSeconds")?,
        budget_millis: millis(fields, "health-timeout", "healthcheck.startTimeoutSeconds")?,
        threshold: number(fields, "health-threshold", "healthcheck.threshold")?,
    })
}

/// Limits of an instance.
pub(super) fn resources(fields: &DraftFields) -> Result<Resources> {
    let amount = |name: &str, known: &'static str, example: &'static str| {
        let text = fields.get(name);
        let hint = format!("an amount looks like `{example}`");
        move || Error::new(Code::InvalidRequest, format!("`{text}` is no amount")).field(known).hint(hint)
    };
    let (memory, cpu) = (fields.get("memory"), fields.get("cpu"));
    let memory_bytes = match memory {
        "" => None,
        text => Some(bytes_of(text).ok_or_else(amount("memory", "resources.memory", "256MiB"))?),
    };
    let cpu_millis = match cpu {
        "" => None,
        text => Some(cores_of(text).ok_or_else(amount("cpu", "resources.cpu", "0.5"))?),
    };
    let usual = Resources::default();
    let pids = number(fields, "pids", "resources.pids")?.unwrap_or(usual.pids);
    Ok(Resources { memory_bytes, cpu_millis, pids })
}

/// How one deployment follows another.
pub(super) fn rollout(fields: &DraftFields) -> Result<Rollout> {
    let usual = Rollout::default();
    Ok(Rollout {
        surge: number(fields, "surge", "rollout.surge")?,
        overlap_seconds: number(fields, "overlap", "rollout.overlapSeconds")?
            .unwrap_or(usual.overlap_seconds),
        drain_seconds: number(fields, "drain", "rollout.drainSeconds")?.unwrap_or(usual.drain_seconds),
    })
}

/// What happens when the process exits.
pub(super) fn restart(fields: &DraftFields) -> RestartPolicy {
    match fields.get("restart") {
        "always" => RestartPolicy::Always,
        "never" => RestartPolicy::Never,
        _ => RestartPolicy::OnFailure,
    }
}

/// The volumes that have a name: a path without one is not kept.
pub(super) fn volumes(fields: &DraftFields) -> Result<Vec<VolumeMount>> {
    let mut all = Vec::new();
    for at in 0..VOLUMES_MAX {
        let [name, path] = ["name", "path"].map(|part| format!("volume-{at}-{part}"));
        let volume = read(fields, &name, "volumes")?;
        let Some(volume) = volume else { continue };
        let path = read(fields, &path, "volumes")?.ok_or_else(|| {
            invalid(
                "volumes",
                format!("the volume `{volume}` has no path"),
                "a path looks like `/var/lib/data`",
            )
        })?;
        all.push(VolumeMount { volume, path });
    }
    Ok(all)
}

fn millis(fields: &DraftFields, name: &str, known: &str) -> Result<Option<u64>> {
    let text = fields.get(name);
    let wrong = || {
        invalid(known, format!("`{text}` is not a number of seconds"), "write seconds, such as `30` or `0.5`")
    };
    match text {
        "" => Ok(None),
        text => match thousandths_of(text) {
            Some(millis @ 1..=86_400_000) => Ok(Some(millis)),
            _ => Err(wrong()),
        },
    }
}

fn invalid(known: &str, what: String, hint: &str) -> Error {
    Error::new(Code::InvalidRequest, what).field(known).hint(hint)
}
