//! How a command is run in an instance.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use mirage_core::{Code, Error, ExecCommand, ExecOutcome, InstanceId, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{Inner, fault};
use crate::exec::{Answer, Request};

/// How much longer than its command a runner may take, on a machine that is busy.
const MARGIN: Duration = Duration::from_secs(15);
/// The longest answer that is read, in bytes: what is kept of the output, in which every byte may be written as
/// six, and the rest.
const MAX_ANSWER: u64 = 64 << 10;

/// See `InstanceEngine::exec`.
pub(super) async fn exec(inner: &Arc<Inner>, id: InstanceId, command: &ExecCommand) -> Result<ExecOutcome> {
    let Some(instance) = inner.get(id) else { return Err(gone(id, "there is no such instance")) };
    let _alone = instance.command.lock().await;
    let limit = command.timeout.min(ExecCommand::LONGEST);
    let line = request(inner, id, command, limit).map_err(|error| fault("say what to run", error))?;
    let mut runner = spawn(inner).map_err(|error| fault("start a runner of commands", error))?;
    let answer = match timeout(limit + MARGIN, converse(&mut runner, &line)).await {
        Ok(answer) => answer.map_err(|error| fault("run a command in an instance", error))?,
        Err(_) => {
            let _ = runner.start_kill();
            return Err(Error::new(Code::DeadlineExceeded, format!("a command in `{id}` cannot be ended"))
                .hint("`mirage restart` starts the service's processes anew"));
        }
    };
    match answer {
        Answer::Ended { ending, output, withstands } => {
            if withstands {
                tracing::warn!(instance = %id, "a process of a command withstands being killed");
            }
            Ok(ExecOutcome { ending, output })
        }
        Answer::Refused(why) => Err(Error::new(Code::StartFailed, why).hint(
            "check the image's HEALTHCHECK, which `mirage inspect` shows, or name a path with `--health-path`",
        )),
        Answer::Gone(why) => Err(gone(id, &why)),
        Answer::Broken(why) => {
            Err(Error::internal("run a command in an instance", anyhow::anyhow!("the runner said: {why}")))
        }
    }
}

fn gone(id: InstanceId, why: &str) -> Error {
    Error::new(Code::Conflict, format!("no command can be run in `{id}`: {why}"))
        .hint("see how the service is with `mirage status`")
}

fn request(
    inner: &Inner,
    id: InstanceId,
    command: &ExecCommand,
    limit: Duration,
) -> io::Result<Zeroizing<Vec<u8>>> {
    let variables = command.variables.iter().map(|(name, text)| (name.clone(), text.reveal().to_owned()));
    let request = Request {
        folder: inner.places.instance(id),
        arguments: command.arguments.clone(),
        variables: variables.collect(),
        timeout_millis: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        output_bytes: ExecCommand::OUTPUT_BYTES,
    };
    let mut line = Zeroizing::new(serde_json::to_vec(&request)?);
    line.push(b'\n');
    Ok(line)
}

/// Starts a runner. It inherits nothing: no descriptor, no variable (ours may be secret), no terminal.
fn spawn(inner: &Inner) -> io::Result<Child> {
    let (program, arguments) = inner.exec.split_first().ok_or(io::ErrorKind::NotFound)?;
    Command::new(program)
        .arg0("mirage")
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

/// Tells a runner what to run, and waits for its answer. Dropped before that, it closes the runner's standard
/// input, whereupon the runner ends the command and then itself.
async fn converse(runner: &mut Child, line: &[u8]) -> io::Result<Answer> {
    let (Some(mut given), Some(written)) = (runner.stdin.take(), runner.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    // A runner that did not read on has a reason, which it says.
    let _ = given.write_all(line).await;
    let mut answer = Vec::new();
    written.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    // Nobody else collects it.
    let _ = runner.wait().await;
    Ok(serde_json::from_slice(&answer)?)
}
