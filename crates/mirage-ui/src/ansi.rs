//! What a terminal would make of a line: its text, and the colours of parts of it. Everything else that escape
//! sequences ask for is dropped. Nothing here is markup.

use std::iter::Peekable;
use std::str::Chars;

/// The most changes of look in a line; what follows looks like the last.
const RUNS_MAX: usize = 200;
/// The most numbers in one sequence that are read.
const NUMBERS_MAX: usize = 32;

/// A line as it is to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Styled {
    /// Its text, without control characters but tabs.
    pub(crate) text: String,
    /// How its parts look, one after the other. Together they are the whole text.
    pub(crate) runs: Vec<Run>,
    /// Whether the line was longer than wanted.
    pub(crate) is_cut: bool,
}

/// A part of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where it ends in the text, in bytes.
    pub(crate) end: usize,
    /// How it looks.
    pub(crate) look: Look,
}

/// How text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// One of sixteen colours: eight, then the same brighter.
    pub(crate) colour: Option<u8>,
    /// Whether it is bold.
    pub(crate) bold: bool,
}

/// Reads a line, and of it at most so many characters that are shown.
pub(crate) fn styled(line: &str, most: usize) -> Styled {
    let mut styled = Styled::default();
    let (mut look, mut count) = (Look::default(), 0);
    let mut rest = line.trim_end_matches(['\r', '\n']).chars().peekable();
    let mut texts_end = true;
    while let Some(found) = rest.next() {
        let shown = match found {
            '\x1b' => {
                escape(&mut rest, &mut look, &mut texts_end);
                continue;
            }
            '\u{9b}' => {
                control_sequence(&mut rest, &mut look);
                continue;
            }
            // A terminal would write over what is there.
            '\r' => ' ',
            '\t' => '\t',
            other if other.is_control() => continue,
            other => other,
        };
        if count == most {
            styled.is_cut = true;
            break;
        }
        count += 1;
        styled.push(shown, look);
    }
    styled
}

impl Styled {
    fn push(&mut self, shown: char, look: Look) {
        self.text.push(shown);
        let (end, is_full) = (self.text.len(), self.runs.len() >= RUNS_MAX);
        match self.runs.last_mut() {
            Some(last) if last.look == look || is_full => last.end = end,
            _ => self.runs.push(Run { end, look }),
        }
    }
}

/// What follows an escape character. Where one text has no end, those after it have none either (`texts_end`), so the
/// line is not searched for it again and again.
fn escape(rest: &mut Peekable<Chars<'_>>, look: &mut Look, texts_end: &mut bool) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            control_sequence(rest, look);
        }
        // A text for the terminal, such as its title. Without an end it is shown, so that nothing can be hidden.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            let mut ahead = rest.clone();
            *texts_end = *texts_end && skip_text(&mut ahead);
            if *texts_end {
                *rest = ahead;
            }
        }
        Some(' '..='~') => while matches!(rest.next(), Some(' '..='/')) {},
        _ => {}
    }
}

/// Passes over a text up to its end; `false` where there is none.
fn skip_text(rest: &mut Peekable<Chars<'_>>) -> bool {
    while let Some(found) = rest.next() {
        match found {
            '\x07' | '\u{9c}' => return true,
            '\x1b' if rest.next_if_eq(&'\\').is_some() => return true,
            _ => {}
        }
    }
    false
}

/// Numbers, then a letter. One that breaks off changes nothing.
fn control_sequence(rest: &mut Peekable<Chars<'_>>, look: &mut Look) {
    let mut parameters = String::new();
    let mut plain = true;
    while let Some(found) = rest.next_if(|next| (' '..='~').contains(next)) {
        match found {
            '0'..='9' | ';' | ':' if plain => {
                if parameters.len() < NUMBERS_MAX * 4 {
                    parameters.push(found);
                }
            }
            ' '..='?' => plain = false,
            'm' if plain => return apply(&parameters, look),
            _ => return,
        }
    }
}

/// Changes the look as the numbers say.
fn apply(parameters: &str, look: &mut Look) {
    let mut groups = parameters.split(';').take(NUMBERS_MAX);
    while let Some(group) = groups.next() {
        let mut parts = group.split(':');
        let first = parts.next().map_or(Some(0), number);
        if first == Some(38) || first == Some(48) {
            // `38;5;n` and `38;2;r;g;b`, or with colons within one group.
            let colour = match group.contains(':') {
                true => extended(&mut parts),
                false => extended(&mut groups),
            };
            if first == Some(38) {
                look.colour = colour;
            }
            continue;
        }
        if group.contains(':') {
            continue;
        }
        match first {
            Some(0) => *look = Look::default(),
            Some(1) => look.bold = true,
            Some(22) => look.bold = false,
            Some(code @ 30..=37) => look.colour = u8::try_from(code - 30).ok(),
            Some(code @ 90..=97) => look.colour = u8::try_from(code - 90 + 8).ok(),
            Some(39) => look.colour = None,
            _ => {}
        }
    }
}

/// One of sixteen colours, where it is one of them; what else it may be is passed over.
fn extended<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<u8> {
    match parts.next().and_then(number) {
        Some(5) => {
            let colour = parts.next().and_then(number)?;
            u8::try_from(colour).ok().filter(|colour| *colour < 16)
        }
        Some(2) => {
            let _ = parts.by_ref().take(3).count();
            None
        }
        _ => None,
    }
}

