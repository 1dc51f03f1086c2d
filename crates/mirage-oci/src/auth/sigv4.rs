//! Signature Version 4, with which AWS wants its requests signed (AWS, "Create a signed AWS API
//! request"), for requests whose path needs no escapes and which have no query.

use jiff::Timestamp;
use mirage_core::{DigestAlgorithm, Secret};
use ring::hmac;

use crate::hash::digest_of;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// An access key of AWS.
pub(crate) struct AccessKey {
    /// Its name, which is no secret: `AKIA…`, or `ASIA…` for a temporary one.
    pub(crate) id: String,
    /// What requests are signed with.
    pub(crate) secret: Secret,
    /// What a temporary key is good for nothing without.
    pub(crate) session: Option<Secret>,
}

/// Where a signature counts.
pub(crate) struct Scope<'a> {
    /// `eu-west-1`.
    pub(crate) region: &'a str,
    /// `ecr`.
    pub(crate) service: &'a str,
}

/// A request before it is sent.
pub(crate) struct Request<'a> {
    /// `POST`.
    pub(crate) method: &'a str,
    /// `/`.
    pub(crate) path: &'a str,
    /// Names in lower case with their values, each name once, `host` among them.
    pub(crate) headers: Vec<(&'a str, String)>,
    /// The body.
    pub(crate) body: &'a [u8],
}

impl Request<'_> {
    /// Adds the headers `x-amz-date`, `authorization` and, for a temporary key, `x-amz-security-token`.
    /// The signature covers every header that is there before.
    pub(crate) fn sign(&mut self, key: &AccessKey, scope: &Scope<'_>, now: Timestamp) {
        let (day, time) = (now.strftime("%Y%m%d").to_string(), now.strftime("%Y%m%dT%H%M%SZ").to_string());
        self.headers.push(("x-amz-date", time.clone()));
        self.headers.extend(key.session.iter().map(|token| ("x-amz-security-token", token.reveal().into())));
        self.headers.sort();
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let place = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
        let text = format!("{ALGORITHM}\n{time}\n{place}\n{}", sha256(self.canonical(&names).as_bytes()));
        let signature = hex(hmac::sign(&signing_key(key, scope, &day), text.as_bytes()).as_ref());
        let value = format!(
            "{ALGORITHM} Credential={}/{place}, SignedHeaders={names}, Signature={signature}",
            key.id
        );
        self.headers.push(("authorization", value));
    }

    /// The form of a request that both sides can arrive at. The empty line is that of the query.
    fn canonical(&self, names: &str) -> String {
        let mut text = format!("{}\n{}\n\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}:{}\n", value.trim()));
        }
        text + &format!("\n{names}\n{}", sha256(self.body))
    }
}

/// The key that is made of the secret for one day and place.
fn signing_key(key: &AccessKey, scope: &Scope<'_>, day: &str) -> hmac::Key {
    let start = Secret::from(format!("AWS4{}", key.secret.reveal()));
    let start = hmac::Key::new(hmac::HMAC_SHA256, start.reveal().as_bytes());
    [day, scope.region, scope.service, "aws4_request"].iter().fold(start, |key, part| {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
    })
}

fn sha256(bytes: &[u8]) -> String {
    digest_of(DigestAlgorithm::Sha256, bytes).hex().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signs as the published test suite does (`aws-signing-test-suite/v4` of awslabs/aws-c-auth).
    fn signed(method: &str, headers: &[(&str, &str)], body: &str, session: Option<&str>) -> String {
        let key = AccessKey {
            id: "AKIDEXAMPLE".into(),
            secret: Secret::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session: session.map(|token| Secret::from(token.to_owned())),
        };
        let host = [("host", "example.amazonaws.com")];
        let headers = host.iter().chain(headers).map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut request = Request { method, path: "/", headers, body: body.as_bytes() };
        let scope = Scope { region: "us-east-1", service: "service" };
        request.sign(&key, &scope, "2015-08-30T12:36:00Z".parse().unwrap());
        let (_, value) = request.headers.iter().find(|(name, _)| *name == "authorization").unwrap();
        let start =
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=";
        value.strip_prefix(start).unwrap().to_owned()
    }

    #[test]
    fn the_signatures_of_the_published_test_suite() {
        for (method, signature) in [
            ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ] {
            let expected = format!("host;x-amz-date, Signature={signature}");
            assert_eq!(signed(method, &[], "", None), expected, "{method}-vanilla");
        }
    }

    #[test]
    fn the_signatures_of_forms_in_the_published_test_suite() {
        let names = "content-length;content-type;host;x-amz-content-sha256;x-amz-date";
        for (kind, signature) in [
            (
                "application/x-www-form-urlencoded",
                "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            ),
            (
                "application/x-www-form-urlencoded; charset=utf-8",
                "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
            ),
        ] {
            let hash = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
            let headers = [("content-type", kind), ("content-length", "13"), ("x-amz-content-sha256", hash)];
            let expected = format!("{names}, Signature={signature}");
            assert_eq!(signed("POST", &headers, "Param1=value1", None), expected, "{kind}");
        }
    }

    #[test]
    fn the_signatures_of_temporary_keys_in_the_published_test_suite() {
        let long = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        for (method, token, signature) in [
            (
                "GET",
                "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
                "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ),
            ("POST", long, "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
        ] {
            let expected = format!("host;x-amz-date;x-amz-security-token, Signature={signature}");
            assert_eq!(signed(method, &[], "", Some(token)), expected, "{method}");
        }
    }
}
