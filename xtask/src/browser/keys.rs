//! Keys by their names.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Name, the number Windows gave it, the text it types.
const NAMED: &[(&str, u32, &str)] = &[
    ("Tab", 9, ""),
    ("Enter", 13, "\r"),
    ("Escape", 27, ""),
    ("Backspace", 8, ""),
    ("Delete", 46, ""),
    ("ArrowLeft", 37, ""),
    ("ArrowUp", 38, ""),
    ("ArrowRight", 39, ""),
    ("ArrowDown", 40, ""),
    ("Home", 36, ""),
    ("End", 35, ""),
    ("PageUp", 33, ""),
    ("PageDown", 34, ""),
];

const ALT: u32 = 1;
const CONTROL: u32 = 2;
const SHIFT: u32 = 8;

/// The two events of a press such as `Tab`, `Shift+Tab`, `Control+k` or `?`.
pub(super) fn press(chord: &str) -> Result<[Value; 2]> {
    let (mut modifiers, mut key) = (0, chord);
    for (prefix, bit) in [("Control+", CONTROL), ("Alt+", ALT), ("Shift+", SHIFT)] {
        if let Some(rest) = key.strip_prefix(prefix) {
            (modifiers, key) = (modifiers | bit, rest);
        }
    }
    let named = NAMED.iter().find(|(name, ..)| *name == key);
    let (code, number, text) = match named {
        Some((name, number, text)) => ((*name).to_owned(), *number, (*text).to_owned()),
        None => letter(key).with_context(|| format!("`{chord}` is no key"))?,
    };
    let text = if modifiers & (CONTROL | ALT) == 0 { text } else { String::new() };
    let event = |kind: &str| {
        json!({
            "type": kind, "modifiers": modifiers, "key": key, "code": code,
            "windowsVirtualKeyCode": number, "nativeVirtualKeyCode": number,
        })
    };
    let mut down = event(if text.is_empty() { "rawKeyDown" } else { "keyDown" });
    if !text.is_empty() {
        down["text"] = json!(text);
    }
    Ok([down, event("keyUp")])
}

fn letter(key: &str) -> Option<(String, u32, String)> {
    let mut letters = key.chars();
    let letter = letters.next().filter(|_| letters.next().is_none())?;
    let upper = letter.to_ascii_uppercase();
    let (code, number) = match upper {
        'A'..='Z' => (format!("Key{upper}"), u32::from(upper)),
        '0'..='9' => (format!("Digit{upper}"), u32::from(upper)),
        ' ' => ("Space".to_owned(), 32),
        _ => (String::new(), 0),
    };
    Some((code, number, key.to_owned()))
}
