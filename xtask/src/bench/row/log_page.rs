//! The page of a log with as many lines as it holds.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use crate::bed::{Image, Layer, Platform, PlatformOptions, Registry};
use crate::bench::Setting;
use crate::bench::report::{Figure, Outcome};
use crate::bench::rounds::Samples;
use crate::browser::{Browser, Page, of_role};

/// Lines that a page holds, and those that are written.
const HELD: usize = 100_000;
const WRITTEN: usize = 120_000;
/// Elements of a page beside its lines and what is within them: a time, and what is coloured.
const BESIDE: u64 = 5_000;
const WITHIN: u64 = 4;
/// Milliseconds that 95 of 100 frames may take while lines come, one a hundredth of a second, and that any may.
const SMOOTH: f64 = 34.0;
const LONGEST: f64 = 100.0;
/// Lines that come one by one while frames are timed.
const FOLLOWED: usize = 500;
/// How often the wheel is turned each way, and by how many pixels.
const TURNS: usize = 100;
const TURN: f64 = 700.0;

/// As a program writes that is asked for more than it likes.
const MANY: &str = r#"BEGIN {
  for (n = 1; n <= WRITTEN; n++) {
    if (n % 9 == 0) printf "WARN  cache: %d %% of the last 1000 requests missed\n", n % 100
    else if (n % 9 == 3) printf "\033[32mINFO\033[0m  GET /cart/%d \033[1m200\033[0m 12 ms\n", n
    else if (n % 9 == 5) printf "{\"level\":\"info\",\"msg\":\"order placed\",\"order\":%d,\"ms\":41}\n", n
    else printf "INFO  GET /products/%d 200 8 ms, for somebody who looks at many of them in a row\n", n
  }
}"#;

/// While lines pour in, while they come one by one, and while somebody scrolls.
pub(in super::super) fn measure(setting: &Setting) -> Result<Outcome> {
    let registry = Registry::start()?;
    let platform = Platform::start(&setting.binary, PlatformOptions::default())?;
    let [quiet, loud] = ["quiet", "loud"].map(|tag| registry.reference(&format!("bench/log:{tag}")));
    image("echo ready; exec httpd -f -p 8080").push(&quiet)?;
    let then =
        "n=0; while :; do n=$((n + 1)); echo \"INFO  line $n of those that follow\"; usleep 10000; done";
    let many = MANY.replace("WRITTEN", &WRITTEN.to_string());
    image(&format!("httpd -p 8080\nawk '{many}'\n{then}")).push(&loud)?;
    platform.create("talks", &quiet, json!({}))?;
    let browser = Browser::start()?;
    let page = browser.open(platform.api_port())?;
    page.log_in(&platform.token())?;
    page.visit("/projects/default/production/talks/logs")?;
    page.until_text("ready")?;

    page.time_frames()?;
    let since = Instant::now();
    platform.begin_deploy("talks", &loud)?;
    page.until_so("the lines that follow", || Ok(follower(&page)? > 0))?;
    let seconds = since.elapsed().as_secs_f64();
    let pouring = page.frames()?;
    let (weight, (lines, _)) = (page.weight()?, page.log_lines()?);
    let first = follower(&page)?;
    page.time_frames()?;
    page.until_so("more of those that follow", || Ok(follower(&page)? >= first + FOLLOWED))?;
    let following = page.frames()?;
    let [up, leap, down] = scrolled(&page)?;
    let scrolling = [up, down].concat();
    let [pouring, following, scrolling, leap] = [pouring, following, scrolling, leap].map(Frames::of);
    let is_bounded = lines <= HELD && weight.elements <= HELD as u64 * WITHIN + BESIDE;
    let is_smooth = |frames: &Frames| frames.most_of(95) <= SMOOTH && frames.most_of(100) <= LONGEST;
    Ok(Outcome {
        what: format!("the page of a log with {HELD} lines"),
        must: "smooth: 95 of 100 frames within 34 ms and none over 100 ms, following and scrolling".into(),
        got: format!(
            "following {:.0} ms, at most {:.0} ms; scrolling {:.0} ms, at most {:.0} ms; {lines} lines in {} elements",
            following.most_of(95), following.most_of(100), scrolling.most_of(95), scrolling.most_of(100), weight.elements,
        ),
        reached: is_bounded && is_smooth(&following) && is_smooth(&scrolling),
        figures: vec![
            following.figure("a frame while 100 lines come in a second"),
            scrolling.figure("a frame while the wheel is turned"),
            leap.figure("a frame on the way from the last line to the first"),
            pouring.figure(&format!("a frame while {WRITTEN} lines pour in")),
            Figure::once(&format!("from the deploy to the last of {WRITTEN} lines"), seconds, "s"),
            Figure::once("the heap of its scripts", weight.heap as f64 / (1 << 20) as f64, "MiB"),
        ],
        note: "Frames of headless Chromium, which paints by the processor, from one `requestAnimationFrame` to the next: at rest 16.7 ms. Of a \
               page that follows the log of a service; the oldest lines go as new ones come. The wheel is turned upwards from the last line \
               and downwards from the first one, through some thousands of lines each, while others come."
            .into(),
    })
}

/// The number of the last line, where it is one of those that follow; else 0.
fn follower(page: &Page) -> Result<usize> {
    let (_, last) = page.log_lines()?;
    let number = last.split_once("INFO  line ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    Ok(number.unwrap_or_default())
}

/// Turns the wheel upwards, goes to the first line, turns it downwards: frames of each.
fn scrolled(page: &Page) -> Result<[Vec<f64>; 3]> {
    let log = of_role(&["log"], "Lines");
    page.click(&log)?;
    // To look for it by its role takes a browser longer than a frame.
    let place = page.place(&log)?;
    page.time_frames()?;
    page.turn_wheel(place, -TURN, TURNS)?;
    let up = page.frames()?;
    page.time_frames()?;
    page.press("Home")?;
    page.until_so("the first line", || Ok(page.log_top()? == 0.0))?;
    let leap = page.frames()?;
    page.time_frames()?;
    page.turn_wheel(place, TURN, TURNS)?;
    Ok([up, leap, page.frames()?])
}

/// Milliseconds from frame to frame, the shortest first.
struct Frames(Vec<f64>);

impl Frames {
    fn of(mut frames: Vec<f64>) -> Self {
        frames.sort_by(f64::total_cmp);
        Self(frames)
    }

    /// What so many of a hundred are within.
    fn most_of(&self, hundredths: usize) -> f64 {
        let at = (self.0.len() * hundredths).div_ceil(100).saturating_sub(1);
        self.0.get(at).copied().unwrap_or(f64::NAN)
    }

    fn figure(&self, name: &str) -> Figure {
        let mut samples = Samples::default();
        self.0.iter().for_each(|frame| samples.push(*frame));
        Figure::new(&format!("{name}; 95 of 100 within {:.0} ms", self.most_of(95)), &samples, "ms")
    }
}

fn image(script: &str) -> Image {
    const APPLETS: [&str; 5] = ["awk", "echo", "httpd", "sh", "usleep"];
    let busybox = Layer::new().directory("bin", 0o755).copy("bin/busybox", 0o755, "/bin/busybox");
    let busybox = APPLETS.iter().fold(busybox, |layer, it| layer.symlink(&format!("bin/{it}"), "busybox"));
    let run = busybox.directory("app", 0o755).file("app/run", 0o755, format!("#!/bin/sh\n{script}\n"));
    Image::new(vec![run]).entrypoint(&["/app/run"]).set("StopSignal", json!("SIGKILL")).expose(8080)
}
