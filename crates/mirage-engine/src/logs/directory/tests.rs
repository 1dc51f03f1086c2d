use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use mirage_core::LogStream::{Stderr, Stdout};
use mirage_core::port::Clock;
use mirage_core::{LogPosition, LogStream};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::logs::{LogWriter, back};

/// Writers of several instances share this clock, on which a second passes at every look.
struct Seconds(AtomicI64);

impl Clock for Seconds {
    fn now(&self) -> Timestamp {
        second(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn second(number: i64) -> Timestamp {
    Timestamp::from_second(1_795_226_584 + number).unwrap()
}

/// A service with its logs in a temporary folder.
struct World {
    _root: TempDir,
    logs: LogDirectory,
    service: ServiceId,
    clock: Seconds,
}

impl World {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let logs = LogDirectory::new(root.path().join("logs"));
        Self {
            _root: root,
            logs,
            service: ServiceId::from_random([1; 16]),
            clock: Seconds(AtomicI64::new(0)),
        }
    }

    fn instance(&self, deployment: u8, instance: u8) -> (InstanceId, LogWriter) {
        self.instance_of(deployment, instance, 8 << 20)
    }

    fn instance_of(&self, deployment: u8, instance: u8, max_bytes: u64) -> (InstanceId, LogWriter) {
        let id = InstanceId::from_random([instance; 16]);
        let dir = self.logs.of(self.service, self.deployment(deployment), id);
        (id, LogWriter::open(&dir, max_bytes).unwrap())
    }

    fn deployment(&self, number: u8) -> DeploymentId {
        DeploymentId::from_random([number; 16])
    }

    async fn texts(&self, query: LogQuery) -> Vec<String> {
        texts(self.logs.read(self.service, &query).await.unwrap())
    }

    async fn follow(&self, query: LogQuery) -> Followed {
        Followed(self.logs.follow(self.service, query).await.unwrap())
    }
}

struct Followed(BoxStream<'static, Result<LogLine>>);

impl Followed {
    async fn line(&mut self) -> LogLine {
        let line = tokio::time::timeout(Duration::from_secs(60), self.0.next()).await;
        line.expect("a line comes").expect("the stream does not end").unwrap()
    }

    async fn lines(&mut self, count: usize) -> Vec<LogLine> {
        let mut lines = Vec::new();
        while lines.len() < count {
            lines.push(self.line().await);
        }
        lines
    }
}

fn texts(lines: Vec<LogLine>) -> Vec<String> {
    lines.into_iter().map(|line| line.text).collect()
}

#[tokio::test]
async fn lines_of_all_instances_come_in_order_of_time() {
    let world = World::new();
    let (first, mut a) = world.instance(1, 1);
    let (_, mut b) = world.instance(2, 2);
    a.write(Stdout, b"one\n", &world.clock);
    b.write(Stderr, b"two\n", &world.clock);
    a.write(Stdout, b"three\n", &world.clock);
    let lines = world.logs.read(world.service, &LogQuery::default()).await.unwrap();
    assert_eq!(lines[0].time, second(0));
    assert_eq!((lines[1].stream, lines[2].instance), (Stderr, first));
    assert_eq!((lines[1].deployment, lines[1].next.segment), (world.deployment(2), 0));
    assert_eq!(texts(lines), ["one", "two", "three"]);
}

#[tokio::test]
async fn a_service_that_never_wrote_has_no_lines() {
    let world = World::new();
    assert!(world.texts(LogQuery::default()).await.is_empty());
    world.logs.remove(world.service).await.unwrap();
}

#[tokio::test]
async fn a_query_picks_lines() {
    let world = World::new();
    let (first, mut a) = world.instance(1, 1);
    let (_, mut b) = world.instance(2, 2);
    for number in 0..10 {
        let log = if number % 2 == 0 { &mut a } else { &mut b };
        log.write(Stdout, format!("line {number}\n").as_bytes(), &world.clock);
    }
    for (query, expected) in [
        (LogQuery { since: Some(second(8)), ..LogQuery::default() }, vec!["line 8", "line 9"]),
        (LogQuery { until: Some(second(2)), ..LogQuery::default() }, vec!["line 0", "line 1"]),
        (LogQuery { grep: Some("7".into()), ..LogQuery::default() }, vec!["line 7"]),
        (LogQuery { limit: Some(2), ..LogQuery::default() }, vec!["line 8", "line 9"]),
        (LogQuery { limit: Some(0), ..LogQuery::default() }, vec![]),
        (LogQuery { instance: Some(first), limit: Some(2), ..LogQuery::default() }, vec!["line 6", "line 8"]),
        (
            LogQuery {
                deployment: Some(world.deployment(2)),
                limit: Some(2),
                until: Some(second(6)),
                ..LogQuery::default()
            },
            vec!["line 3", "line 5"],
        ),
    ] {
        assert_eq!(world.texts(query.clone()).await, expected, "{query:?}");
    }
}

#[tokio::test]
async fn records_that_are_damaged_are_skipped() {
    let world = World::new();
    let (id, mut log) = world.instance(1, 1);
    log.write(Stdout, b"before\n", &world.clock);
    drop(log);
    let dir = world.logs.of(world.service, world.deployment(1), id);
    let mut file = std::fs::read(dir.join("0.log")).unwrap();
    file.extend_from_slice(b"\0\0\0 a power cut\nnonsense\n2026-11-21T12:00:00.00");
    std::fs::write(dir.join("0.log"), file).unwrap();
    std::fs::write(dir.join("notes.txt"), "not a segment").unwrap();
    std::fs::create_dir(world.logs.root.join(world.service.to_string()).join("stray")).unwrap();
    let (_, mut log) = world.instance(1, 1);
    log.write(Stdout, b"after\n", &world.clock);
    assert_eq!(world.texts(LogQuery::default()).await, ["before", "after"]);
    assert_eq!(texts(world.follow(LogQuery::default()).await.lines(2).await), ["before", "after"]);
}

#[test]
fn the_last_lines_are_found_without_reading_the_whole_log() {
    let world = World::new();
    let (_, mut log) = world.instance_of(1, 1, 64 << 20);
    for number in 0..100_000 {
        log.write(Stdout, format!("line {number} of many\n").as_bytes(), &world.clock);
    }
    let dir = tree::service_dir(&world.logs.root, world.service);
    let before = bytes_read_by_this_thread();
    let found = back::read(&dir, &LogQuery { limit: Some(20), ..LogQuery::default() }).unwrap();
    assert_eq!(found.lines.len(), 20);
    assert_eq!(found.lines[19].text, "line 99999 of many");
    assert!(bytes_read_by_this_thread() - before < 64 * 1024);
}

fn bytes_read_by_this_thread() -> u64 {
    let facts = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    facts.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[tokio::test]
async fn following_begins_before_anything_was_written_and_sees_every_instance() {
    let world = World::new();
    let mut lines = world.follow(LogQuery::default()).await;
    let (_, mut a) = world.instance(1, 1);
    a.write(Stdout, b"one\n", &world.clock);
    assert_eq!(lines.line().await.text, "one");
    let (_, mut b) = world.instance(2, 2);
    b.write(Stdout, b"two\n", &world.clock);
    assert_eq!(lines.line().await.text, "two");
    a.write(Stdout, b"three\nfo", &world.clock);
    a.write(Stdout, b"ur\n", &world.clock);
    assert_eq!(texts(lines.lines(2).await), ["three", "four"]);
}

#[tokio::test]
async fn following_begins_with_the_last_lines_where_that_is_asked() {
    let world = World::new();
    let (_, mut log) = world.instance(1, 1);
    log.write(Stdout, b"one\ntwo\nthree\n", &world.clock);
    let mut lines = world.follow(LogQuery { limit: Some(2), ..LogQuery::default() }).await;
    assert_eq!(texts(lines.lines(2).await), ["two", "three"]);
    log.write(Stdout, b"four\nfive\n", &world.clock);
    assert_eq!(texts(lines.lines(2).await), ["four", "five"]);
    let query = LogQuery { since: Some(second(1)), grep: Some("v".into()), ..LogQuery::default() };
    assert_eq!(world.follow(query).await.line().await.text, "five");
}

#[tokio::test]
async fn following_ignores_other_deployments_and_services() {
    let world = World::new();
    let query = LogQuery { deployment: Some(world.deployment(2)), ..LogQuery::default() };
    let mut lines = world.follow(query).await;
    let (_, mut old) = world.instance(1, 1);
    old.write(Stdout, b"of the old deployment\n", &world.clock);
    let (_, mut new) = world.instance(2, 2);
    new.write(Stdout, b"of the new one\n", &world.clock);
    assert_eq!(lines.line().await.text, "of the new one");
}

#[tokio::test]
async fn following_crosses_segments_while_they_are_written() {
    let world = World::new();
    let (_, mut log) = world.instance_of(1, 1, 16 << 20);
    let mut lines = world.follow(LogQuery::default()).await;
    let count = 60_000;
    let writer = std::thread::spawn(move || {
        let clock = Seconds(AtomicI64::new(0));
        for number in 0..count {
            log.write(Stdout, format!("line {number} {}\n", "x".repeat(number % 200)).as_bytes(), &clock);
        }
        log
    });
    let mut last_segment = 0;
    for number in 0..count {
        let line = lines.line().await;
        assert!(line.text.starts_with(&format!("line {number} ")), "{} instead of line {number}", line.text);
        last_segment = line.next.segment;
    }
    assert!(last_segment > 2, "{last_segment}");
    drop(writer.join().unwrap());
}

#[tokio::test]
async fn many_followers_share_one_inotify_instance_and_leave_none() {
    let world = World::new();
    let (_, mut log) = world.instance(1, 1);
    let mut followers = Vec::new();
    for _ in 0..200 {
        followers.push(world.follow(LogQuery::default()).await);
    }
    log.write(Stdout, b"to everybody\n", &world.clock);
    for follower in &mut followers {
        assert_eq!(follower.line().await.text, "to everybody");
    }
    drop(followers);
    assert!(world.logs.watcher.is_idle());
}

#[tokio::test]
async fn a_follower_that_the_kernel_tells_nothing_looks_for_itself() {
    let world = World::new();
    let (root, blind) = (world.logs.root.clone(), Watcher::blind_subscription());
    let follower = Follower::start(root, world.service, LogQuery::default(), blind).unwrap();
    let mut lines = Followed(follower.into_stream().boxed());
    let (_, mut log) = world.instance(1, 1);
    for text in ["one", "two"] {
        log.write(Stdout, format!("{text}\n").as_bytes(), &world.clock);
        assert_eq!(lines.line().await.text, text);
    }
}

#[tokio::test]
async fn a_service_that_is_removed_and_comes_back_is_followed_on() {
    let world = World::new();
    let (_, mut log) = world.instance(1, 1);
    log.write(Stdout, b"old\n", &world.clock);
    let mut lines = world.follow(LogQuery::default()).await;
    assert_eq!(lines.line().await.text, "old");
    drop(log);
    world.logs.remove(world.service).await.unwrap();
    assert!(world.texts(LogQuery::default()).await.is_empty());
    let (_, mut log) = world.instance(1, 2);
    log.write(Stdout, b"new\n", &world.clock);
    assert_eq!(lines.line().await.text, "new");
}

#[tokio::test]
async fn a_place_that_nobody_ever_handed_out_does_no_harm() {
    let world = World::new();
    let (id, mut log) = world.instance(1, 1);
    log.write(Stdout, b"one\ntwo\n", &world.clock);
    for (segment, offset) in [(u64::MAX, u64::MAX), (0, u64::MAX), (7, 0)] {
        let query = LogQuery { after: vec![(id, LogPosition { segment, offset })], ..LogQuery::default() };
        assert!(world.texts(query.clone()).await.is_empty(), "{segment} {offset}");
        drop(world.follow(query).await);
    }
    let amid_a_line =
        LogQuery { after: vec![(id, LogPosition { segment: 0, offset: 3 })], ..LogQuery::default() };
    assert_eq!(world.texts(amid_a_line).await, ["two"]);
}

#[tokio::test]
async fn who_goes_on_after_the_size_limit_took_lines_away_is_told() {
    let world = World::new();
    let (id, mut log) = world.instance_of(1, 1, 128 << 10);
    log.write(Stdout, b"one\ntwo\n", &world.clock);
    let read = world.logs.read(world.service, &LogQuery::default()).await.unwrap();
    let after = || LogQuery { after: vec![(id, read[0].next)], ..LogQuery::default() };
    let told = |lines: &[LogLine]| lines.iter().map(|line| line.lost_before).collect::<Vec<_>>();
    assert_eq!(told(&world.logs.read(world.service, &after()).await.unwrap()), [false]);
    for number in 0..400 {
        log.write(Stdout, format!("{number} {}\n", "x".repeat(1_000)).as_bytes(), &world.clock);
    }
    let mut follower = world.follow(LogQuery { grep: Some("399".into()), ..after() }).await;
    let last = follower.line().await;
    assert!(
        last.lost_before && last.text.starts_with("399"),
        "also where the line after the hole is not wanted"
    );
    let followed = world.follow(after()).await.lines(20).await;
    let kept = world.logs.read(world.service, &after()).await.unwrap();
    assert_eq!(kept[..20], followed);
    assert!(told(&kept)[0] && told(&kept)[1..].iter().all(|lost| !lost), "once, and at its place");
    let newest = LogQuery { after: vec![(id, kept[0].next)], ..LogQuery::default() };
    assert!(!world.logs.read(world.service, &newest).await.unwrap()[0].lost_before);
    assert!(
        told(&world.logs.read(world.service, &LogQuery::default()).await.unwrap()).iter().all(|lost| !lost)
    );
}

#[tokio::test]
async fn a_follower_that_comes_back_goes_on_in_the_instances_that_took_over() {
    let world = World::new();
    let (old, mut a) = world.instance(1, 1);
    a.write(Stdout, b"one\ntwo\nthree\n", &world.clock);
    let first = world.follow(LogQuery::default()).await.line().await;
    // The connection is gone; meanwhile the instance is replaced, and the log of the old one ends.
    a.finish(&world.clock);
    drop(a);
    let (_, mut b) = world.instance(2, 2);
    b.write(Stdout, b"four\nfive\n", &world.clock);
    let after = LogQuery { after: vec![(old, first.next)], ..LogQuery::default() };
    let mut back = world.follow(after.clone()).await;
    let lines = back.lines(4).await;
    assert!(lines.iter().all(|line| !line.lost_before));
    assert_eq!(texts(lines), ["two", "three", "four", "five"]);
    b.write(Stdout, b"six\n", &world.clock);
    assert_eq!(back.line().await.text, "six");

    drop(back);
    world.logs.trim(world.service, 100).unwrap();
    let mut back = world.follow(after.clone()).await;
    let line = back.line().await;
    assert_eq!((line.text.as_str(), line.lost_before), ("four", true), "the old log as a whole is gone");
    let shared = LogQuery { after_is_shared: true, ..after };
    assert!(!world.follow(shared).await.line().await.lost_before, "it may be another service's");
}

#[tokio::test]
async fn of_instances_without_a_place_only_what_is_later_is_new() {
    let world = World::new();
    let (first, mut a) = world.instance(1, 1);
    let (_, mut b) = world.instance(1, 2);
    a.write(Stdout, b"a\n", &world.clock);
    b.write(Stdout, b"b\n", &world.clock);
    a.write(Stdout, b"c\n", &world.clock);
    b.write(Stdout, b"d\n", &world.clock);
    let query = LogQuery {
        after: vec![(first, LogPosition::default())],
        others_after: Some(second(1)),
        ..LogQuery::default()
    };
    assert_eq!(world.texts(query.clone()).await, ["a", "c", "d"]);
    assert_eq!(texts(world.follow(query).await.lines(3).await), ["a", "c", "d"]);
    let odd = mirage_core::LineTest::new(|text| text == "b" || text == "c");
    assert_eq!(world.texts(LogQuery { test: Some(odd), ..LogQuery::default() }).await, ["b", "c"]);
}

fn chunks() -> impl Strategy<Value = Vec<(LogStream, Vec<usize>)>> {
    let length = prop_oneof![8 => 0..80usize, 2 => 80..5_000usize, 1 => 16_000..40_000usize];
    let stream = prop_oneof![Just(Stdout), Just(Stderr)];
    prop::collection::vec((stream, prop::collection::vec(length, 1..6)), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn resuming_anywhere_neither_loses_nor_repeats(chunks in chunks()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(resume_everywhere(chunks));
    }
}

/// Every chunk is some lines; the last of them is completed by the next chunk of its stream.
async fn resume_everywhere(chunks: Vec<(LogStream, Vec<usize>)>) {
    let world = World::new();
    let (id, mut log) = world.instance_of(1, 1, 8 << 20);
    let after = |next| LogQuery { after: vec![(id, next)], ..LogQuery::default() };
    let (mut seen, mut next) = (Vec::new(), LogPosition::default());
    for (number, (stream, lengths)) in chunks.iter().enumerate() {
        let lines: Vec<String> =
            lengths.iter().map(|length| format!("{number} {}", "z".repeat(*length))).collect();
        log.write(*stream, lines.join("\n").as_bytes(), &world.clock);
        if number % 3 == 0 {
            let new = world.logs.read(world.service, &after(next)).await.unwrap();
            next = new.last().map_or(next, |line| line.next);
            seen.extend(new);
        }
    }
    log.finish(&world.clock);
    seen.extend(world.logs.read(world.service, &after(next)).await.unwrap());
    let all = world.logs.read(world.service, &LogQuery::default()).await.unwrap();
    assert_eq!(seen, all);
    let written: usize =
        chunks.iter().map(|(_, lengths)| lengths.iter().map(|length| length + 2).sum::<usize>()).sum();
    let digits = chunks
        .iter()
        .enumerate()
        .map(|(number, (_, lengths))| (number.to_string().len() - 1) * lengths.len());
    assert_eq!(all.iter().map(|line| line.text.len()).sum::<usize>(), written + digits.sum::<usize>());
    for (index, line) in all.iter().enumerate().step_by(7) {
        let rest = &all[index + 1..];
        assert_eq!(world.logs.read(world.service, &after(line.next)).await.unwrap(), rest);
        assert_eq!(world.follow(after(line.next)).await.lines(rest.len()).await, rest);
        let last = LogQuery { limit: Some(index), ..LogQuery::default() };
        assert_eq!(world.logs.read(world.service, &last).await.unwrap(), all[all.len() - index..]);
    }
}
