//! Faults in words: the code, the sentence and the next step a user gets.

use mirage_core::{Code, Error, Login, Platform, Reference, human_bytes};
use reqwest::StatusCode;

use super::fault::{Fault, Refusal, TlsFault};
use super::remote::RemoteImage;

/// The user's error for a fault while `reference` was being read or pulled.
pub(crate) fn report(fault: Fault, remote: RemoteImage<'_>) -> Error {
    let reference = remote.reference;
    let (host, image) = (reference.host(), reference.familiar());
    let error = match &fault {
        Fault::Here(error) => return error.clone(),
        // Nobody means a registry by `Acme/web`.
        Fault::NoAddress(_) if !host.as_str().contains(['.', ':']) => unreachable(
            format!("the registry `{host}` cannot be found: its name has no address"),
            &format!("for a repository of Docker Hub write it in lower case: `{}`", image.to_lowercase()),
        ),
        Fault::NoAddress(_) => unreachable(
            format!("the registry `{host}` cannot be found: its name has no address"),
            "check the spelling of the registry, and this machine's name service",
        ),
        Fault::NoConnection(_) => unreachable(
            format!("nothing answers at the registry `{host}`"),
            "check that the registry runs, and that this machine may connect to it",
        ),
        Fault::Stalled(time) => unreachable(
            format!("the registry `{host}` sent nothing for {} s", time.as_secs().max(1)),
            "try again; if it stays like this, ask whoever runs the registry",
        ),
        Fault::Broken(_) => unreachable(
            format!("the connection to the registry `{host}` broke off"),
            "try again; if it stays like this, look for a proxy or firewall on the way",
        ),
        Fault::Redirect(why) => unreachable(
            format!("the registry `{host}` redirects to where Mirage does not follow: {why}"),
            "check the address of the registry, and its configuration",
        ),
        Fault::WebPage => unreachable(
            format!("`{host}` answers with a web page, not as a registry"),
            &format!("check the address; a registry answers at `https://{host}/v2/`"),
        ),
        Fault::Tls(why, _) => tls(*why, reference),
        Fault::ForeignRealm(realm) => Error::new(
            Code::RegistryAuthError,
            format!("the registry `{host}` wants the password sent to `{realm}`, and it was not sent"),
        )
        .hint("a password goes to another host only where the registry names it over TLS: switch TLS on at the registry"),
        Fault::Refused(refusal) => refused(refusal, remote),
        Fault::TooLarge { what, bytes, limit } => too_large(&image, what, *bytes, *limit),
        Fault::Malformed(why) => damaged(&image, why),
        Fault::NotAnImage(why) => no_image(&image, why),
        Fault::WrongDigest { .. } | Fault::WrongSize { .. } | Fault::Truncated { .. } | Fault::WrongRange => {
            Error::new(Code::ImagePullError, format!("`{host}` sent wrong bytes for `{image}`: {fault}"))
                .hint("try again; if it stays like this, the registry or something on the way is broken")
        }
        Fault::NoPlatform { wanted, offered } => no_platform(&image, wanted, offered),
    };
    error.because(fault)
}

