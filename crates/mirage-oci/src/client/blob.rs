//! Blobs: streamed, hashed on the way, continued after a broken connection.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mirage_core::{Digest, Error};
use reqwest::header::CONTENT_RANGE;
use reqwest::{Method, Response, StatusCode};
use tokio::sync::mpsc;

use super::answer::{is_web_page, next_chunk};
use super::fault::Fault;
use super::link::{Link, Question};
use super::manifest::Descriptor;
use super::remote::RemoteImage;
use super::retry::Tries;
use crate::hash::Hasher;

/// What has to arrive within one stall timeout, so that a trickle counts as a stall, and in an attempt
/// that breaks off, so that it counts as progress.
const TRICKLE_BYTES: u64 = 16 << 10;

/// Fetches blobs from registries.
pub(crate) struct BlobFetcher {
    link: Arc<Link>,
}

/// Where a blob goes. A receiver that has gone away stops nothing: the digest is still worth knowing.
pub(crate) struct BlobSink {
    /// The bytes, in order, each once.
    pub(crate) bytes: mpsc::Sender<Bytes>,
    /// How many have arrived.
    pub(crate) arrived: Arc<AtomicU64>,
}

impl BlobFetcher {
    /// Over this link.
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// The user's error for a fault in a transfer.
    pub(crate) fn report(&self, fault: Fault, image: RemoteImage<'_>) -> Error {
        self.link.report(fault, image)
    }

    /// How often a blob that comes with wrong bytes is worth fetching: each mirror may be the cause, and once it
    /// is something on the way.
    pub(crate) fn attempts(&self, image: RemoteImage<'_>) -> usize {
        2 + self.link.mirror_count(image)
    }

    /// Fetches one blob whole. Interrupted, it goes on where it was; the bytes before and after are
    /// one stream to the sink and to the digest.
    ///
    /// # Errors
    /// A fault for the last attempt; [`Fault::WrongDigest`] when everything came and was not it. Mirrors that
    /// brought any of it are then left alone for a while, so that another fetch has it from elsewhere.
    pub(crate) async fn fetch(
        &self,
        image: RemoteImage<'_>,
        blob: &Descriptor,
        sink: BlobSink,
    ) -> Result<(), Fault> {
        let mut transfer = Transfer::new(&self.link, image, blob, sink);
        let mut tries = Tries::patient(&self.link.options().retry, self.link.jitter());
        loop {
            let before = transfer.received;
            match transfer.attempt().await {
                Ok(()) => return transfer.verify(),
                Err(fault) => {
                    let progressed = transfer.received - before >= TRICKLE_BYTES;
                    if let Err(fault) = transfer.unless_mirror(fault) {
                        tries.pause_after(fault, progressed).await?;
                    }
                }
            }
        }
    }
}

struct Transfer<'a> {
    link: &'a Link,
    image: RemoteImage<'a>,
    blob: &'a Descriptor,
    sink: BlobSink,
    hasher: Hasher,
    received: u64,
    /// Whether this registry is still trusted to send parts of blobs.
    ranges: bool,
    /// The mirrors that are not asked any more.
    past: usize,
    /// The mirror that answers now.
    mirror: Option<usize>,
    /// Every mirror that brought some of it.
    from: BTreeSet<usize>,
}

impl<'a> Transfer<'a> {
    fn new(link: &'a Link, image: RemoteImage<'a>, blob: &'a Descriptor, sink: BlobSink) -> Self {
        let hasher = Hasher::new(blob.digest.algorithm());
        let (mirror, from) = (None, BTreeSet::new());
        Self { link, image, blob, sink, hasher, received: 0, ranges: true, past: 0, mirror, from }
    }

