//! Blanks comments and the insides of literals, keeping every line break.

/// The text with comments removed and literals emptied: `f("a") // b` becomes `f("")`.
pub(super) fn comments_and_literals(text: &str) -> String {
    let mut scanner = Scanner { rest: text, out: String::with_capacity(text.len()) };
    while scanner.step() {}
    scanner.out
}

struct Scanner<'a> {
    rest: &'a str,
    out: String,
}

impl Scanner<'_> {
    /// Takes one token's worth; `false` at the end.
    fn step(&mut self) -> bool {
        if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.skip(end_of_block(self.rest));
        } else if let Some(hashes) = raw_string(self.rest).filter(|_| !self.in_word()) {
            self.raw_string(hashes);
        } else if self.rest.starts_with('"') {
            self.out.push('"');
            self.skip(end_of_string(self.rest, '"'));
            self.out.push('"');
        } else if self.rest.starts_with('\'') && is_char(self.rest) {
            self.out.push_str("' '");
            self.skip(end_of_string(self.rest, '\''));
        } else {
            let Some(next) = self.rest.chars().next() else { return false };
            self.out.push(next);
            self.rest = &self.rest[next.len_utf8()..];
        }
        true
    }

    /// Drops `length` bytes, but keeps their line breaks.
    fn skip(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.out.extend(gone.chars().filter(|c| *c == '\n'));
        self.rest = rest;
    }

    fn raw_string(&mut self, hashes: usize) {
        let end = format!("\"{}", "#".repeat(hashes));
        let open = self.rest.find('"').map_or(self.rest.len(), |at| at + 1);
        let length = self.rest[open..].find(&end).map_or(self.rest.len(), |at| open + at + end.len());
        self.out.push('"');
        self.skip(length);
        self.out.push('"');
    }

    /// Whether the last character belongs to a name, so that an `r` here is its end.
    fn in_word(&self) -> bool {
        self.out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
    }
}

/// How many `#` a raw string has that starts here: `r"`, `br#"`, `cr##"`.
fn raw_string(rest: &str) -> Option<usize> {
    let after =
        rest.strip_prefix("br").or_else(|| rest.strip_prefix("cr")).or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// Whether this quote opens a character literal, and not a lifetime.
fn is_char(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

/// Length of the literal that starts here, both quotes included.
fn end_of_string(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of the block comment that starts here; they nest.
fn end_of_block(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0_usize);
    while at < rest.len() {
        let tail = &rest.as_bytes()[at..];
        if tail.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if tail.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_stays() {
        for (text, code) in [
            ("let a = \"x // y\"; // unsafe", "let a = \"\"; "),
            ("a /* b /* c */ \n d */ e", "a \n e"),
            (r##"x(r#"un"safe"#, br"\", b"\"")"##, r#"x("", "", b"")"#),
            (
                "fn f<'a>(c: char) -> &'a str { '\"'; '\\''; 'x' }",
                "fn f<'a>(c: char) -> &'a str { ' '; ' '; ' ' }",
            ),
            ("for\"a\\\"b\"", "for\"\""),
            ("\"open", "\"\""),
            ("/* open", ""),
            ("é 'é' \"é\"", "é ' ' \"\""),
        ] {
            assert_eq!(comments_and_literals(text), code, "{text}");
        }
    }
}
