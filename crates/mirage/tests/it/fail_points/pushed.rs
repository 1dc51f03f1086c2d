//! Acts upon the built-in registry, piece by piece.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use ring::digest::{SHA256, digest};
use xtask::bed::http::Request;
use xtask::bed::{Temper, web};

use super::range::{Range, Subject};

/// A blob, and how much of it is sent at a time.
static BLOB: [u8; 100_000] = [b'x'; 100_000];
const PIECE: usize = 50_000;

impl Range {
    /// Begins an upload, sends a piece of it, and notes where to go on.
    pub(super) fn make_upload(&mut self, name: String) -> Result<Subject> {
        self.noted = self.begin_upload(&name)?;
        self.call("PATCH", &self.noted, &BLOB[..PIECE], 202)?;
        Ok(Subject { name, ..Subject::default() })
    }

    /// Uploads a blob: goes on where one that was noted has come to, if that is there still.
    pub(super) fn upload(&mut self, name: &str) -> Result<()> {
        let there = match self.noted.as_str() {
            "" => None,
            place => Some(self.platform.api("GET", place, None)?).filter(|answer| answer.status == 204),
        };
        let sent = match &there {
            Some(answer) => received(answer.header("range").context("no range")?)?,
            None => {
                self.noted = self.begin_upload(name)?;
                0
            }
        };
        for piece in BLOB[sent..].chunks(PIECE) {
            self.call("PATCH", &self.noted, piece, 202)?;
        }
        let hex: String = digest(&SHA256, &BLOB).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        self.call("PUT", &format!("{}?digest=sha256:{hex}", self.noted), &[], 201)?;
        self.noted.clear();
        self.call("GET", &format!("/v2/trial/{name}/blobs/sha256:{hex}"), &[], 200)
    }

    /// Gives the upload up that was noted; it may be gone already.
    pub(super) fn give_up_upload(&self) -> Result<()> {
        let answer = self.platform.api("DELETE", &self.noted, None)?;
        if !matches!(answer.status, 204 | 404) {
            bail!("an upload cannot be given up: {}: {}", answer.status, answer.text());
        }
        Ok(())
    }

    /// An image in the built-in registry.
    pub(super) fn make_pushed(&mut self, name: String) -> Result<Subject> {
        let reference = format!("127.0.0.1:{}/trial/{name}:0", self.platform.api_port());
        web(&name, Temper::Good).push_as(&reference, ("any", &self.platform.token()))?;
        Ok(Subject { name, reference, ..Subject::default() })
    }

    /// Takes the name of an image away; it may be gone already.
    pub(super) fn untag(&self, name: &str) -> Result<()> {
        let path = format!("/v2/trial/{name}/manifests/0");
        let answer = self.platform.api("DELETE", &path, None)?;
        if !matches!(answer.status, 202 | 404) {
            bail!("an image cannot be removed: {}: {}", answer.status, answer.text());
        }
        self.call("GET", &path, &[], 404)
    }

    fn begin_upload(&self, name: &str) -> Result<String> {
        let begun = self.platform.api("POST", &format!("/v2/trial/{name}/blobs/uploads/"), None)?;
        let place = begun.header("location").with_context(|| format!("no upload: {}", begun.text()))?;
        Ok(place.find("/v2/").map_or(place, |at| &place[at..]).to_owned())
    }

    fn call(&self, method: &str, path: &str, body: &[u8], wanted: u16) -> Result<()> {
        let bearer = format!("Bearer {}", self.platform.token());
        let request = Request {
            method,
            address: ([127, 0, 0, 1], self.platform.api_port()).into(),
            host: "127.0.0.1",
            path,
            headers: &[("authorization", &bearer)],
            body,
            patience: Duration::from_secs(60),
        };
        let answer = request.send()?;
        if answer.status != wanted {
            bail!("{method} {path}: {}: {}", answer.status, answer.text());
        }
        Ok(())
    }
}

/// How many bytes have come, by the range of those that have.
fn received(range: &str) -> Result<usize> {
    let (_, last) = range.split_once('-').context("no range")?;
    let last: usize = last.parse()?;
    // The range of nothing is said as that of one byte.
    Ok(if last == 0 { 0 } else { last + 1 })
}
