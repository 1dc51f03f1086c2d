//! The browser against a page that is not ours.

use std::io::{Read, Write};
use std::net::TcpListener;

use ring::digest::{SHA256, digest};

use super::axe::AXE;
use super::*;

const POLICY: &str = "default-src 'none'; script-src 'none'; style-src 'self'; form-action 'self'";

/// Answers everything with this page; `POST` with what came.
fn server(page: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 16 << 10];
            let read = stream.read(&mut head).unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let sent = head.split("\r\n\r\n").nth(1).unwrap_or_default();
            let body = if head.starts_with("POST") {
                format!("<!DOCTYPE html><html lang=en><title>s</title><h1>sent {sent}</h1>")
            } else {
                page.to_owned()
            };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-security-policy: {POLICY}\r\n\
                 content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
            .ok();
        }
    });
    port
}

const FORM: &str = "<!DOCTYPE html><html lang=en><title>t</title><main><h1>Who</h1>\
    <form method=post><label>Name <input name=name></label>\
    <label>Kind <select name=kind><option>one<option>two</select></label>\
    <label><input type=checkbox name=sure> Sure</label>\
    <button>Send <b>it</b></button></form></main>";

#[test]
fn a_form_is_filled_in_and_sent_by_mouse_and_by_keyboard_and_without_script() {
    if !Browser::is_here("a form is filled in and sent by mouse and keyboard") {
        return;
    }
    let browser = Browser::start().unwrap();
    for scripts in [true, false] {
        let page = browser.open(server(FORM)).unwrap();
        page.let_scripts_run(scripts).unwrap();
        page.visit("/").unwrap();
        page.write("Name", "wrong").unwrap();
        page.write("Name", "<b>&").unwrap();
        assert_eq!(page.written("Name").unwrap(), "<b>&");
        page.choose("Kind", "tw").unwrap();
        page.click(&checkbox("Sure")).unwrap();
        assert!(page.is_ticked(&checkbox("Sure")).unwrap());
        page.follow(&button("Send it")).unwrap();
        page.until(&heading("sent name=%3Cb%3E%26&kind=two&sure=on")).unwrap();

        page.back().unwrap();
        page.tab_to(&field("Name")).unwrap();
        page.press("Control+a").unwrap();
        page.keys("Ann").unwrap();
        page.tab_to(&button("Send it")).unwrap();
        page.anew(|| page.press("Enter")).unwrap();
        page.until(&heading("sent name=Ann").beginning()).unwrap();
        assert_eq!(page.complaints(), Vec::<String>::new());
    }
}

#[test]
fn what_the_policy_refuses_what_axe_finds_and_a_line_that_is_cut_are_told() {
    if !Browser::is_here("what the policy refuses, what axe finds and a line that is cut are told") {
        return;
    }
    const BAD: &str = "<!DOCTYPE html><html lang=en><title>t</title><main><h1>x</h1><input id=i>\
        <script>document.title='ran'</script></main>";
    let browser = Browser::start().unwrap();
    let relay = browser.reach(server(BAD)).unwrap();
    let page = browser.open_by(&relay).unwrap();
    page.visit("/").unwrap();
    let told = page.complaints().join("\n");
    assert!(told.contains("Content Security Policy"), "{told}");
    let faults = page.faults().unwrap();
    assert!(faults.len() == 1 && faults[0].starts_with("label: "), "{faults:#?}");
    let figures = page.figures().unwrap();
    assert!(figures.first_paint > 0.0 && figures.html > 50, "{figures}");
    page.look(NARROW, Colours::Dark).unwrap();
    assert!(page.picture().unwrap().starts_with(b"\x89PNG"));
    relay.cut();
    assert!(page.visit("/").is_err());
    relay.mend();
    page.visit("/").unwrap();

    let id = browser.id();
    drop(browser);
    assert!(!std::path::Path::new(&format!("/proc/{id}")).exists(), "it has ended");
}

#[test]
fn axe_is_what_its_makers_released() {
    let hash = digest(&SHA256, AXE.as_bytes());
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c");
    assert!(AXE.starts_with("/*! axe v4.14.1\n"));
}
