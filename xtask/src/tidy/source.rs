//! A Rust file with its comments and literals blanked, and its tests marked.

mod blank;

/// A Rust file, line by line.
pub(super) struct Source {
    /// Whether the whole file is a test.
    pub(super) is_test: bool,
    /// Modules that it declares under `#[cfg(test)]` and that live in files of their own.
    pub(super) test_modules: Vec<String>,
    lines: Vec<Line>,
}

/// One line of a Rust file.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: usize,
    /// Its code: comments are gone, and literals are empty.
    pub(super) code: String,
    test: bool,
}

impl Source {
    /// Reads the text of the file at `path`.
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let code = blank::comments_and_literals(text);
        let mut lines: Vec<Line> = code
            .lines()
            .enumerate()
            .map(|(index, code)| Line { number: index + 1, code: code.to_owned(), test: false })
            .collect();
        let test_modules = mark_tests(&mut lines);
        let is_test = path.contains("/tests/")
            || path.ends_with("/tests.rs")
            || ["fuzz/", "crates/mirage-fakes/"].iter().any(|folder| path.starts_with(folder));
        Self { is_test, test_modules, lines }
    }

    /// The lines that are part of the product.
    pub(super) fn product(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !self.is_test && !line.test)
    }
}

/// Marks what stands under `#[cfg(test)]`; answers with the modules that live elsewhere.
fn mark_tests(lines: &mut [Line]) -> Vec<String> {
    let mut elsewhere = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if !lines[at].code.trim_start().starts_with("#[cfg(test)]") {
            at += 1;
            continue;
        }
        let end = end_of_item(lines, at);
        let item: String =
            lines[at..=end].iter().map(|line| line.code.as_str()).collect::<Vec<_>>().join(" ");
        elsewhere.extend(module_elsewhere(&item));
        for line in &mut lines[at..=end] {
            line.test = true;
        }
        at = end + 1;
    }
    elsewhere
}

/// The line on which the item that starts at `from` ends: at its `;`, or where its braces close.
fn end_of_item(lines: &[Line], from: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, line) in lines[from..].iter().enumerate() {
        for c in line.code.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth <= 1 => return from + offset,
                '}' => depth -= 1,
                ';' if depth == 0 => return from + offset,
                _ => {}
            }
        }
    }
    lines.len() - 1
}

/// `tests` for `#[cfg(test)] mod tests;`.
fn module_elsewhere(item: &str) -> Option<String> {
    let item = item.trim().strip_suffix(';')?;
    let (before, name) = item.rsplit_once("mod ")?;
    let is_module = before.ends_with([' ', ']']);
    (is_module && !name.contains(char::is_whitespace)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_in_a_file_are_told_from_the_product() {
        let text = "fn a() {}\n#[cfg(test)]\nmod helpers;\n\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\" }\n}\nfn c() {}\n";
        let source = Source::parse("crates/x/src/y.rs", text);
        let product: Vec<&str> =
            source.product().map(|line| line.code.as_str()).filter(|code| !code.is_empty()).collect();
        assert_eq!(product, ["fn a() {}", "fn c() {}"]);
        assert_eq!(source.test_modules, ["helpers"]);
    }
}
