//! Why a deployment failed, in words that help: what was seen, the last lines, a guess.

use std::net::{IpAddr, SocketAddr};

use mirage_core::{
    Cause, Check, Code, DeploymentId, ExecEnding, Exit, Failure, InstanceId, LogQuery, Port, ProbeFailure,
    Revision, Timing,
};

use super::observe::View;
use super::{Reconciler, deadline};

/// Lines of output that go into the record of a failure.
const TAIL: usize = 20;
/// Lines of a health command that go there too.
const COMMAND_TAIL: usize = 10;

impl Reconciler {
    pub(super) async fn diagnose(&self, view: &View, cause: &Cause) -> Failure {
        match cause {
            Cause::Image(failure) | Cause::Engine(failure) => failure.clone(),
            Cause::Exited { instance, exit } => {
                let deployment = deployment_of(view, *instance);
                let log_tail = self.tail(view, deployment).await;
                let name = &view.service.name;
                let message = match &exit.start_error {
                    Some(why) => format!("`{name}` could not be started: {why}"),
                    None => format!("the process of `{name}` ended before it was healthy: {exit}"),
                };
                let hint = exit_hint(exit, &log_tail);
                Failure { code: Code::StartFailed, message, hint: Some(hint), log_tail }
            }
            Cause::Unhealthy { instance, last } => {
                self.diagnose_unhealthy(view, *instance, last.as_ref()).await
            }
        }
    }

    async fn diagnose_unhealthy(
        &self,
        view: &View,
        instance: InstanceId,
        last: Option<&ProbeFailure>,
    ) -> Failure {
        let deployment = deployment_of(view, instance);
        let mut log_tail = self.tail(view, deployment).await;
        let said = last.map(|last| last.last_lines(COMMAND_TAIL)).unwrap_or_default();
        log_tail.extend(said.into_iter().map(|line| format!("HEALTHCHECK: {line}")));
        let name = &view.service.name;
        let found = deployment.and_then(|id| view.deployment(id));
        let Some((_, revision)) = found else {
            let message = format!("`{name}` did not become healthy");
            return Failure { code: Code::ProbeFailed, message, hint: None, log_tail };
        };
        let (asked, timing) = (revision.check().asked(), revision.timing());
        let seen = last.map_or_else(|| "no answer".to_owned(), ToString::to_string);
        let seconds = timing.budget_millis.div_ceil(1000);
        let message = format!("`{name}` was not healthy after {seconds} s: {asked} gave {seen}");
        let listening = self.parts.engine.listening(instance);
        let sockets =
            deadline::within(deadline::DIAGNOSE, "look at sockets", listening).await.unwrap_or_default();
        let hint = probe_hint(revision, last, &sockets);
        Failure { code: Code::ProbeFailed, message, hint: Some(hint), log_tail }
    }

    /// The last lines of what the deployment's instances wrote.
    async fn tail(&self, view: &View, deployment: Option<DeploymentId>) -> Vec<String> {
        let query = LogQuery { deployment, limit: Some(TAIL), ..LogQuery::default() };
        let read = self.parts.engine.logs().read(view.service.id, &query);
        let lines = deadline::within(deadline::DIAGNOSE, "look at the logs", read).await.unwrap_or_default();
        lines.into_iter().map(|line| line.text).collect()
    }
}

fn deployment_of(view: &View, instance: InstanceId) -> Option<DeploymentId> {
    view.observed.instances.iter().find(|i| i.id == instance).map(|i| i.deployment)
}

/// A guess at why a process ended.
fn exit_hint(exit: &Exit, tail: &[String]) -> String {
    if exit.start_error.is_some() {
        return "check the image's entrypoint and command: `mirage inspect` shows them".into();
    }
    if exit.oom {
        return "it used more memory than it may; give it more with `--memory`".into();
    }
    if let Some(line) = tail.iter().rev().find(|line| speaks_of_a_missing_variable(line)) {
        let line = line.trim();
        return format!(
            "a variable seems to be missing (`{}`); set it with `--env NAME=value`",
            clip(line, 120)
        );
    }
    match (exit.code, exit.signal) {
        (Some(0), _) => "it finished; a service has to keep running in the foreground".into(),
        (Some(126 | 127), _) => {
            "a program it calls is missing or not executable; look at the last lines".into()
        }
        (_, Some(31)) => "it used a system call that containers may not use".into(),
        _ => "the last lines it wrote say more; `mirage logs` has all of them".into(),
    }
}

