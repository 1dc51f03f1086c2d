use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use mirage_core::LogStream::{Stderr, Stdout};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

use super::*;
use crate::logs::record::{Line, OVERHEAD, Taken, take_line};

/// A clock that a nanosecond passes on whenever somebody looks.
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.0.fetch_add(1, Ordering::Relaxed))).unwrap()
    }
}

fn ticks() -> Ticks {
    Ticks(AtomicI64::new(1_795_226_584_000_000_000))
}

#[test]
fn lines_of_both_streams_are_written_when_they_are_complete() {
    let dir = TempDir::new().unwrap();
    let (mut log, clock) = (LogWriter::open(dir.path(), 1 << 20).unwrap(), ticks());
    log.write(Stdout, b"one\r\ntw", &clock);
    log.write(Stderr, b"\xff\0bytes\n\n", &clock);
    log.write(Stdout, b"o\nthree", &clock);
    assert_eq!(texts(dir.path()), ["one", "\u{fffd}\0bytes", "", "two"]);
    log.finish(&clock);
    assert_eq!(texts(dir.path()), ["one", "\u{fffd}\0bytes", "", "two", "three"]);
    let file = std::fs::read(dir.path().join("0.log")).unwrap();
    assert!(file.starts_with(b"2026-11-21T02:03:04.000000000Z stdout F one\n"), "{}", file.escape_ascii());
    assert!(file.windows(9).any(|bytes| bytes == b"F \xff\0bytes"), "bytes are kept as they came");
}

#[test]
fn a_long_line_is_written_in_parts_and_a_longer_one_is_cut() {
    let dir = TempDir::new().unwrap();
    let (mut log, clock) = (LogWriter::open(dir.path(), 64 << 20).unwrap(), ticks());
    let long = "x".repeat(40_000);
    for piece in [long.as_bytes(), b"\n"] {
        log.write(Stdout, piece, &clock);
    }
    let file = std::fs::read(dir.path().join("0.log")).unwrap();
    let tags: Vec<u8> = file.split_inclusive(|byte| *byte == b'\n').map(|record| record[38]).collect();
    assert_eq!(tags, b"PPF");

    let endless = vec![b'y'; LINE_MAX + 10];
    log.write(Stdout, &endless[..LINE_MAX / 2], &clock);
    log.write(Stderr, b"meanwhile\n", &clock);
    log.write(Stdout, &endless[LINE_MAX / 2..], &clock);
    log.write(Stdout, b"\n", &clock);
    let lengths: Vec<usize> = texts(dir.path()).iter().map(String::len).collect();
    assert_eq!(lengths, [40_000, "meanwhile".len(), LINE_MAX, 10]);
    assert!(log.stdout.capacity() <= KEPT_CAPACITY, "the memory of a long line is given back");
}

#[test]
fn segments_are_bounded_and_the_oldest_go_first() {
    let dir = TempDir::new().unwrap();
    let (mut log, clock) = (LogWriter::open(dir.path(), 8 * SEGMENT_MIN).unwrap(), ticks());
    let lines = 20_000;
    for number in 0..lines {
        log.write(Stdout, format!("line {number}\n").as_bytes(), &clock);
    }
    let segments = segment::list(dir.path()).unwrap();
    let sizes: Vec<u64> =
        segments.iter().map(|number| segment::path(dir.path(), *number).metadata().unwrap().len()).collect();
    assert!(segments[0] > 0 && segments.len() == 8, "{segments:?}");
    assert!(sizes.iter().all(|size| *size <= SEGMENT_MIN), "{sizes:?}");
    assert!(sizes.iter().sum::<u64>() <= 8 * SEGMENT_MIN, "{sizes:?}");
    let texts = texts(dir.path());
    let expected: Vec<String> = (lines - texts.len()..lines).map(|number| format!("line {number}")).collect();
    assert_eq!(texts, expected, "nothing but the oldest is missing");
}

#[test]
fn one_chunk_is_one_write() {
    let dir = TempDir::new().unwrap();
    let (mut log, clock) = (LogWriter::open(dir.path(), 1 << 20).unwrap(), ticks());
    let before = writes_of_this_thread();
    log.write(Stdout, "a line\n".repeat(500).as_bytes(), &clock);
    assert_eq!(writes_of_this_thread() - before, 1);
}

#[test]
fn a_log_that_is_opened_again_goes_on_in_a_new_segment() {
    let dir = TempDir::new().unwrap();
    let clock = ticks();
    for round in ["first\n", "second\n"] {
        LogWriter::open(dir.path(), 1 << 20).unwrap().write(Stdout, round.as_bytes(), &clock);
    }
    assert_eq!(segment::list(dir.path()).unwrap(), [0, 1]);
    assert_eq!(texts(dir.path()), ["first", "second"]);
    let _writer = LogWriter::open(dir.path(), 1 << 20).unwrap();
    assert!(LogWriter::open(dir.path(), 1 << 20).is_err(), "a log has one writer");
}

#[test]
fn a_full_disk_costs_lines_but_stops_nobody() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: a_full_disk_costs_lines_but_stops_nobody: needs root");
        return;
    }
    // A mount namespace belongs to a thread, so the small disk is gone with it.
    std::thread::spawn(|| {
        let dir = TempDir::new().unwrap();
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some("tmpfs"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some("size=256k")).unwrap();
        fill_and_recover(dir.path());
    })
    .join()
    .unwrap();
}

fn fill_and_recover(disk: &Path) {
    let (dir, clock) = (disk.join("log"), ticks());
    let mut log = LogWriter::open(&dir, 8 << 20).unwrap();
    std::fs::write(disk.join("ballast"), vec![0; 200 * 1024]).unwrap();
    let count = 1000;
    for number in 0..count {
        log.write(Stdout, format!("line {number} {}\n", "x".repeat(100)).as_bytes(), &clock);
    }
    log.write(Stdout, format!("{}\n", "y".repeat(100_000)).as_bytes(), &clock);
    let lost = log.lost();
    assert!(lost > 0);
    std::fs::remove_file(disk.join("ballast")).unwrap();
    log.write(Stdout, b"space again\n", &clock);

    let texts = texts(&dir);
    let notice = format!("mirage: lines lost here: {lost} (No space left on device (os error 28))");
    assert_eq!(texts[texts.len() - 2..], [notice, "space again".to_owned()]);
    let whole = texts.iter().filter(|text| text.ends_with(&"x".repeat(100))).count() as u64;
    assert_eq!(whole + lost, count + 1, "every line is either there or counted");
}

/// The texts of all lines in a folder, oldest first.
fn texts(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for number in segment::list(dir).unwrap() {
        let bytes = std::fs::read(segment::path(dir, number)).unwrap();
        let mut rest = bytes.as_slice();
        loop {
            rest = match take_line(rest) {
                Taken::Line(Line { text, .. }, used) => {
                    found.push(String::from_utf8_lossy(&text).into_owned());
                    &rest[used..]
                }
                Taken::Junk(used) => &rest[used..],
                Taken::Incomplete => break,
            };
        }
        assert!(rest.len() < OVERHEAD + LINE_MAX);
    }
    found
}

fn writes_of_this_thread() -> u64 {
    let facts = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = facts.lines().find_map(|line| line.strip_prefix("syscw: "));
    line.unwrap().parse().unwrap()
}
