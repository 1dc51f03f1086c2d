//! Requests as values: bodies, query strings, the service in the path. Each refusal names the field.

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::request::Parts;
use http::{StatusCode, header};
use jiff::Timestamp;
use mirage_control::{Control, HeldName, ServiceRef, VolumeRef};
use mirage_core::{Code, CredentialId, DeploymentId, Domain, Error, TokenId};
use serde::de::DeserializeOwned;

use super::error::Problem;

/// The largest request body, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// How often a parameter is read that may be repeated; more than anything takes.
const MAX_REPEATED: usize = 100;

/// Fields whose values are never quoted, and those below and around them.
const SECRET_FIELDS: [&str; 5] = ["registryCredentials", "password", "key", "variables", "Variables"];

/// A JSON body; an empty one counts as `{}`.
pub(crate) struct Body<T>(pub(crate) T);

/// A query string.
pub(crate) struct Filter<T>(pub(crate) T);

/// A query string in which `service` may stand several times.
pub(crate) struct Repeated<T> {
    /// The services.
    pub(crate) values: Vec<String>,
    /// Everything else.
    pub(crate) rest: T,
}

/// The service that the path names.
pub(crate) struct Wanted(pub(crate) ServiceRef);

/// The credential that the path names.
pub(crate) struct WantedCredential(pub(crate) CredentialId);

/// The token that the path names, by its id.
pub(crate) struct WantedToken(pub(crate) TokenId);

/// The volume that the path names.
pub(crate) struct WantedVolume(pub(crate) VolumeRef);

/// What of the built-in registry the path names.
pub(crate) struct WantedImage(pub(crate) HeldName);

/// The domain that the path names.
pub(crate) struct WantedDomain(pub(crate) Domain);

/// The deployment that the path names.
pub(crate) struct WantedDeployment(pub(crate) DeploymentId);

impl<T: DeserializeOwned> FromRequest<Control> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Control) -> Result<Self, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| {
            let error =
                Error::new(Code::InvalidRequest, "the request body broke off or is larger than 1 MiB");
            Problem::from(error).with_status(StatusCode::PAYLOAD_TOO_LARGE)
        })?;
        if bytes.is_empty() {
            return Ok(Self(read(b"{}")?));
        }
        let is_json = content_type
            .as_ref()
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json"));
        if !is_json {
            let error = Error::new(Code::InvalidRequest, "the request body is not marked as JSON")
                .hint("send `Content-Type: application/json`");
            return Err(Problem::from(error).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        Ok(Self(read(&bytes)?))
    }
}

impl<T: DeserializeOwned> FromRequestParts<Control> for Filter<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Control) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                let text = rejection.body_text();
                let why = text.rsplit("query string: ").next().unwrap_or(&text);
                let error = Error::new(Code::InvalidRequest, format!("the query string is wrong: {why}"));
                Err(match named(why) {
                    Some(name) => error.field(name).into(),
                    None => error.into(),
                })
            }
        }
    }
}

impl<T: DeserializeOwned> FromRequestParts<Control> for Repeated<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        let is_service = |pair: &&str| *pair == "service" || pair.starts_with("service=");
        let query = parts.uri.query().unwrap_or_default();
        let values = query.split('&').filter(is_service).take(MAX_REPEATED).map(|pair| {
            let value = pair.split_once('=').map_or("", |(_, value)| value).replace('+', " ");
            let decoded = percent_encoding::percent_decode_str(&value).decode_utf8();
            decoded
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| Error::new(Code::InvalidRequest, "`service` is not UTF-8").field("service"))
        });
        let values = values.collect::<Result<_, Error>>()?;
        let rest: Vec<&str> = query.split('&').filter(|pair| !is_service(pair)).collect();
        let rest = format!("{}?{}", parts.uri.path(), rest.join("&"));
        let uri = rest.parse().map_err(|_| Error::new(Code::InvalidRequest, "the query string is wrong"))?;
        let whole = std::mem::replace(&mut parts.uri, uri);
        let filter = Filter::<T>::from_request_parts(parts, control).await;
        parts.uri = whole;
        Ok(Self { values, rest: filter?.0 })
    }
}

impl FromRequestParts<Control> for Wanted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        Ok(Self(segment(parts, control).await?.parse()?))
    }
}

impl FromRequestParts<Control> for WantedCredential {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        Ok(Self(segment(parts, control).await?.parse()?))
    }
}

impl FromRequestParts<Control> for WantedToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        Ok(Self(segment(parts, control).await?.parse()?))
    }
}

impl FromRequestParts<Control> for WantedVolume {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        Ok(Self(segment(parts, control).await?.parse()?))
    }
}

impl FromRequestParts<Control> for WantedImage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        Ok(Self(control.held_name(&segment(parts, control).await?)?))
    }
}

impl FromRequestParts<Control> for WantedDomain {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        Ok(Self(segment(parts, control).await?.parse()?))
    }
}

impl FromRequestParts<Control> for WantedDeployment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        Ok(Self(segment(parts, control).await?.parse()?))
    }
}

/// A number of things in a query: the default where none is given, never above the most.
pub(crate) fn limit(text: Option<&str>, default: u32, most: u32) -> Result<u32, Error> {
    let Some(text) = text else { return Ok(default) };
    match text.parse::<u32>() {
        Ok(number) => Ok(number.min(most)),
        Err(_) => Err(Error::new(Code::InvalidRequest, "`limit` is not a number")
            .field("limit")
            .hint(format!("leave it out for {default}, the most is {most}"))),
    }
}

