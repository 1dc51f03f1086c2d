//! What goes into the `Authorization` header: tokens, fetched once for a repository and a login and used
//! until they are out of date, and passwords for registries that want nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mirage_core::Login;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use zeroize::Zeroizing;

use super::fault::Fault;
use super::remote::{RemoteImage, Source};

/// The specification's default where a token does not say how long it is good for.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// No token is trusted longer than this; asking again is cheap.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);
/// Taken off every life, for the way and for clocks that differ; of a short life only a fifth.
const MARGIN: Duration = Duration::from_secs(5);
const MAX_REPOSITORIES: usize = 4096;
const MAX_TOKEN_BYTES: usize = 64 << 10;

/// The tokens of the process.
#[derive(Default)]
pub(crate) struct Tokens {
    slots: Mutex<HashMap<Source, Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    token: Mutex<Option<Token>>,
    /// Held while a token is being fetched, so that four transfers fetch one token.
    fetching: Arc<AsyncMutex<()>>,
}

/// A token or a password as it goes into the `Authorization` header. It has no way to be printed.
#[derive(Clone)]
pub(crate) struct Token {
    header: HeaderValue,
    until: Instant,
}

/// The right to fetch the token of one repository for one login.
pub(crate) struct Turn {
    slot: Arc<Slot>,
    _alone: OwnedMutexGuard<()>,
}

impl Tokens {
    /// The token for a repository and a login, where there is one that is still good.
    pub(crate) fn current(&self, image: RemoteImage<'_>) -> Option<Token> {
        self.slot(image).current()
    }

    /// Waits until nobody else fetches a token for this repository and login. If somebody has meanwhile brought
    /// another one than `refused`, that is the answer.
    pub(crate) async fn turn(&self, image: RemoteImage<'_>, refused: Option<&Token>) -> Result<Token, Turn> {
        let slot = self.slot(image);
        let alone = Arc::clone(&slot.fetching).lock_owned().await;
        match slot.current() {
            Some(token) if refused.is_none_or(|refused| refused.header != token.header) => Ok(token),
            _ => Err(Turn { slot, _alone: alone }),
        }
    }

    /// Keeps a password that was taken, for the next requests.
    pub(crate) fn keep(&self, image: RemoteImage<'_>, password: Token) {
        *self.slot(image).token.lock().unwrap_or_else(PoisonError::into_inner) = Some(password);
    }

    fn slot(&self, image: RemoteImage<'_>) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_REPOSITORIES {
            slots.retain(|_, slot| slot.current().is_some());
        }
        if slots.len() >= MAX_REPOSITORIES {
            slots.clear();
        }
        Arc::clone(slots.entry(image.source()).or_default())
    }
}

impl Slot {
    fn current(&self) -> Option<Token> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        token.clone().filter(|token| token.until > Instant::now())
    }
}

impl Turn {
    /// Keeps a fetched token for the next requests.
    pub(crate) fn keep(self, token: Token) -> Token {
        *self.slot.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        token
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<f64>,
}

impl Token {
    /// User name and password for a registry that takes both with every request.
    pub(crate) fn basic(login: &Login) -> Result<Self, Fault> {
        let pair = Zeroizing::new(format!("{}:{}", login.owner.username, login.password.reveal()));
        let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let mut header = HeaderValue::from_str(&text)
            .map_err(|_| Fault::Malformed("the login does not fit into a header".into()))?;
        header.set_sensitive(true);
        Ok(Self { header, until: Instant::now() + LONGEST_LIFE })
    }

    /// Reads the answer of a token service. Its text never reaches a message or a log.
    pub(crate) fn from_answer(body: &[u8]) -> Result<Self, Fault> {
        let malformed = |why: &str| Fault::Malformed(format!("the token service's answer {why}"));
        let answer: TokenAnswer = serde_json::from_slice(body).map_err(|_| malformed("is not a token"))?;
        let text = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let text = text.ok_or_else(|| malformed("has no token"))?;
        if text.len() > MAX_TOKEN_BYTES {
            return Err(malformed("has a token that is too long"));
        }
        let mut header = HeaderValue::try_from(format!("Bearer {text}"))
            .map_err(|_| malformed("has a token with forbidden characters"))?;
        header.set_sensitive(true);
        let life = answer.expires_in.filter(|seconds| *seconds > 0.0);
        let life = life.map_or(DEFAULT_LIFE, |seconds| {
            Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_LIFE).min(LONGEST_LIFE)
        });
        Ok(Self { header, until: Instant::now() + life.saturating_sub(MARGIN.min(life / 5)) })
    }

    /// The value of the `Authorization` header.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mirage_core::CredentialOwner;

    fn login(password: &str) -> Login {
        let owner = CredentialOwner { host: "ghcr.io".parse().unwrap(), username: "eve".into() };
        Login { owner, password: password.to_owned().into() }
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_and_again_only_after_it_was_refused() {
        let (web, other) = ("ghcr.io/acme/web".parse().unwrap(), "ghcr.io/acme/other".parse().unwrap());
        let anybody = |reference| RemoteImage { reference, login: None };
        let tokens = Tokens::default();
        assert!(tokens.current(anybody(&web)).is_none());
        let Err(turn) = tokens.turn(anybody(&web), None).await else { panic!("nobody has one yet") };
        turn.keep(Token::from_answer(br#"{"token":"a","expires_in":300}"#).unwrap());
        let first = tokens.current(anybody(&web)).unwrap();
        assert_eq!(first.header().to_str().unwrap(), "Bearer a");
        assert!(tokens.turn(anybody(&web), None).await.is_ok());
        assert!(tokens.turn(anybody(&web), Some(&first)).await.is_err());
        assert!(tokens.current(anybody(&other)).is_none(), "a token is for one repository");
        for password in ["new", "old"] {
            let login = login(password);
            let image = RemoteImage { reference: &web, login: Some(&login) };
            assert!(tokens.current(image).is_none(), "a token is for one login");
            let Err(turn) = tokens.turn(image, None).await else { panic!("nobody has one yet") };
            turn.keep(Token::basic(&login).unwrap());
        }
        let login = login("new");
        let header = tokens.current(RemoteImage { reference: &web, login: Some(&login) }).unwrap().header();
        assert_eq!(header.to_str().unwrap(), "Basic ZXZlOm5ldw==");
        assert!(header.is_sensitive());
    }

    #[test]
    fn odd_answers_of_token_services_are_refused_or_bounded() {
        let read = |text: &str| Token::from_answer(text.as_bytes());
        for bad in ["", "[]", "{}", r#"{"token":""}"#, "{\"token\":\"a\\nb\"}", "<html>"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let forever = read(r#"{"access_token":"x","expires_in":1e300}"#).ok().unwrap();
        assert!(forever.until <= Instant::now() + LONGEST_LIFE);
        assert!(read(r#"{"token":"x","expires_in":-5}"#).is_ok());
    }
}
