//! What is timed while somebody uses a page: answers to what is typed, frames.

use anyhow::{Context, Result};
use serde_json::Value;

use super::page::Page;

/// How much is in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Elements.
    pub elements: u64,
    /// Bytes of the objects of its scripts.
    pub heap: u64,
}

impl Page {
    /// Has the browser write down how long after the last key these words are first on the page: [`Self::answered`].
    ///
    /// # Errors
    /// Where the page goes away meanwhile.
    pub fn watch_typing_for(&self, words: &str) -> Result<()> {
        const WATCH: &str = "words => {
          globalThis.typed = globalThis.answered = null;
          globalThis.watching?.disconnect();
          const look = () => {
            if (answered === null && document.body.innerText.includes(words)) { answered = performance.now() - typed; }
          };
          globalThis.watching = new MutationObserver(look);
          watching.observe(document.body, {subtree: true, childList: true, characterData: true});
          document.addEventListener('input', () => { globalThis.typed = performance.now(); }, true);
        }";
        self.call(WATCH, &[Value::from(words)]).map(|_| ())
    }

    /// Milliseconds from the last key to the words, once they are there.
    ///
    /// # Errors
    /// As [`Self::watch_typing_for`], and where they do not come.
    pub fn answered(&self) -> Result<f64> {
        let mut after = None;
        self.until_so("the words that are watched for", || {
            after = self.call("() => globalThis.answered", &[])?.as_f64();
            Ok(after.is_some())
        })?;
        after.context("there is no answer")
    }

    /// Begins to time frames: [`Self::frames`].
    ///
    /// # Errors
    /// Where the page goes away meanwhile.
    pub fn time_frames(&self) -> Result<()> {
        const TIME: &str = "() => {
          const times = globalThis.frames = [];
          const next = now => { if (globalThis.frames === times) { times.push(now); requestAnimationFrame(next); } };
          requestAnimationFrame(next);
        }";
        self.call(TIME, &[]).map(|_| ())
    }

    /// Milliseconds from each frame to the next since [`Self::time_frames`], which ends here.
    ///
    /// # Errors
    /// Where the page went away meanwhile.
    pub fn frames(&self) -> Result<Vec<f64>> {
        const FRAMES: &str = "async () => {
          // What is under way is in the next one, or in the one after it.
          await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
          const times = globalThis.frames;
          globalThis.frames = null;
          return times.slice(1).map((time, at) => time - times[at]);
        }";
        let frames = self.call(FRAMES, &[])?;
        Ok(frames.as_array().context("no frames were timed")?.iter().filter_map(Value::as_f64).collect())
    }

    /// How many lines of a log are in it, and the last one.
    ///
    /// # Errors
    /// Where the page goes away meanwhile.
    pub fn log_lines(&self) -> Result<(usize, String)> {
        const LINES: &str = "() => {
          const chunks = [...document.querySelectorAll('[role=log] .chunk')];
          const count = chunks.reduce((all, it) => all + it.childElementCount, 0);
          return [count, chunks.at(-1)?.lastElementChild?.textContent ?? ''];
        }";
        let told = self.call(LINES, &[])?;
        let count = usize::try_from(told[0].as_u64().unwrap_or_default())?;
        Ok((count, told[1].as_str().unwrap_or_default().to_owned()))
    }

    /// How many pixels of a log are above what is seen of it.
    ///
    /// # Errors
    /// Where the page goes away meanwhile.
    pub fn log_top(&self) -> Result<f64> {
        let top = self.call("() => document.querySelector('[role=log]').scrollTop", &[])?;
        Ok(top.as_f64().unwrap_or_default())
    }

    /// How much is in it now.
    ///
    /// # Errors
    /// Where the page goes away meanwhile.
    pub fn weight(&self) -> Result<Weight> {
        let heap =
            self.tell("Runtime.getHeapUsage", Value::Object(serde_json::Map::new()))?["usedSize"].as_f64();
        let elements = self.call("() => document.querySelectorAll('*').length", &[])?.as_u64();
        Ok(Weight { elements: elements.unwrap_or_default(), heap: heap.unwrap_or_default() as u64 })
    }
}