/// A switch in a query: `follow`, `follow=true`, `follow=1`.
pub(crate) fn flag(text: Option<&str>, field: &str) -> Result<bool, Error> {
    match text {
        None | Some("false" | "0") => Ok(false),
        Some("" | "true" | "1") => Ok(true),
        Some(_) => Err(Error::new(Code::InvalidRequest, format!("`{field}` is neither `true` nor `false`"))
            .field(field)
            .hint("leave it out for `false`")),
    }
}

/// A time in a query.
pub(crate) fn time(text: Option<String>, field: &str) -> Result<Option<Timestamp>, Error> {
    text.map(|text| {
        text.parse().map_err(|_| {
            Error::new(Code::InvalidRequest, format!("`{field}` is not a time"))
                .field(field)
                .hint("a time looks like `2026-11-21T09:30:00Z`")
        })
    })
    .transpose()
}

async fn segment(parts: &mut Parts, control: &Control) -> Result<String, Problem> {
    let Path(text) = Path::<String>::from_request_parts(parts, control)
        .await
        .map_err(|_| Error::new(Code::InvalidRequest, "the address is not UTF-8"))?;
    Ok(text)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // serde would also take a list of the fields' values, in order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(refuse("it is not a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let cause = error.inner().to_string();
        match field(&error.path().to_string(), &cause) {
            Some(field) if error.inner().is_data() => refuse_field(&field, &cause),
            Some(field) => refuse(&cause).field(field),
            None => refuse(&cause),
        }
    })?;
    json.end().map_err(|cause| refuse(&cause.to_string()))?;
    Ok(value)
}

fn refuse(cause: &str) -> Error {
    Error::new(Code::InvalidRequest, format!("the request body is wrong: {cause}"))
        .hint("`/api/openapi.json` describes it")
}

/// A value that is JSON and still not what the field takes. Where in the text it stands helps nobody
/// who did not write that text, as users of the command line.
fn refuse_field(field: &str, cause: &str) -> Error {
    // The parser quotes what it found, and here that may be a password.
    if SECRET_FIELDS.iter().any(|secret| field.contains(secret)) {
        return Error::new(Code::InvalidRequest, format!("`{field}` has another shape than it takes"))
            .field(field)
            .hint("`/api/openapi.json` describes it");
    }
    let why = cause.rsplit_once(" at line ").map_or(cause, |(why, _)| why);
    let why = unquoted(why).replace("a nonzero u16", "a number from 1 to 65535");
    Error::new(Code::InvalidRequest, format!("`{field}` is wrong: {why}"))
        .field(field)
        .hint("`/api/openapi.json` describes it")
}

/// The parser's sentence without a text that it quotes: it may be a secret that came into the wrong field.
fn unquoted(why: &str) -> String {
    let without = |(start, end): (&str, &str)| {
        let ((before, _), (_, after)) = (why.split_once(start)?, why.rsplit_once(end)?);
        Some(format!("{before}{}, expected{after}", start.trim_end_matches([' ', '"', '`'])))
    };
    let quoted = [("string \"", "\", expected"), ("unknown variant `", "`, expected")];
    quoted.into_iter().find_map(without).unwrap_or_else(|| why.to_owned())
}

/// The field at fault. A missing or unknown one is reported at the object around it.
fn field(path: &str, sentence: &str) -> Option<String> {
    // A place that was not reached yet is written as a question mark.
    let path = path.trim_end_matches('?').trim_end_matches('.');
    match (path, named(sentence)) {
        ("", name) => name.map(str::to_owned),
        (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => {
            Some(format!("{path}.{name}"))
        }
        (path, _) => Some(path.to_owned()),
    }
}

/// The name in serde's sentence about a field that should or should not be there.
fn named(sentence: &str) -> Option<&str> {
    ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| sentence.split_once(start)?.1.split_once('`').map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "only read in")]
    struct Outer {
        count: u32,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "only read in")]
    struct Inner {
        path_name: String,
    }

    #[test]
    fn a_refusal_names_the_field() {
        for (json, field) in [
            (r#"{"count": "x"}"#, Some("count")),
            (r#"{"count": -1}"#, Some("count")),
            (r#"{}"#, Some("count")),
            (r#"{"count": 1, "color": 2}"#, Some("color")),
            (r#"{"count": 1, "inner": [{"pathName": 3}]}"#, Some("inner[0].pathName")),
            (r#"{"count": 1, "inner": [{"pathName": "a", "x": 3}]}"#, Some("inner[0].x")),
            (r#"{"count": 1, "inner": [{}]}"#, Some("inner[0].pathName")),
            (r#"{"count": 1} 2"#, None),
            (r#"{"count": 1"#, None),
            ("nonsense", None),
        ] {
            let error = read::<Outer>(json.as_bytes()).unwrap_err();
            assert_eq!(error.at_field(), field, "{json}: {}", error.message());
        }
    }
    #[test]
    fn a_wrong_value_is_told_by_its_field_and_not_by_its_place_in_the_text() {
        let told = |json: &str| read::<Outer>(json.as_bytes()).unwrap_err().message().to_owned();
        assert_eq!(told(r#"{"count": "x"}"#), "`count` is wrong: invalid type: string, expected u32");
        let odd = r#"{"count": "hun\", expected t\"er2"}"#;
        assert_eq!(told(odd), "`count` is wrong: invalid type: string, expected u32");
        assert!(
            told(r#"{"count": 1"#).ends_with("at line 1 column 11"),
            "a broken text is told by its place"
        );
    }
}