    /// One request, from where the last one broke off. It always starts at the registry: addresses it
    /// redirects to are good for minutes only.
    async fn attempt(&mut self) -> Result<(), Fault> {
        if self.received == self.blob.size {
            return Ok(());
        }
        let from = if self.ranges { self.received } else { 0 };
        let question = Question { from_byte: from, ..self.question() };
        self.mirror = None;
        let answer = self.link.ask(&question).await.inspect_err(|fault| {
            if matches!(fault, Fault::Refused(refusal) if refusal.status == StatusCode::RANGE_NOT_SATISFIABLE)
            {
                self.ranges = false;
            }
        });
        let answer = match answer {
            Err(Fault::Refused(refusal)) if refusal.status == StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(Fault::WrongRange);
            }
            answer => answer?,
        };
        self.mirror = answer.mirror;
        let skip = self.check_head(&answer.response, from)?;
        self.receive(answer.response, skip).await
    }

    fn question(&self) -> Question<'a> {
        let item = format!("blobs/{}", self.blob.digest);
        Question { method: Method::GET, image: self.image, item, accept: None, from_byte: 0, past: self.past }
    }

    /// After a mirror's fault the next one goes on where it was; the registry's own comes back.
    fn unless_mirror(&mut self, fault: Fault) -> Result<(), Fault> {
        let mut question = self.question();
        let taken = self.link.unless_mirror(&mut question, self.mirror, fault);
        self.past = question.past;
        self.ranges |= taken.is_ok();
        taken
    }

    /// Checks status, range and announced size; answers how many bytes at the start are here already.
    fn check_head(&mut self, response: &Response, from: u64) -> Result<u64, Fault> {
        let starts_at = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
                if range.and_then(content_range) != Some((from, self.blob.size)) {
                    self.ranges = false;
                    return Err(Fault::WrongRange);
                }
                from
            }
            _ => 0,
        };
        if let Some(length) = response.content_length()
            && length != self.blob.size - starts_at
        {
            if is_web_page(response.headers()) {
                return Err(Fault::WebPage);
            }
            return Err(self.wrong_size(starts_at.saturating_add(length)));
        }
        Ok(self.received - starts_at)
    }

    async fn receive(&mut self, mut response: Response, mut skip: u64) -> Result<(), Fault> {
        let mut pace = Pace::new(self.link.options().stall_timeout);
        while let Some(mut chunk) = pace.next(&mut response).await? {
            if skip > 0 {
                let here = skip.min(chunk.len() as u64);
                skip -= here;
                chunk = chunk.slice(here as usize..);
            }
            let received = self.received + chunk.len() as u64;
            if received > self.blob.size {
                return Err(self.wrong_size(received));
            }
            if chunk.is_empty() {
                continue;
            }
            self.from.extend(self.mirror);
            self.hasher.update(&chunk);
            self.received = received;
            self.sink.arrived.store(received, Ordering::Relaxed);
            // A reader that has seen enough is no reason to stop; see `BlobSink`.
            let _ = self.sink.bytes.send(chunk).await;
        }
        match self.received == self.blob.size {
            true => Ok(()),
            false => Err(Fault::Truncated {
                blob: self.blob.digest.clone(),
                expected: self.blob.size,
                received: self.received,
            }),
        }
    }

    fn verify(self) -> Result<(), Fault> {
        let (expected, actual) = (&self.blob.digest, self.hasher.finish());
        match *expected == actual {
            true => Ok(()),
            false => {
                let fault = Fault::WrongDigest { expected: expected.clone(), actual };
                self.from.iter().for_each(|place| self.link.distrust(self.image, *place, &fault));
                Err(fault)
            }
        }
    }

    fn wrong_size(&self, actual: u64) -> Fault {
        let blob: Digest = self.blob.digest.clone();
        Fault::WrongSize { blob, expected: self.blob.size, actual }
    }
}

/// `bytes 5-9/10`: where the part starts and how large the whole is, if it runs to the end.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse::<u64>().ok()?, last.trim().parse::<u64>().ok()?);
    let total = match total.trim() {
        "*" => last.checked_add(1)?,
        total => total.parse().ok()?,
    };
    (first <= last && last.checked_add(1) == Some(total)).then_some((first, total))
}

/// Watches that bytes keep coming. Only waiting for the registry counts, not waiting for the disk.
struct Pace {
    patience: Duration,
    waited: Duration,
    brought: u64,
}

impl Pace {
    fn new(patience: Duration) -> Self {
        Self { patience, waited: Duration::ZERO, brought: 0 }
    }

    async fn next(&mut self, response: &mut Response) -> Result<Option<Bytes>, Fault> {
        let asked = Instant::now();
        let chunk = next_chunk(response, self.patience).await?;
        self.waited += asked.elapsed();
        self.brought += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.waited >= self.patience {
            if self.brought < TRICKLE_BYTES && chunk.is_some() {
                return Err(Fault::Stalled(self.patience));
            }
            *self = Self::new(self.patience);
        }
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_range_that_runs_to_the_end_is_taken() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 10)));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, 10)));
        for bad in [
            "bytes 5-8/10",
            "bytes 9-5/10",
            "bytes */10",
            "items 5-9/10",
            "bytes 5-18446744073709551615/*",
            "",
        ] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
