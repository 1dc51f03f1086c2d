//! Bearer tokens: fetched once for a repository, used until they are out of date.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mirage_core::{RegistryHost, Repository};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::fault::Fault;

/// The specification's default where a token does not say how long it is good for.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// No token is trusted longer than this; asking again is cheap.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);
/// Taken off every life, for the way and for clocks that differ.
const MARGIN: Duration = Duration::from_secs(5);
const MAX_REPOSITORIES: usize = 4096;
const MAX_TOKEN_BYTES: usize = 64 << 10;

type Key = (RegistryHost, Repository);

/// The tokens of the process.
#[derive(Default)]
pub(crate) struct Tokens {
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    token: Mutex<Option<Token>>,
    /// Held while a token is being fetched, so that four transfers fetch one token.
    fetching: Arc<AsyncMutex<()>>,
}

/// A token as it goes into the `Authorization` header. It has no way to be printed.
#[derive(Clone)]
pub(crate) struct Token {
    header: HeaderValue,
    until: Instant,
}

/// The right to fetch the token of one repository.
pub(crate) struct Turn {
    slot: Arc<Slot>,
    _alone: OwnedMutexGuard<()>,
}

impl Tokens {
    /// The token for a repository, where there is one that is still good.
    pub(crate) fn current(&self, host: &RegistryHost, repository: &Repository) -> Option<Token> {
        self.slot(host, repository).current()
    }

    /// Waits until nobody else fetches a token for this repository. If somebody has meanwhile brought
    /// another one than `refused`, that is the answer.
    pub(crate) async fn turn(
        &self,
        host: &RegistryHost,
        repository: &Repository,
        refused: Option<&Token>,
    ) -> Result<Token, Turn> {
        let slot = self.slot(host, repository);
        let alone = Arc::clone(&slot.fetching).lock_owned().await;
        match slot.current() {
            Some(token) if refused.is_none_or(|refused| refused.header != token.header) => Ok(token),
            _ => Err(Turn { slot, _alone: alone }),
        }
    }

    fn slot(&self, host: &RegistryHost, repository: &Repository) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_REPOSITORIES {
            slots.retain(|_, slot| slot.current().is_some());
        }
        if slots.len() >= MAX_REPOSITORIES {
            slots.clear();
        }
        Arc::clone(slots.entry((host.clone(), repository.clone())).or_default())
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
        Ok(Self { header, until: Instant::now() + life.saturating_sub(MARGIN) })
    }

    /// The value of the `Authorization` header.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> (RegistryHost, Repository) {
        ("ghcr.io".parse().unwrap(), "acme/web".parse().unwrap())
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_and_again_only_after_it_was_refused() {
        let (host, repository) = key();
        let tokens = Tokens::default();
        assert!(tokens.current(&host, &repository).is_none());
        let Err(turn) = tokens.turn(&host, &repository, None).await else { panic!("nobody has one yet") };
        turn.keep(Token::from_answer(br#"{"token":"a","expires_in":300}"#).unwrap());
        let first = tokens.current(&host, &repository).unwrap();
        assert_eq!(first.header().to_str().unwrap(), "Bearer a");
        assert!(tokens.turn(&host, &repository, None).await.is_ok());
        assert!(tokens.turn(&host, &repository, Some(&first)).await.is_err());
        let other = "acme/other".parse().unwrap();
        assert!(tokens.current(&host, &other).is_none(), "a token is for one repository");
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
