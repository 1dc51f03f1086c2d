//! What a browser measures of a page.

use std::fmt;

use anyhow::Result;
use serde_json::Value;

use super::page::Page;

/// Figures of one page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Milliseconds until the first byte of the answer.
    pub answer: f64,
    /// Milliseconds until the first text or picture is on the screen; -1 where that took more than two seconds.
    pub first_paint: f64,
    /// How much was moved after it had been shown: 0 is nothing.
    pub shift: f64,
    /// Bytes of the page itself, unpacked.
    pub html: u64,
    /// The same of style.
    pub style: u64,
    /// The same of scripts.
    pub script: u64,
    /// Bytes that came over the line, packed, heads and all files.
    pub moved: u64,
}

const MEASURE: &str = "async () => {
  const shifts = [];
  const observer = new PerformanceObserver(list => shifts.push(...list.getEntries()));
  observer.observe({type: 'layout-shift', buffered: true});
  // Nothing that is not painted within two seconds is waited for.
  await new Promise(done => {
    new PerformanceObserver(list => { if (list.getEntriesByName('first-contentful-paint').length) { done(); } })
      .observe({type: 'paint', buffered: true});
    setTimeout(done, 2000);
  });
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  shifts.push(...observer.takeRecords());
  const page = performance.getEntriesByType('navigation')[0];
  const files = performance.getEntriesByType('resource');
  const bytes = end => files.filter(it => new URL(it.name).pathname.endsWith(end)).reduce((all, it) => all + it.decodedBodySize, 0);
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  return {
    answer: page.responseStart - page.requestStart,
    paint: paint ? paint.startTime : -1,
    shift: shifts.filter(it => !it.hadRecentInput).reduce((all, it) => all + it.value, 0),
    html: page.decodedBodySize, style: bytes('.css'), script: bytes('.js'),
    moved: page.transferSize + files.reduce((all, it) => all + it.transferSize, 0),
  };
}";

impl Page {
    /// What the browser measured since it asked for the page.
    ///
    /// # Errors
    /// Where the page goes away meanwhile.
    pub fn figures(&self) -> Result<Figures> {
        let measured = self.call(MEASURE, &[])?;
        let number = |name: &str| measured[name].as_f64().unwrap_or(-1.0);
        let bytes = |name: &str| measured[name].as_u64().unwrap_or_default();
        Ok(Figures {
            answer: number("answer"),
            first_paint: number("paint"),
            shift: number("shift"),
            html: bytes("html"),
            style: bytes("style"),
            script: bytes("script"),
            moved: bytes("moved"),
        })
    }

    /// How many answers its scripts have had from addresses that end so.
    ///
    /// # Errors
    /// As [`Self::figures`].
    pub fn answers_of(&self, end: &str) -> Result<usize> {
        const ANSWERS: &str = "end => performance.getEntriesByType('resource')
          .filter(it => it.responseEnd > 0 && new URL(it.name).pathname.endsWith(end)).length";
        let count = self.call(ANSWERS, &[Value::from(end)])?;
        Ok(usize::try_from(count.as_u64().unwrap_or_default())?)
    }

    /// When the page's text first had these words in it, counted from 1970, in milliseconds. It watches from the moment
    /// [`Self::watch_for`] was called.
    ///
    /// # Errors
    /// Where it never did.
    pub fn seen_at(&self) -> Result<f64> {
        let seen = self.call("() => globalThis.seen", &[])?;
        Ok(seen.as_f64().unwrap_or(-1.0))
    }

    /// Has the browser write down when these words are first on the page: [`Self::seen_at`].
    ///
    /// # Errors
    /// Where the page goes away meanwhile.
    pub fn watch_for(&self, words: &str) -> Result<()> {
        const WATCH: &str = "words => {
          globalThis.seen = null;
          const look = () => { if (seen === null && document.body.innerText.includes(words)) { globalThis.seen = Date.now(); } };
          new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
          look();
        }";
        self.call(WATCH, &[Value::from(words)]).map(|_| ())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answer, first_paint, shift, html, style, script, moved } = self;
        write!(f, "answer {answer:.1} ms, first paint {first_paint:.0} ms, shift {shift:.3}, ")?;
        write!(f, "html {html}, style {style}, script {script}, moved {moved} bytes")
    }
}
