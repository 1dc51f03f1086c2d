//! `WWW-Authenticate`: what a registry wants before it answers (RFC 9110, 11.6.1).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// What a registry wants to see before it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token of a token service.
    Bearer(TokenService),
    /// User name and password with every request (RFC 7617).
    Basic,
}

/// Where a token is to be had (distribution project, "Token Authentication Specification").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenService {
    /// Its address.
    pub(crate) realm: String,
    /// The name of the registry as the token service knows it.
    pub(crate) service: Option<String>,
}

/// What an answer asks for. Where there is a choice, a token: it can do less than a password.
pub(crate) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let all: Vec<Offer> = values.flat_map(offers).collect();
    let token = all.iter().find_map(|offer| {
        let realm = offer.parameter("realm").filter(|_| offer.is("bearer"))?;
        Some(Challenge::Bearer(TokenService { realm, service: offer.parameter("service") }))
    });
    token.or_else(|| all.iter().any(|offer| offer.is("basic")).then_some(Challenge::Basic))
}

/// One scheme of a header, with its parameters.
struct Offer {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Offer {
    fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    fn parameter(&self, wanted: &str) -> Option<String> {
        let found = self.parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.clone())
    }
}

/// Splits one header value. A token without `=` after it opens a challenge; what is malformed is
/// skipped, as the next challenge may be fine.
fn offers(value: &str) -> Vec<Offer> {
    let mut found: Vec<Offer> = Vec::new();
    let mut rest = value.trim_start_matches(separator);
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || separator(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let parameter = after.trim_start_matches([' ', '\t']).strip_prefix('=');
        rest = match (parameter, found.last_mut()) {
            (Some(after), Some(offer)) => {
                let (value, after) = parameter_value(after.trim_start_matches([' ', '\t']));
                offer.parameters.push((word.to_owned(), value));
                after
            }
            (Some(after), None) => after,
            (None, _) => {
                found.push(Offer { scheme: word.to_owned(), parameters: Vec::new() });
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

    fn read(values: &[&'static str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        challenge(&headers)
    }

    fn wants(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer(TokenService { realm: realm.into(), service: service.map(Into::into) }))
    }

    #[test]
    fn the_challenge_of_docker_hub_is_read() {
        let value = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull""#;
        assert_eq!(read(&[value]), wants("https://auth.docker.io/token", Some("registry.docker.io")));
    }

    #[test]
    fn a_token_is_preferred_to_the_password_wherever_it_is_offered() {
        let both = r#"Basic realm="x, y=\"z\"", bearer realm=https://r/t"#;
        assert_eq!(read(&[both]), wants("https://r/t", None));
        assert_eq!(read(&[r#"Basic realm="x""#, r#"Bearer service=s , realm = "r""#]), wants("r", Some("s")));
    }

    #[test]
    fn the_password_itself_is_wanted_by_simple_registries() {
        for value in [r#"Basic realm="mirage""#, "basic", r#"Digest a=b, Basic realm=x"#] {
            assert_eq!(read(&[value]), Some(Challenge::Basic), "{value}");
        }
        assert_eq!(
            read(&["Bearer", "Basic"]),
            Some(Challenge::Basic),
            "a token service without address is none"
        );
    }

    #[test]
    fn what_is_no_challenge_asks_for_nothing() {
        for value in ["Bearer", r#"Bearer service="x""#, "", ",,=,\"", "realm=x", "Negotiate"] {
            assert_eq!(read(&[value]), None, "{value}");
        }
    }
}
