//! The words of a command line, as far as they can be told without the shell that would read it.

use std::str::Chars;

/// A word.
#[derive(Clone)]
pub(super) struct Word {
    pub(super) text: String,
    /// Whether a shell would put something else in the place of a part of it.
    pub(super) expands: bool,
}

/// Words of the first command of a text.
pub(super) struct Words<'a> {
    pub(super) all: Vec<Word>,
    /// What follows that command; empty where it was not read to its end.
    pub(super) after: &'a str,
    /// Whether the text was read to its end: every quote ends, and there was room.
    pub(super) is_whole: bool,
}

impl Word {
    fn new() -> Self {
        Self { text: String::new(), expands: false }
    }
}

/// At most `most` words: up to where a shell would begin another command.
pub(super) fn words(text: &str, most: usize) -> Words<'_> {
    let (mut all, mut word, mut quote) = (Vec::new(), None::<Word>, None::<char>);
    let mut chars = text.chars();
    let peek = |chars: &Chars<'_>| chars.clone().next();
    while let Some(c) = chars.next() {
        if all.len() == most {
            return Words { all, after: "", is_whole: false };
        }
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => word.get_or_insert_with(Word::new).text.push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_with(Word::new);
            }
            (_, '\\') => match (quote, peek(&chars)) {
                (_, Some('\n')) => drop(chars.next()),
                (Some(_), Some('"' | '\\' | '$' | '`')) | (None, Some(_)) => {
                    // A line break between two words may be gone: a field of one line takes it out.
                    let is_gone =
                        quote.is_none() && word.is_none() && peek(&chars).is_some_and(char::is_whitespace);
                    match chars.next() {
                        Some(next) if !is_gone => word.get_or_insert_with(Word::new).text.push(next),
                        _ => {}
                    }
                }
                (Some(_), _) => word.get_or_insert_with(Word::new).text.push('\\'),
                (None, None) => {}
            },
            (_, '$' | '`') => {
                let word = word.get_or_insert_with(Word::new);
                let begins = |next: char| next.is_alphanumeric() || "_{(?!#@*$".contains(next);
                word.expands |= c == '`' || peek(&chars).is_some_and(begins);
                word.text.push(c);
            }
            (None, '~') if word.is_none() => word = Some(Word { text: "~".into(), expands: true }),
            (None, '\n' | ';' | '|' | '&' | '(' | ')') => break,
            (None, '<' | '>') => {
                // The number of what is led elsewhere, as in `2>`.
                word = word.filter(|word| !word.text.bytes().all(|byte| byte.is_ascii_digit()));
                break;
            }
            (None, '#') if word.is_none() => {
                while chars.next().is_some_and(|c| c != '\n') {}
                break;
            }
            (None, c) if c.is_whitespace() => all.extend(word.take()),
            (_, c) => word.get_or_insert_with(Word::new).text.push(c),
        }
    }
    all.extend(word);
    Words { all, after: chars.as_str(), is_whole: quote.is_none() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        words(text, 100).all.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_those_of_a_shell() {
        for (text, expected) in [
            ("a b\tc", &["a", "b", "c"][..]),
            (r#"'a b' "c 'd'" e"f"'g'"#, &["a b", "c 'd'", "efg"]),
            (r#"'' "" x"#, &["", "", "x"]),
            (r#"a\ b "q\"q" '\n' "\n""#, &["a b", "q\"q", "\\n", "\\n"]),
            ("a \\\n  b\\\nc", &["a", "bc"]),
            ("a \\  b \\", &["a", "b"]),
            ("a b && c", &["a", "b"]),
            ("a b; c", &["a", "b"]),
            ("a\nb", &["a"]),
            ("a 'x\ny' # z", &["a", "x\ny"]),
            ("a 2>/dev/null", &["a"]),
            ("a x>y", &["a", "x"]),
            ("", &[]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_shell_would_replace_is_known() {
        for (text, expands) in [
            ("$HOME", true),
            ("\"${A}b\"", true),
            ("`id`", true),
            ("$(id)", true),
            ("~/x", true),
            ("'$HOME'", false),
            ("\\$HOME", false),
            ("a~b", false),
            ("5$", false),
        ] {
            assert_eq!(words(text, 1).all[0].expands, expands, "{text}");
        }
    }

    #[test]
    fn what_follows_a_command_is_told() {
        for (text, after) in [
            ("a b && c", "& c"),
            ("a; b", " b"),
            ("a # b\nc", "c"),
            ("a\nb", "b"),
            ("ID=$(a b)", "a b)"),
            ("a", ""),
        ] {
            assert_eq!(words(text, 10).after, after, "{text}");
        }
    }

    #[test]
    fn an_open_quote_and_too_many_words_are_told() {
        assert!(words("a 'b'", 2).is_whole);
        assert!(!words("a 'b", 2).is_whole && !words("a b c", 2).is_whole);
    }
}