fn number(text: &str) -> Option<u16> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The parts of a line with their looks: colour, or `b` where it is bold.
    fn parts(line: &str) -> Vec<(String, String)> {
        let styled = styled(line, 1_000);
        let mut start = 0;
        let part = |run: &Run| {
            let text = styled.text[start..run.end].to_owned();
            start = run.end;
            let bold = if run.look.bold { "b" } else { "" };
            (text, format!("{}{bold}", run.look.colour.map_or(String::new(), |it| it.to_string())))
        };
        styled.runs.iter().map(part).collect()
    }

    fn plain(line: &str) -> String {
        styled(line, 1_000).text
    }

    #[test]
    fn colours_and_bold_are_kept() {
        let of = |line: &str| parts(line).into_iter().map(|(text, look)| format!("{text}={look}")).collect();
        let cases: [(&str, &[&str]); 9] = [
            ("plain", &["plain="]),
            ("\x1b[31mred\x1b[0m then", &["red=1", " then="]),
            ("\x1b[1;32mINFO\x1b[22m on\x1b[39m off", &["INFO=2b", " on=2", " off="]),
            ("\x1b[97mbright\x1b[m", &["bright=15"]),
            ("\x1b[38;5;9mx\x1b[38;5;200my\x1b[38;2;1;2;3mz", &["x=9", "yz="]),
            ("\x1b[38:5:4mx\x1b[4:3my", &["xy=4"]),
            ("\x1b[48;5;1;33mx", &["x=3"]),
            ("\x1b[31;44;7;4;5mx", &["x=1"]),
            ("\u{9b}35mx", &["x=5"]),
        ];
        for (line, wanted) in cases {
            let got: Vec<String> = of(line);
            assert_eq!(got, wanted, "{line:?}");
        }
    }

    #[test]
    fn everything_else_that_a_terminal_would_do_is_dropped() {
        for (line, text) in [
            ("a\x1b[2Jb\x1b[10;20Hc\x1b[?25ld", "abcd"),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b]8;;https://evil.test\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1bPsomething\x1b\\text", "text"),
            ("\x1b(Btext\x1b7\x1b8\x1bc", "text"),
            ("10 %\r20 %\r", "10 % 20 %"),
            ("a\x07\x08\x00\x7f\u{85}b\tc", "ab\tc"),
            ("two\nlines\r\n", "twolines"),
        ] {
            assert_eq!(plain(line), text, "{line:?}");
        }
    }

    #[test]
    fn sequences_that_break_off_hide_nothing() {
        for (line, text) in [
            ("text\x1b", "text"),
            ("text\x1b[", "text"),
            ("text\x1b[31", "text"),
            ("\x1b]0;never ends", "0;never ends"),
            ("\x1b[31ümlaut", "ümlaut"),
            ("\x1büber", "über"),
            ("\x1b[3\x1b[32mx", "x"),
        ] {
            assert_eq!(plain(line), text, "{line:?}");
        }
    }

    #[test]
    fn long_lines_are_cut_between_characters_and_looks_have_an_end() {
        let cut = styled("üüü", 2);
        assert_eq!((cut.text.as_str(), cut.is_cut), ("üü", true));
        assert!(!styled("üü\x1b[0m", 2).is_cut, "what is not shown takes no place");
        let motley: String = (0..10_000).map(|n| format!("\x1b[3{}mx", n % 8)).collect();
        let styled = styled(&motley, 20_000);
        assert_eq!((styled.runs.len(), styled.text.len()), (RUNS_MAX, 10_000));
        assert_eq!(plain(&format!("\x1b[{}mx", "1;".repeat(100_000))), "x");
        assert_eq!(plain(&format!("{}x", "\x1b]".repeat(500_000))), "x", "a megabyte takes no time");
    }

    proptest! {
        #[test]
        fn whatever_a_line_is_its_text_has_no_controls_and_its_parts_are_the_whole(
            line in prop_oneof![
                "\\PC*",
                prop::collection::vec(
                    prop_oneof![
                        Just("\x1b[".to_owned()), Just("\x1b]".to_owned()), Just("\x1b".to_owned()),
                        Just("\u{9b}".to_owned()), Just("\x07".to_owned()), Just("38;5;".to_owned()),
                        Just("m".to_owned()), Just("<b>".to_owned()), "[0-9;:]{0,5}", "\\PC{0,4}",
                        any::<char>().prop_map(|it| it.to_string()),
                    ],
                    0..40,
                ).prop_map(|parts| parts.concat()),
            ],
            most in 0_usize..60,
        ) {
            let styled = styled(&line, most);
            prop_assert!(styled.text.chars().all(|it| it == '\t' || !it.is_control()));
            prop_assert!(styled.text.chars().count() <= most);
            let mut from = 0;
            for run in &styled.runs {
                prop_assert!(run.end > from && styled.text.is_char_boundary(run.end));
                prop_assert!(run.look.colour.is_none_or(|colour| colour < 16));
                from = run.end;
            }
            prop_assert_eq!(from, styled.text.len());
            // What has been read once stays as it is.
            prop_assert_eq!(&super::styled(&styled.text, most).text, &styled.text);
        }

        #[test]
        fn text_without_sequences_stays_as_it_is(line in "[^\\p{C}]{0,80}") {
            prop_assert_eq!(plain(&line), line);
        }
    }
}
