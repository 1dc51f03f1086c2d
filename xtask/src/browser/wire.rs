//! The DevTools protocol over two pipes: JSON, each message with a zero byte after it.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// How long an answer may take: a screenshot on a busy machine, or axe on a long page.
const PATIENCE: Duration = Duration::from_secs(60);

/// Both ends of the pipes to one Chromium. Chromium ends when it is dropped.
pub(super) struct Wire {
    writer: Mutex<Option<PipeWriter>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    last: Mutex<u64>,
    /// Who waits for an answer, by the number of the question. Nobody can once the pipe is closed.
    asked: Mutex<Option<HashMap<u64, Sender<Value>>>>,
    /// Who hears of events, by session.
    sessions: Mutex<HashMap<String, Sender<Value>>>,
}

impl Wire {
    /// Begins to speak by these pipes.
    pub(super) fn new(writer: PipeWriter, reader: PipeReader) -> Self {
        let shared = Arc::new(Shared { asked: Mutex::new(Some(HashMap::new())), ..Shared::default() });
        let heard = shared.clone();
        std::thread::spawn(move || heard.listen(reader));
        Self { writer: Mutex::new(Some(writer)), shared }
    }

    /// Asks one thing, of a session or of the browser as a whole.
    ///
    /// # Errors
    /// Where Chromium refuses, is gone, or takes longer than a minute.
    pub(super) fn ask(&self, session: Option<&str>, method: &str, parameters: Value) -> Result<Value> {
        let number = {
            let mut last = held(&self.shared.last);
            *last += 1;
            *last
        };
        let (sender, answer) = channel();
        held(&self.shared.asked).as_mut().context("chromium has ended")?.insert(number, sender);
        let mut question = json!({"id": number, "method": method, "params": parameters});
        if let Some(session) = session {
            question["sessionId"] = json!(session);
        }
        let mut bytes = question.to_string().into_bytes();
        bytes.push(0);
        let written = match held(&self.writer).as_mut() {
            Some(writer) => writer.write_all(&bytes),
            None => bail!("chromium was ended"),
        };
        written.context("chromium has ended")?;
        let answer = answer.recv_timeout(PATIENCE).with_context(|| format!("`{method}` had no answer"))?;
        match answer.get("error") {
            Some(error) => bail!("{method}: {}", error["message"].as_str().unwrap_or("refused")),
            None => Ok(answer["result"].clone()),
        }
    }

    /// What a session tells from now on.
    pub(super) fn hear(&self, session: &str) -> Receiver<Value> {
        let (sender, events) = channel();
        held(&self.shared.sessions).insert(session.to_owned(), sender);
        events
    }

    /// Closes the pipe, upon which Chromium ends by itself.
    pub(super) fn close(&self) {
        *held(&self.writer) = None;
    }
}

impl Shared {
    fn listen(&self, reader: PipeReader) {
        let (mut reader, mut bytes) = (BufReader::with_capacity(1 << 16, reader), Vec::new());
        while reader.read_until(0, &mut bytes).is_ok_and(|read| read > 0) {
            bytes.pop();
            if let Ok(message) = serde_json::from_slice::<Value>(&bytes) {
                self.pass_on(message);
            }
            bytes.clear();
        }
        // Whoever waits hears that nothing comes any more.
        *held(&self.asked) = None;
        held(&self.sessions).clear();
    }

    fn pass_on(&self, message: Value) {
        if let Some(number) = message["id"].as_u64() {
            let waiting = held(&self.asked).as_mut().and_then(|asked| asked.remove(&number));
            // Whoever asked may have given up.
            waiting.map(|waiting| waiting.send(message));
        } else if let Some(session) = message["sessionId"].as_str()
            && let Some(listener) = held(&self.sessions).get(session)
        {
            listener.send(message).ok();
        }
    }
}

/// What a mutex holds; a thread that panicked with it left nothing half done.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
