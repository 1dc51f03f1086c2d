//! What stands in the fields, as the settings that it means. Errors name the field as the REST face does.

use std::str::FromStr;

use mirage_control::{ServicePatch, ServiceView};
use mirage_core::{
    Code, CredentialChange, Error, Port, Probe, Resources, RestartPolicy, Result, Rollout, Secret, bytes_of,
    cores_of, thousandths_of,
};

use super::values::{Values, words};
use crate::form::Fields;

/// Seconds of a day, in milliseconds.
const DAY_MILLIS: u64 = 86_400_000;

/// All settings of the form.
///
/// # Errors
/// The first field that cannot be read.
pub(super) fn patch(view: &ServiceView, values: &Values, fields: &Fields) -> Result<ServicePatch> {
    let spec = &view.service.spec;
    let usual = Rollout::default();
    let rollout = Rollout {
        surge: number(values, "surge", "rollout.surge")?,
        overlap_seconds: number(values, "overlap", "rollout.overlapSeconds")?
            .unwrap_or(usual.overlap_seconds),
        drain_seconds: number(values, "drain", "rollout.drainSeconds")?.unwrap_or(usual.drain_seconds),
    };
    let auto_deploy = values.get("auto-deploy") == "yes";
    Ok(ServicePatch {
        credentials: credentials(view, values, fields),
        ports: Some(ports(values)?),
        command: values.has("command").then(|| words(values.get("command"))),
        probe: Some(probe(values)?),
        resources: Some(resources(values)?),
        restart: Some(match values.get("restart") {
            "always" => RestartPolicy::Always,
            "never" => RestartPolicy::Never,
            _ => RestartPolicy::OnFailure,
        }),
        allow_new_privileges: Some(values.get("privileges") == "yes"),
        // Saying it anew would end a pause that nobody meant to end.
        auto_deploy: (auto_deploy != spec.auto_deploy).then_some(auto_deploy),
        rollout: Some(rollout),
        stop_grace_seconds: number(values, "stop-grace", "stopGraceSeconds")?,
        replicas: number(values, "replicas", "replicas")?,
        ..ServicePatch::default()
    })
}

/// What is said of the login: nothing where the name is the one there is and no password was typed.
fn credentials(view: &ServiceView, values: &Values, fields: &Fields) -> CredentialChange {
    let username = values.get("username");
    let password = Some(fields.raw("password"))
        .filter(|text| !text.is_empty())
        .map(|text| Secret::from(text.to_owned()));
    let stored = view.credential.as_ref().map_or("", |owner| owner.username.as_str());
    match username == stored && password.is_none() {
        true => CredentialChange::default(),
        false => CredentialChange { username: Some(username.to_owned()), password },
    }
}

fn ports(values: &Values) -> Result<Option<Vec<Port>>> {
    let at = |what: String, hint: &str| Err(invalid("ports", what, hint));
    let text = values.get("ports");
    let words: Vec<&str> =
        text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()).collect();
    if values.get("worker") == "yes" {
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

fn probe(values: &Values) -> Result<Probe> {
    let text = |name: &str| Some(values.get(name).to_owned()).filter(|text| !text.is_empty());
    let status = values.get("health-status");
    Ok(Probe {
        path: text("health-path"),
        port: number::<Port>(values, "health-port", "healthcheck.port")?.map(Port::get),
        host: text("health-host"),
        expected: (!status.is_empty()).then(|| status.parse()).transpose()?,
        interval_millis: millis(values, "health-interval", "healthcheck.intervalSeconds")?,
        timeout_millis: millis(values, "health-answer", "healthcheck.timeoutSeconds")?,
        budget_millis: millis(values, "health-timeout", "healthcheck.startTimeoutSeconds")?,
        threshold: number(values, "health-threshold", "healthcheck.threshold")?,
    })
}

fn resources(values: &Values) -> Result<Resources> {
    let wrong = |text: &str, known: &str, example: &str| {
        invalid(known, format!("`{text}` is no amount"), &format!("an amount looks like `{example}`"))
    };
    let memory_bytes = match values.get("memory") {
        "" => None,
        text => Some(bytes_of(text).ok_or_else(|| wrong(text, "resources.memory", "256MiB"))?),
    };
    let cpu_millis = match values.get("cpu") {
        "" => None,
        text => Some(cores_of(text).ok_or_else(|| wrong(text, "resources.cpu", "0.5"))?),
    };
    let pids = number(values, "pids", "resources.pids")?.unwrap_or(Resources::default().pids);
    Ok(Resources { memory_bytes, cpu_millis, pids })
}

fn number<T: FromStr>(values: &Values, name: &str, known: &str) -> Result<Option<T>> {
    let text = values.get(name);
    let wrong =
        || invalid(known, format!("`{text}` is not a number that is possible here"), "write digits alone");
    (!text.is_empty()).then(|| text.parse().map_err(|_| wrong())).transpose()
}

fn millis(values: &Values, name: &str, known: &str) -> Result<Option<u64>> {
    let text = values.get(name);
    if text.is_empty() {
        return Ok(None);
    }
    match thousandths_of(text) {
        Some(millis @ 1..=DAY_MILLIS) => Ok(Some(millis)),
        _ => Err(invalid(
            known,
            format!("`{text}` is not a number of seconds"),
            "write seconds, such as `30` or `0.5`, at most a day",
        )),
    }
}

fn invalid(known: &str, what: String, hint: &str) -> Error {
    Error::new(Code::InvalidRequest, what).field(known).hint(hint)
}