/// The user's error for a fault while a login was being shown to its registry.
pub(crate) fn report_login(fault: Fault, login: &Login) -> Error {
    let (host, user) = (&login.owner.host, &login.owner.username);
    let refused = match &fault {
        Fault::Refused(refusal) => {
            refusal.by_token_service && refusal.status.is_client_error()
                || matches!(refusal.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        }
        _ => false,
    };
    if refused {
        return Error::new(
            Code::RegistryAuthError,
            format!("`{host}` does not accept the login of `{user}`"),
        )
        .hint("check user name and password or token, and whether it has expired")
        .because(fault);
    }
    match &fault {
        Fault::Malformed(why) => {
            unreachable(format!("`{host}` does not answer as a registry: {why}"), "check its address")
                .because(fault)
        }
        Fault::Refused(refusal) => {
            let message = format!("the registry `{host}` answered `{}`", refusal.status);
            unreachable(message, "check its address; try again later").because(fault)
        }
        // What is left is about the registry and the way to it, not about an image.
        _ => match format!("{host}/v2").parse() {
            Ok(reference) => report(fault, RemoteImage { reference: &reference, login: Some(login) }),
            Err(_) => Error::internal("show a login to its registry", fault),
        },
    }
}

fn unreachable(message: String, hint: &str) -> Error {
    Error::new(Code::RegistryUnreachable, message).hint(hint)
}

fn too_large(image: &str, what: &str, bytes: Option<u64>, limit: u64) -> Error {
    let limit = human_bytes(limit);
    let seen = match bytes.map(human_bytes) {
        Some(bytes) => format!("{bytes}, the limit is {limit}"),
        None => format!("more than {limit}"),
    };
    Error::new(Code::ImageTooLarge, format!("{what} of `{image}` is too large: {seen}"))
        .hint("use a smaller image")
}

fn damaged(image: &str, why: &str) -> Error {
    Error::new(Code::ImagePullError, format!("`{image}` is damaged: {why}"))
        .hint("push the image again; if it stays like this, ask whoever runs the registry")
}

fn no_image(image: &str, why: &str) -> Error {
    Error::new(Code::ImagePullError, format!("`{image}` is no container image that Mirage can run: {why}"))
        .hint("push it as a container image, for example with `docker buildx build --push`")
}

fn tls(why: TlsFault, reference: &Reference) -> Error {
    let host = reference.host();
    let error =
        Error::new(Code::RegistryTlsError, format!("no safe connection to the registry `{host}`: {why}"));
    error.hint(match why {
        TlsFault::NoRoots => "install the list, for example with `apt install ca-certificates`, and restart Mirage",
        TlsFault::UnknownIssuer => "give Mirage the certificate of the registry's authority (a PEM file), or use a public one",
        TlsFault::Expired => "renew the registry's certificate, and check the clocks of both machines",
        TlsFault::WrongName => "use the name the certificate is for",
        TlsFault::PlainHttp => {
            "switch TLS on at the registry; if the way to it is safe, name it as a plain HTTP registry in the configuration"
        }
        TlsFault::Handshake => "check that the registry offers TLS 1.2 or 1.3",
    })
}

fn refused(refusal: &Refusal, remote: RemoteImage<'_>) -> Error {
    let reference = remote.reference;
    let (host, image) = (reference.host(), reference.familiar());
    let code = refusal.code.as_deref().unwrap_or_default();
    match (refusal.status, code) {
        (StatusCode::TOO_MANY_REQUESTS, _) | (_, "TOOMANYREQUESTS") => rate_limited(refusal, reference),
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) | (_, "UNAUTHORIZED" | "DENIED") => {
            auth(refusal, remote)
        }
        (_, "NAME_UNKNOWN") => not_found(format!("`{host}` has no repository `{}`", reference.repository()))
            .hint("check the spelling of the repository"),
        (_, "NAME_INVALID") => {
            not_found(format!("`{host}` does not take `{}` as a repository", reference.repository()))
                .hint("check the spelling of the repository")
        }
        (StatusCode::NOT_FOUND, _) | (_, "MANIFEST_UNKNOWN" | "BLOB_UNKNOWN") if refusal.by_token_service => {
            auth(refusal, remote)
        }
        (StatusCode::NOT_FOUND, _) | (_, "MANIFEST_UNKNOWN") => {
            not_found(format!("`{host}` has no image `{image}`")).hint(format!(
                "check the repository and the tag; `skopeo list-tags docker://{host}/{}` lists the tags",
                reference.repository()
            ))
        }
        (status, _) => {
            let words = refusal.message.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            let message = format!("the registry `{host}` answered `{status}`{words}");
            unreachable(message, "try again; if it stays like this, ask whoever runs the registry")
        }
    }
}

fn not_found(message: String) -> Error {
    Error::new(Code::ImageNotFound, message)
}

/// Docker Hub and GHCR answer the same for what is private and for what does not exist.
fn auth(refusal: &Refusal, remote: RemoteImage<'_>) -> Error {
    let (host, image) = (remote.reference.host(), remote.reference.familiar());
    let Some(login) = remote.login else {
        return Error::new(Code::RegistryAuthError, format!("`{host}` does not let `{image}` be pulled without a login"))
            .hint("check the spelling: many registries answer like this for an image that does not exist; a private image needs a user name and a password or token");
    };
    let user = &login.owner.username;
    // A registry that knows who asks and still says no does so with 403.
    let denied = refusal.status == StatusCode::FORBIDDEN || refusal.code.as_deref() == Some("DENIED");
    match denied && !refusal.by_token_service {
        true => Error::new(Code::RegistryAuthError, format!("`{host}` does not let `{user}` pull `{image}`"))
            .hint("check the spelling of the image, and that this user or token may read the repository"),
        false => Error::new(Code::RegistryAuthError, format!("`{host}` does not accept the login of `{user}` for `{image}`"))
            .hint("check user name and password or token, and whether it has expired; then that this user may read the repository, and its spelling"),
    }
}

