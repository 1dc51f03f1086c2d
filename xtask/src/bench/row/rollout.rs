//! A rollout and a rollback of an image that is here: how long until the traffic is moved.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::bed::http;
use crate::bench::Setting;
use crate::bench::report::{Figure, Outcome};
use crate::bench::rounds::Samples;
use crate::reliability::Site;

const ROUNDS: usize = 25;
/// The most that either may take, in milliseconds.
const MOST: f64 = 300.0;

/// From the request to the first answer of the other version at the proxy.
pub(in super::super) fn measure(setting: &Setting) -> Result<Outcome> {
    let site = Site::start(&setting.binary, 1)?;
    let references = [site.push(0)?, site.push(1)?];
    site.deploy(&references[1])?;
    site.until_only(1, 1)?;
    let (mut rollouts, mut rollbacks) = (Samples::default(), Samples::default());
    for round in 0..setting.rounds_or(ROUNDS) {
        let (from, to) = (1 - round % 2, round % 2);
        rollouts.push(timed(&site, to, || site.begin(&references[to]))?);
        site.until_only(to, 1)?;
        rollbacks.push(timed(&site, from, || site.begin_rollback())?);
        site.until_only(from, 1)?;
        // The next rollout is of the other version again.
        site.deploy(&references[to])?;
        site.until_only(to, 1)?;
    }
    let (out, back) = (rollouts.median(), rollbacks.median());
    Ok(Outcome {
        what: "rollout and rollback of a present image, one replica".into(),
        must: "at most 300 ms each from the request to the switched route".into(),
        got: format!("{out:.0} ms and {back:.0} ms, at most {:.0} and {:.0}", rollouts.most(), rollbacks.most()),
        reached: rollouts.most() <= MOST && rollbacks.most() <= MOST,
        figures: vec![Figure::new("rollout", &rollouts, "ms"), Figure::new("rollback", &rollbacks, "ms")],
        note: "From the `POST` to the first answer of the other version through the proxy, asked every 0.5 ms on a new \
               connection. A rollout resolves its tag at the registry; the probe is a `GET /`, answered on the first try."
            .into(),
    })
}

fn timed(site: &Site, to: usize, begin: impl FnOnce() -> Result<String>) -> Result<f64> {
    let (url, version) = (site.platform.url("web-production"), format!("web-{to} "));
    let since = Instant::now();
    begin()?;
    while !http::get(&url).is_ok_and(|answer| answer.text().starts_with(&version)) {
        if since.elapsed() > Duration::from_secs(20) {
            bail!("`{version}` does not answer");
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(since.elapsed().as_secs_f64() * 1e3)
}
