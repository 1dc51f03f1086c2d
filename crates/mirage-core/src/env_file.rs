//! Files of variables, as `.env` is written.

/// The variables of a text: lines `NAME=value`, with `export` before it or not. Empty lines and those that begin with
/// `#` are passed over, one pair of quotes around a value is taken off, and a value in quotes may have several lines.
/// What follows a value behind a space and `#` is a comment, but within quotes.
///
/// # Errors
/// The number of the first line that is none of these, from 1. What stands in it may be part of a secret.
pub fn env_lines(text: &str) -> Result<Vec<(String, String)>, usize> {
    let mut pairs = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let (line, number) = (line.trim(), at + 1);
        at += 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=').ok_or(number)?;
        let name = name.trim();
        if name.is_empty() {
            return Err(number);
        }
        let rest = lines.get(at..).unwrap_or_default();
        let value = match several(value.trim(), rest) {
            Some((whole, more)) => {
                at += more;
                whole
            }
            None => unquoted(commentless(value).trim()).to_owned(),
        };
        pairs.push((name.to_owned(), value));
    }
    Ok(pairs)
}

/// The line, or lines, of which [`env_lines`] reads exactly this variable, whatever follows; without the last line
/// break. `None` where there is none: for a value with a line break and both quotes in it, or with a carriage return,
/// which editors change, or for a name that is none.
pub fn env_line(name: &str, value: &str) -> Option<String> {
    let ways = [format!("{name}={value}"), format!("{name}=\"{value}\""), format!("{name}='{value}'")];
    let reads = |line: &String| {
        // What follows is not to become part of it, nor to end a quote that it begins with.
        ["NEXT=1", "NEXT=\"1\"", "NEXT='1'"].into_iter().all(|next| {
            env_lines(&format!("{line}\n{next}\n")).is_ok_and(|found| match &found[..] {
                [(one, text), (next, last)] => one == name && text == value && next == "NEXT" && last == "1",
                _ => false,
            })
        })
    };
    ways.into_iter().find(reads).filter(|line| !line.contains('\r'))
}

/// A value whose quote ends on a later line, and how many lines that takes.
fn several(value: &str, rest: &[&str]) -> Option<(String, usize)> {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let begun = &value[1..];
    if begun.contains(quote) {
        return None;
    }
    let mut whole = begun.to_owned();
    for (at, line) in rest.iter().enumerate() {
        whole.push('\n');
        if let Some(last) = line.trim_end().strip_suffix(quote) {
            whole.push_str(last);
            return Some((whole, at + 1));
        }
        if line.contains(quote) {
            return None;
        }
        whole.push_str(line);
    }
    None
}

/// What follows the `=` of one line, without the comment behind it.
fn commentless(text: &str) -> &str {
    let value = text.trim_start();
    let begins = |rest: &str| rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with('#');
    match value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        Some(quote) => {
            let end = value[1..].find(quote).map(|at| at + 2);
            end.filter(|end| begins(&value[*end..])).map_or(value, |end| &value[..end])
        }
        None => {
            let end = text.char_indices().map(|(at, _)| at).find(|at| begins(&text[*at..]));
            end.map_or(text, |end| &text[..end])
        }
    }
}

fn unquoted(value: &str) -> &str {
    ['"', '\''].into_iter().find_map(|q| value.strip_prefix(q)?.strip_suffix(q)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, usize> {
        env_lines(text)
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn comments_exports_and_quotes_are_understood() {
        let text = "# one\n\nexport A='x y'\r\n B = \"=\"\nC=\nD=a#b\n";
        assert_eq!(read(text).unwrap(), pairs(&[("A", "x y"), ("B", "="), ("C", ""), ("D", "a#b")]));
    }

    #[test]
    fn a_comment_behind_a_value_is_no_part_of_it() {
        let text =
            "A=4  # as many as cores\nB='x # y' # z\nC=\"#\"\t#\nD=a#b\nE=a b #c\nF= # none\nG=\"a\" b # c\n";
        let expected = [
            ("A", "4"),
            ("B", "x # y"),
            ("C", "#"),
            ("D", "a#b"),
            ("E", "a b"),
            ("F", ""),
            ("G", "\"a\" b # c"),
        ];
        assert_eq!(read(text).unwrap(), pairs(&expected));
        for value in ["a # b", "\"a\" # b", "# b", "'a' #"] {
            let line = env_line("A", value).unwrap();
            assert_eq!(read(&line).unwrap(), pairs(&[("A", value)]), "{line}");
        }
    }

    #[test]
    fn a_quoted_value_may_have_several_lines() {
        let text = "KEY=\"-----BEGIN\nabc\n-----END\"\nNEXT=1";
        assert_eq!(read(text).unwrap(), pairs(&[("KEY", "-----BEGIN\nabc\n-----END"), ("NEXT", "1")]));
        assert_eq!(read("A=\"open\nB=2").unwrap(), pairs(&[("A", "\"open"), ("B", "2")]), "it never ends");
        assert_eq!(read("A=it's\nB='x'").unwrap(), pairs(&[("A", "it's"), ("B", "x")]));
    }

    #[test]
    fn a_line_is_read_back_as_it_was_or_there_is_none() {
        for (value, expected) in [
            ("hello", Some("A=hello")),
            ("", Some("A=")),
            (" spaced ", Some("A=\" spaced \"")),
            ("it's", Some("A=it's")),
            ("'x'", Some("A=\"'x'\"")),
            ("\"quoted\"", Some("A=\"\"quoted\"\"")),
            ("\"", Some("A=\"\"\"")),
            ("one\ntwo", Some("A=\"one\ntwo\"")),
            ("say \"one\"\ntwo", Some("A='say \"one\"\ntwo'")),
            ("\"a'\nb", None),
            ("a\r", None),
        ] {
            assert_eq!(env_line("A", value).as_deref(), expected, "{value:?}");
        }
        for name in ["", "# A", "A=B", "A\nB", "export A"] {
            assert_eq!(env_line(name, "1"), None, "{name}");
        }
        let text = ["\"", "\"quoted\"", "'x'"].map(|value| env_line("A", value).unwrap()).join("\n");
        assert_eq!(read(&text).unwrap(), pairs(&[("A", "\""), ("A", "\"quoted\""), ("A", "'x'")]));
    }

    #[test]
    fn a_line_that_is_no_variable_is_told_by_its_number() {
        assert_eq!(read("A=1\n\nhunter2\n"), Err(3));
        assert_eq!(read("=1"), Err(1));
    }
}
