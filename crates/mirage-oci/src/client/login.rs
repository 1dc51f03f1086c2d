//! Logging in at a token service (distribution project, "Token Authentication Specification" and "OAuth 2
//! Token Authentication").

use mirage_core::port::LoginCheck;
use mirage_core::{Login, RegistryHost};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode, Url};
use zeroize::Zeroizing;

use super::answer;
use super::challenge::{Challenge, TokenService};
use super::fault::{Fault, Refusal};
use super::link::Link;
use super::options::MAX_ANSWER_BYTES;
use super::remote::RemoteImage;
use super::tokens::Token;

/// The user name that Docker writes beside an identity token, which is no password.
const IDENTITY_TOKEN: &str = "<token>";
/// How Mirage calls itself at token services.
const CLIENT_ID: &str = "mirage";

/// Fetches a token that may pull the image.
///
/// # Errors
/// A fault of the token service's; [`Fault::ForeignRealm`] where the password must not go there.
pub(super) async fn token(
    link: &Link,
    image: RemoteImage<'_>,
    service: &TokenService,
) -> Result<Token, Fault> {
    let scope = format!("repository:{}:pull", image.reference.repository());
    fetch(link, image.reference.host(), image.login, service, Some(scope)).await
}

/// Shows a login to its registry, for nothing in particular.
///
/// # Errors
/// What speaks against it.
pub(super) async fn check(link: &Link, login: &Login) -> Result<LoginCheck, Fault> {
    let host = &login.owner.host;
    let base = link.address(host, "")?;
    let asked = link.get(host, Method::GET, base.clone(), HeaderMap::new(), None).await?;
    let token = match link.asks_for_login(host, &asked) {
        _ if asked.status() == StatusCode::OK => return Ok(LoginCheck::NotAsked),
        Some(Challenge::Bearer(service)) => fetch(link, host, Some(login), &service, None).await?,
        Some(Challenge::Basic) => Token::basic(&link.taken(login).await?)?,
        None => return Err(answer::refusal(asked, None, link.options()).await),
    };
    let taken = link.get(host, Method::GET, base, HeaderMap::new(), Some(token.header())).await?;
    match taken.status() {
        StatusCode::OK => Ok(LoginCheck::Accepted),
        _ => Err(answer::refusal(taken, Some(login), link.options()).await),
    }
}

async fn fetch(
    link: &Link,
    host: &RegistryHost,
    login: Option<&Login>,
    service: &TokenService,
    scope: Option<String>,
) -> Result<Token, Fault> {
    let url = Url::parse(&service.realm)
        .map_err(|_| Fault::Malformed("the registry's token service has no valid address".into()))?;
    link.check_scheme(host, &url)?;
    let service = service.service.clone().map(|service| ("service", service));
    let wanted: Vec<_> = service.into_iter().chain(scope.map(|scope| ("scope", scope))).collect();
    let response = match login {
        None => get(link, host, url, &wanted, None).await?,
        Some(_) if !is_trusted(link, host, &url) => {
            return Err(Fault::ForeignRealm(url.host_str().unwrap_or_default().to_owned()));
        }
        Some(login) if login.owner.username == IDENTITY_TOKEN => {
            let grant = [("grant_type", "refresh_token"), ("refresh_token", login.password.reveal())];
            post(link, host, url, &wanted, &grant).await?
        }
        Some(login) => {
            let first = get(link, host, url.clone(), &wanted, Some(login)).await?;
            // Services that know OAuth 2 alone.
            match first.status() {
                StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                    let user = login.owner.username.as_str();
                    let password = login.password.reveal();
                    let grant = [("grant_type", "password"), ("username", user), ("password", password)];
                    post(link, host, url, &wanted, &grant).await?
                }
                _ => first,
            }
        }
    };
    if response.status() != StatusCode::OK {
        return Err(match answer::refusal(response, login, link.options()).await {
            Fault::Refused(refusal) => Fault::Refused(Refusal { by_token_service: true, ..refusal }),
            fault => fault,
        });
    }
    let body = answer::body(response, "the token", MAX_ANSWER_BYTES, link.options()).await?;
    Token::from_answer(&body)
}

/// Whether a password may go there: where a registry named the service over TLS, or to its own host.
fn is_trusted(link: &Link, host: &RegistryHost, service: &Url) -> bool {
    let named_safely = !link.is_plain(host) && service.scheme() == "https";
    let own = service.host_str().is_some_and(|name| name.trim_matches(['[', ']']) == host.name());
    named_safely || own
}

async fn get(
    link: &Link,
    host: &RegistryHost,
    mut url: Url,
    wanted: &[(&str, String)],
    login: Option<&Login>,
) -> Result<Response, Fault> {
    url.query_pairs_mut().extend_pairs(wanted);
    if let Some(login) = login {
        url.query_pairs_mut().append_pair("account", &login.owner.username);
    }
    let password = login.map(Token::basic).transpose()?;
    link.get(host, Method::GET, url, HeaderMap::new(), password.as_ref().map(Token::header)).await
}

async fn post(
    link: &Link,
    host: &RegistryHost,
    url: Url,
    wanted: &[(&str, String)],
    grant: &[(&str, &str)],
) -> Result<Response, Fault> {
    let mut form = String::new();
    let pairs = wanted.iter().map(|(name, value)| (*name, value.as_str()));
    for (name, value) in pairs.chain(grant.iter().copied()).chain([("client_id", CLIENT_ID)]) {
        if !form.is_empty() {
            form.push('&');
        }
        form.extend([name, "="]);
        form.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    link.post_form(host, url, &Zeroizing::new(form)).await
}
