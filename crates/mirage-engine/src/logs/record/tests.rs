use mirage_core::LogStream::{self, Stderr, Stdout};

use super::*;

const NOON: &str = "2026-11-21T12:00:00.000000001Z";

#[test]
fn a_record_is_spelled_as_the_container_runtime_interface_wants_it() {
    let time: Timestamp = "2026-11-21T02:03:04.12Z".parse().unwrap();
    let mut out = Vec::new();
    append(&mut out, &spell(time), Stdout, true, b"hello  world");
    append(&mut out, &spell(time), Stderr, false, b"\xff\0");
    assert_eq!(
        out,
        b"2026-11-21T02:03:04.120000000Z stdout F hello  world\n2026-11-21T02:03:04.120000000Z stderr P \xff\0\n"
    );
    assert_eq!(out.len(), 2 * OVERHEAD + 14);
}

#[test]
fn what_is_no_record_is_not_taken_for_one() {
    for text in [
        "",
        "hello",
        "2026-11-21T12:00:00.000000001Z",
        "2026-11-21T12:00:00.000000001Z stdout",
        "2026-11-21T12:00:00.000000001Z stdout F",
        "2026-11-21T12:00:00.000000001Z stdout X text",
        "2026-11-21T12:00:00.000000001Z stdin  F text",
        "2026-13-21T12:00:00.000000001Z stdout F text",
        "9999-99-99T99:99:99.999999999Z stdout F text",
        "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9} stdout F text",
    ] {
        assert!(Record::parse(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn parts_become_one_line() {
    let file = records(&[
        (Stdout, false, "one, "),
        (Stdout, false, "two, "),
        (Stdout, true, "three"),
        (Stdout, true, "x"),
    ]);
    let line = taken(&file);
    assert_eq!(line, (Stdout, "one, two, three".into(), file.len() - OVERHEAD - 1));
}

#[test]
fn a_chain_of_parts_that_its_writer_lost_is_a_line_of_its_own() {
    let torn = records(&[(Stdout, false, "half a line")]);
    let file = [torn.clone(), records(&[(Stderr, true, "next")])].concat();
    assert_eq!(taken(&file), (Stdout, "half a line".into(), torn.len()));
    let file = [torn.clone(), b"garbage\n".to_vec()].concat();
    assert_eq!(taken(&file), (Stdout, "half a line".into(), torn.len()));
    assert_eq!(take_line(&torn), Taken::Incomplete);
}

#[test]
fn a_chain_of_parts_without_end_is_cut_at_the_longest_line() {
    let part = "x".repeat(PART_MAX);
    let file: Vec<u8> = (0..100).flat_map(|_| records(&[(Stdout, false, &part)])).collect();
    let (_, text, used) = taken(&file);
    assert_eq!(text.len(), LINE_MAX);
    assert_eq!(used, LINE_RECORDS_MAX);
}

#[test]
fn junk_is_skipped_line_by_line() {
    assert_eq!(take_line(b"junk\nmore junk\n"), Taken::Junk(5));
    assert_eq!(take_line(b"junk without an end"), Taken::Incomplete);
}

#[test]
fn reading_can_start_after_any_line_end_that_is_found() {
    let file =
        records(&[(Stdout, false, "a"), (Stdout, true, "b"), (Stdout, false, "c"), (Stdout, true, "d")]);
    let record = OVERHEAD + 1;
    assert_eq!(first_line_end(&file[3..]), Some(2 * record - 3));
    assert_eq!(first_line_end(&file[record + 3..]), Some(3 * record - 3));
    assert_eq!(first_line_end(&file[3 * record + 3..]), None);
}

fn records(parts: &[(LogStream, bool, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (stream, ends_line, text) in parts {
        append(&mut out, NOON, *stream, *ends_line, text.as_bytes());
    }
    out
}

fn taken(bytes: &[u8]) -> (LogStream, String, usize) {
    match take_line(bytes) {
        Taken::Line(line, used) => (line.stream, String::from_utf8(line.text).unwrap(), used),
        other => panic!("{other:?}"),
    }
}