fn speaks_of_a_missing_variable(line: &str) -> bool {
    let lower = line.to_lowercase();
    let variable =
        lower.contains("variable") || lower.contains("environ") || lower.contains("env ") || shouts(line);
    let missing =
        ["not set", "unset", "missing", "required", "must be set", "undefined", "not defined", "keyerror"];
    variable && missing.iter().any(|word| lower.contains(word))
}

/// Whether the line has a word like `DATABASE_URL`.
fn shouts(line: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| {
        word.len() >= 4
            && word.contains('_')
            && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    })
}

/// A guess at why a process that runs does not answer, from the sockets it listens on.
fn probe_hint(revision: &Revision, last: Option<&ProbeFailure>, sockets: &[SocketAddr]) -> String {
    if let Check::Command { .. } = revision.check() {
        return command_hint(last, revision.timing());
    }
    let Some(port) = revision.probed_port() else { return "look at its log: `mirage logs` has it".into() };
    let here: Vec<_> = sockets.iter().filter(|socket| socket.port() == port.get()).collect();
    let reachable = |socket: &&SocketAddr| !is_loopback(socket.ip());
    match last {
        Some(ProbeFailure::Status(status @ 300..=399)) => format!(
            "it answers {status}, a redirect, which is not followed; name the path that it leads to with `--health-path`, or let it count with `--health-status`"
        ),
        Some(ProbeFailure::Status(status @ (400 | 403 | 421))) => format!(
            "it runs and answers {status}; if it insists on the name it is asked by, say that with `--health-host`"
        ),
        Some(ProbeFailure::Status(status)) => {
            format!(
                "it runs and answers {status}; check `--health-path`, or what the application needs to be healthy"
            )
        }
        _ if here.iter().any(reachable) => {
            "it listens there but does not answer in time; look at its log: `mirage logs` has it".into()
        }
        _ if !here.is_empty() => format!(
            "it listens on {} only, where nobody outside its container can reach it; make it listen on 0.0.0.0:{port}",
            here[0]
        ),
        _ => other_port_hint(port, sockets),
    }
}

/// A guess at why the image's own command does not end well.
fn command_hint(last: Option<&ProbeFailure>, timing: Timing) -> String {
    const OUTSIDE: &str = "to ask from outside instead, name a path with `--health-path`";
    match last {
        Some(ProbeFailure::Command { ending: ExecEnding::TimedOut, .. }) => format!(
            "its HEALTHCHECK may take {} s; give it more with `healthcheck.timeoutSeconds`, or {OUTSIDE}",
            timing.timeout_millis.div_ceil(1000)
        ),
        Some(ProbeFailure::Command { ending: ExecEnding::Code(126 | 127), .. }) => {
            format!("a program that its HEALTHCHECK calls is missing or not executable; {OUTSIDE}")
        }
        Some(ProbeFailure::Broken(_)) => format!("its HEALTHCHECK cannot be run; {OUTSIDE}"),
        _ => format!("the last lines of its HEALTHCHECK say more; {OUTSIDE}"),
    }
}

fn other_port_hint(port: Port, sockets: &[SocketAddr]) -> String {
    let mut others: Vec<_> =
        sockets.iter().filter(|socket| !is_loopback(socket.ip())).map(SocketAddr::port).collect();
    others.sort_unstable();
    others.dedup();
    match others[..] {
        [] if sockets.is_empty() => {
            format!(
                "nothing in it listens on any port yet; it may need longer (`--health-timeout`), or `PORT={port}` to be heeded"
            )
        }
        [] => format!("it listens on {} only; make it listen on 0.0.0.0:{port}", sockets[0]),
        [other] => format!("it listens on port {other} instead; deploy with `--port {other}`"),
        _ => format!(
            "it listens on ports {} instead; name the right one with `--port`",
            others.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn clip(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_names_a_missing_variable_is_recognised() {
        for line in [
            "DATABASE_URL is not set",
            "error: environment variable FOO missing",
            "KeyError: 'API_TOKEN' KeyError",
            "config: SECRET_KEY_BASE required",
        ] {
            assert!(speaks_of_a_missing_variable(line), "{line}");
        }
        for line in ["listening on 8080", "file not found: missing", "required by libfoo"] {
            assert!(!speaks_of_a_missing_variable(line), "{line}");
        }
    }

    #[test]
    fn the_wrong_port_is_named() {
        let port = Port::new(8080).unwrap();
        let sockets = ["0.0.0.0:3000".parse().unwrap()];
        assert_eq!(
            other_port_hint(port, &sockets),
            "it listens on port 3000 instead; deploy with `--port 3000`"
        );
    }
}
