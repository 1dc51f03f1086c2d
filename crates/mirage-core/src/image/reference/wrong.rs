//! What is wrong with a part of a reference, in half a sentence that the name of the part stands before.

/// With a path within a registry; `None` where it is one.
pub(super) fn repository(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("is missing".into());
    }
    if text.len() > 255 {
        return Some(format!("has {} characters, at most 255 are allowed", text.len()));
    }
    let has = |what: &str| Some(format!("`{text}` {what}"));
    if text.chars().any(char::is_whitespace) {
        return has("has a space in it");
    }
    if text.chars().any(|c| c.is_ascii_uppercase()) {
        return has("has upper-case letters");
    }
    if text.ends_with('/') {
        return has("ends with a slash");
    }
    if text.contains(':') {
        return has("has a colon in it; one alone is allowed, before the tag at the end");
    }
    text.split('/').find_map(component).map(|why| format!("`{text}` {why}"))
}

/// With a tag; `None` where it is one.
pub(super) fn tag(text: &str) -> Option<String> {
    let head = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() {
        return Some("is empty".into());
    }
    if text.len() > 128 {
        return Some(format!("has {} characters, at most 128 are allowed", text.len()));
    }
    if text.chars().any(char::is_whitespace) {
        return Some(format!("`{text}` has a space in it"));
    }
    if let Some(bad) = text.chars().find(|c| !head(*c) && !matches!(c, '.' | '-')) {
        return Some(format!(
            "`{text}` has `{bad}`, which is neither a letter, a digit, `_`, `.` nor a hyphen"
        ));
    }
    let first = text.chars().next().filter(|c| !head(*c))?;
    Some(format!("`{text}` starts with `{first}`, and has to start with a letter, a digit or `_`"))
}

/// With a label of a host name; `None` where it is one.
pub(super) fn label(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("has an empty part".into());
    }
    if text.chars().any(char::is_whitespace) {
        return Some("has a space in it".into());
    }
    if let Some(bad) = text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        return Some(format!("has `{bad}`, which is neither a letter, a digit nor a hyphen"));
    }
    (text.starts_with('-') || text.ends_with('-'))
        .then(|| format!("has the part `{text}`, which starts or ends with a hyphen"))
}

/// `[a-z0-9]+` runs, separated by `.`, `_`, `__` or any number of hyphens.
fn component(part: &str) -> Option<String> {
    let alnum = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if part.is_empty() {
        return Some("has an empty part".into());
    }
    if let Some(bad) = part.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-')) {
        return Some(format!(
            "has `{bad}`, which is neither a lower-case letter, a digit, `.`, `_` nor a hyphen"
        ));
    }
    let bytes = part.as_bytes();
    let edges = [(bytes.first(), "starts"), (bytes.last(), "ends")];
    if let Some((Some(edge), verb)) = edges.into_iter().find(|(edge, _)| !edge.is_some_and(alnum)) {
        return Some(format!("has the part `{part}`, which {verb} with `{}`", char::from(*edge)));
    }
    let fine = |between: &[u8]| {
        matches!(between, b"" | b"." | b"_" | b"__") || between.iter().all(|byte| *byte == b'-')
    };
    let bad = bytes.split(alnum).find(|between| !fine(between))?;
    Some(format!(
        "has `{}`; between letters and digits stands one of `.`, `_`, `__` or hyphens",
        String::from_utf8_lossy(bad)
    ))
}
