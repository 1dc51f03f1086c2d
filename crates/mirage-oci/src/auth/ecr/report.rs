//! Why there is no password, in words.

use mirage_core::{Code, Error};
use reqwest::{StatusCode, Url};

use super::EcrRegistry;
use crate::auth::sigv4::AccessKey;
use crate::client::{Fault, Refusal};

/// The user's error for a fault while a password was being minted. It names the key, not its secret.
pub(super) fn report(fault: Fault, registry: &EcrRegistry, endpoint: &Url, key: &AccessKey) -> Error {
    let (host, at) = (&registry.host, endpoint.host_str().unwrap_or_default());
    let error = match &fault {
        Fault::Here(error) => return error.clone(),
        Fault::Refused(refusal) => refused(refusal, registry, at, key),
        Fault::Tls(why, _) => {
            let message =
                format!("no safe connection to `{at}`, which makes the passwords for `{host}`: {why}");
            Error::new(Code::RegistryTlsError, message)
                .hint("check this machine's clock, and that nothing on the way to AWS reads along")
        }
        Fault::NoAddress(_) => silent(registry, at, "its name has no address"),
        Fault::NoConnection(_) => silent(registry, at, "no connection to it comes about"),
        Fault::Stalled(_) => silent(registry, at, "it sends nothing"),
        Fault::Broken(_) => silent(registry, at, "the connection broke off"),
        fault => unreachable(format!("`{at}` made no password for `{host}`: {fault}")),
    };
    error.because(fault)
}

fn silent(registry: &EcrRegistry, at: &str, why: &str) -> Error {
    unreachable(format!("`{at}`, which makes the passwords for `{}`, does not answer: {why}", registry.host))
}

fn unreachable(message: String) -> Error {
    Error::new(Code::RegistryUnreachable, message)
        .hint("check that this machine may connect to AWS, or give the user `AWS` with a password of `aws ecr get-login-password`")
}

fn refused(refusal: &Refusal, registry: &EcrRegistry, at: &str, key: &AccessKey) -> Error {
    let (host, id) = (&registry.host, &key.id);
    let code = refusal.code.as_deref().unwrap_or_default();
    let auth = |why: String| Error::new(Code::RegistryAuthError, format!("no login to `{host}`: {why}"));
    match code {
        "UnrecognizedClientException" | "InvalidClientTokenId" | "MissingAuthenticationToken"
            if key.session.is_none() && id.starts_with("ASIA") =>
        {
            auth(format!("the access key `{id}` is a temporary one, and its session token is missing")).hint(
                "give as the password its secret, a colon and its session token, or use a key that stays",
            )
        }
        "UnrecognizedClientException" | "InvalidClientTokenId" | "MissingAuthenticationToken" => auth(
            format!("AWS does not know the access key `{id}`"),
        )
        .hint("check in IAM that the key exists and is active, and that it is one of this partition of AWS"),
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestExpired" => match &refusal.message {
            Some(clocks) => {
                auth(clocks.clone()).hint("set the clock, for example with `timedatectl set-ntp true`")
            }
            None => auth(format!("the password given with the access key `{id}` is not its secret")).hint(
                "give the secret that was shown when the key was made; if it is lost, make a new key in IAM",
            ),
        },
        "AccessDeniedException" | "AccessDenied" => {
            let said = refusal.message.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
            auth(format!("the access key `{id}` may not ask for a password{said}"))
                .hint("attach the policy `AmazonEC2ContainerRegistryPullOnly` to the user of the key")
        }
        "ExpiredTokenException" | "ExpiredToken" => {
            auth(format!("the temporary access key `{id}` is no longer good"))
                .hint("use a key that stays, that of a user in IAM who may do nothing but pull")
        }
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" => limited(at),
        _ if refusal.status == StatusCode::TOO_MANY_REQUESTS => limited(at),
        _ if matches!(refusal.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            auth(format!("AWS refused the access key `{id}` ({})", words(refusal)))
                .hint("check the key and its rights in IAM")
        }
        _ => unreachable(format!("`{at}` made no password for `{host}`: it answered {}", words(refusal))),
    }
}

fn limited(at: &str) -> Error {
    Error::new(Code::RegistryRateLimited, format!("`{at}` asks to slow down")).hint("try again later")
}

fn words(refusal: &Refusal) -> String {
    let said = [&refusal.code, &refusal.message].into_iter().flatten().map(|text| format!(", {text}"));
    format!("`{}`{}", refusal.status, said.collect::<String>())
}
