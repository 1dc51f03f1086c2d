//! A variable as a line of a `.env` file.

use mirage_core::env_lines;

/// The line that is read back as exactly this; `None` where there is none, for a value with both quotes in it.
pub(super) fn env_line(name: &str, value: &str) -> Option<String> {
    let ways = [format!("{name}={value}"), format!("{name}=\"{value}\""), format!("{name}='{value}'")];
    let reads = |line: &String| {
        // What follows is not to become part of it.
        let followed = format!("{line}\nNEXT=1\n");
        env_lines(&followed).is_ok_and(|found| match &found[..] {
            [(one, text), (next, _)] => one == name && text == value && next == "NEXT",
            _ => false,
        })
    };
    // A browser has a mind of its own about this one.
    ways.into_iter().find(reads).filter(|line| !line.contains('\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_as_it_was_or_there_is_none() {
        for (value, expected) in [
            ("hello", Some("A=hello")),
            ("", Some("A=")),
            (" spaced ", Some("A=\" spaced \"")),
            ("\"quoted\"", Some("A=\"\"quoted\"\"")),
            ("one\ntwo", Some("A=\"one\ntwo\"")),
            ("say \"one\"\ntwo", Some("A='say \"one\"\ntwo'")),
            ("\"a'\nb", None),
            ("a\r", None),
        ] {
            assert_eq!(env_line("A", value).as_deref(), expected, "{value:?}");
        }
    }
}