fn rate_limited(refusal: &Refusal, reference: &Reference) -> Error {
    let host = reference.host();
    let wait = match refusal.retry_after.map(|wait| wait.as_secs()) {
        Some(seconds @ 120..) => format!("try again in {} min", seconds.div_ceil(60)),
        Some(seconds @ 1..) => format!("try again in {seconds} s"),
        _ => "try again later".to_owned(),
    };
    let hint = match host.is_docker_hub() {
        true => format!("{wait}; Docker Hub counts pulls per address, and grants more to those who log in"),
        false => wait,
    };
    Error::new(Code::RegistryRateLimited, format!("the registry `{host}` asks to slow down: too many pulls"))
        .hint(hint)
}

fn no_platform(image: &str, wanted: &Platform, offered: &[Platform]) -> Error {
    const SHOWN: usize = 8;
    let mut list: Vec<String> = offered.iter().take(SHOWN).map(|platform| format!("`{platform}`")).collect();
    if offered.len() > SHOWN {
        list.push(format!("{} more", offered.len() - SHOWN));
    }
    let message = match list.is_empty() {
        true => format!("`{image}` is offered for no platform, so not for `{wanted}`"),
        false => format!("`{image}` is offered for {}, not for `{wanted}`", list.join(", ")),
    };
    Error::new(Code::NoMatchingPlatform, message)
        .hint(format!("build it for this platform too: `docker buildx build --platform {wanted} --push …`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    fn told(fault: Fault, reference: &Reference) -> Error {
        report(fault, RemoteImage { reference, login: None })
    }

    fn refusal(status: u16, code: &str) -> Fault {
        Fault::Refused(Refusal {
            status: StatusCode::from_u16(status).unwrap(),
            code: Some(code.to_owned()).filter(|code| !code.is_empty()),
            message: Some("the words of the registry".into()),
            retry_after: Some(Duration::from_secs(900)),
            by_token_service: false,
        })
    }

    #[test]
    fn refusals_of_real_registries_have_their_codes() {
        for (status, code, expected) in [
            (404, "MANIFEST_UNKNOWN", Code::ImageNotFound),
            (404, "NAME_UNKNOWN", Code::ImageNotFound),
            (404, "", Code::ImageNotFound),
            (401, "UNAUTHORIZED", Code::RegistryAuthError),
            (403, "DENIED", Code::RegistryAuthError),
            (403, "", Code::RegistryAuthError),
            (429, "TOOMANYREQUESTS", Code::RegistryRateLimited),
            (429, "", Code::RegistryRateLimited),
            (500, "", Code::RegistryUnreachable),
            (503, "UNAVAILABLE", Code::RegistryUnreachable),
        ] {
            let error = told(refusal(status, code), &reference("nginx:1.27"));
            assert_eq!(error.code(), expected, "{status} {code}");
            assert!(error.message().contains("`docker.io`"), "{}", error.message());
            assert!(!error.message().ends_with('.') && error.next_step().is_some());
        }
    }

    #[test]
    fn a_missing_image_on_docker_hub_looks_private_and_the_hint_says_so() {
        let error = told(refusal(401, "UNAUTHORIZED"), &reference("acme/nothing"));
        assert!(error.next_step().unwrap().contains("does not exist"));
    }

    #[test]
    fn a_limit_names_the_wait() {
        let error = told(refusal(429, ""), &reference("nginx"));
        assert!(error.next_step().unwrap().starts_with("try again in 15 min; Docker Hub"));
    }

    #[test]
    fn a_missing_platform_lists_what_is_there() {
        let offered = ["linux/arm64/v8", "windows/amd64"].map(|text| text.parse().unwrap()).to_vec();
        let fault = Fault::NoPlatform { wanted: "linux/amd64".parse().unwrap(), offered };
        let error = told(fault, &reference("ghcr.io/acme/web:2"));
        assert_eq!(
            error.message(),
            "`ghcr.io/acme/web:2` is offered for `linux/arm64/v8`, `windows/amd64`, not for `linux/amd64`"
        );
    }
}
