//! Who may do what, and the scopes in which it is asked for.

use percent_encoding::percent_decode;
use serde::Serialize;

use super::super::debian::{ALICE, BOB};

/// A right over one repository, as it stands in a token.
#[derive(Serialize)]
pub(super) struct Grant {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    actions: Vec<String>,
}

impl Grant {
    /// `repository:acme/web:pull,push`.
    pub(super) fn scope(&self) -> String {
        format!("{}:{}:{}", self.kind, self.name, self.actions.join(","))
    }
}

/// What of a scope may be had: everybody may pull `public/…`, Alice may pull and push everything, Bob may
/// pull `acme/web`. `None` where it is nothing.
pub(super) fn granted(user: Option<&str>, scope: &str) -> Option<Grant> {
    let rest = scope.strip_prefix("repository:")?;
    let (name, actions) = rest.rsplit_once(':')?;
    let allowed: &[&str] = match user {
        Some(user) if user == ALICE.0 => &["pull", "push", "delete"],
        Some(user) if user == BOB.0 && name == "acme/web" => &["pull"],
        _ if name.starts_with("public/") => &["pull"],
        _ => return None,
    };
    let actions = actions.split(',').filter(|action| allowed.contains(action)).map(str::to_owned);
    let actions: Vec<String> = actions.collect();
    (!actions.is_empty()).then(|| Grant { kind: "repository", name: name.to_owned(), actions })
}

/// The fields of a query or of a form.
pub(super) fn fields(text: &[u8]) -> Vec<(String, String)> {
    let read = |part: &[u8]| {
        let spaced: Vec<u8> = part.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
        percent_decode(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = text.split(|b| *b == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let mut sides = pair.splitn(2, |b| *b == b'=');
            (read(sides.next().unwrap_or_default()), read(sides.next().unwrap_or_default()))
        })
        .collect()
}
