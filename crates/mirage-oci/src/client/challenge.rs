//! `WWW-Authenticate`: what a registry wants before it answers (RFC 9110, 11.6.1).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// Where a token is to be had (distribution project, "Token Authentication Specification").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BearerChallenge {
    /// The address of the token service.
    pub(crate) realm: String,
    /// The name of the registry as the token service knows it.
    pub(crate) service: Option<String>,
}

/// The first usable bearer challenge of an answer, if there is one.
pub(crate) fn bearer_challenge(headers: &HeaderMap) -> Option<BearerChallenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(challenges).find_map(|challenge| {
        if !challenge.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameter = |wanted: &str| {
            let found = challenge.parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.clone())
        };
        Some(BearerChallenge { realm: parameter("realm")?, service: parameter("service") })
    })
}

struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

/// Splits one header value. A token without `=` after it opens a challenge; what is malformed is
/// skipped, as the next challenge may be fine.
fn challenges(value: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = value.trim_start_matches(separator);
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || separator(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let parameter = after.trim_start_matches([' ', '\t']).strip_prefix('=');
        rest = match (parameter, found.last_mut()) {
            (Some(after), Some(challenge)) => {
                let (value, after) = parameter_value(after.trim_start_matches([' ', '\t']));
                challenge.parameters.push((word.to_owned(), value));
                after
            }
            (Some(after), None) => after,
            (None, _) => {
                found.push(Challenge { scheme: word.to_owned(), parameters: Vec::new() });
                after
            }
        };
        rest = rest.trim_start_matches(separator);
    }
    found
}

fn separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | ',')
}

/// A quoted string without its quotes and escapes, or a token; and what follows it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(separator).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn read(values: &[&'static str]) -> Option<BearerChallenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        bearer_challenge(&headers)
    }

    fn wants(realm: &str, service: Option<&str>) -> Option<BearerChallenge> {
        Some(BearerChallenge { realm: realm.into(), service: service.map(Into::into) })
    }

    #[test]
    fn the_challenge_of_docker_hub_is_read() {
        let value = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull""#;
        assert_eq!(read(&[value]), wants("https://auth.docker.io/token", Some("registry.docker.io")));
    }

    #[test]
    fn a_bearer_challenge_is_found_behind_others() {
        let both = r#"Basic realm="x, y=\"z\"", bearer realm=https://r/t"#;
        assert_eq!(read(&[both]), wants("https://r/t", None));
        assert_eq!(read(&[r#"Basic realm="x""#, r#"Bearer service=s , realm = "r""#]), wants("r", Some("s")));
    }

    #[test]
    fn what_is_no_bearer_challenge_asks_for_nothing() {
        for value in [r#"Basic realm="mirage""#, "Bearer", r#"Bearer service="x""#, "", ",,=,\"", "realm=x"] {
            assert_eq!(read(&[value]), None, "{value}");
        }
    }
}
