//! Amazon ECR. Its registries take the user `AWS` with a password that is good for 12 hours, which AWS
//! mints for whoever has an access key. A login there is one of these:
//!
//! - user `AWS` and such a password, made by `aws ecr get-login-password`: used as it is;
//! - the id of an access key and its secret: Mirage mints passwords with it, and renews them;
//! - the id of a temporary key (`ASIA…`), and as the password its secret, a colon, and its session
//!   token. A secret has no colon in it (AWS makes them of the letters of Base64).

mod mint;
mod registry;
mod report;
#[cfg(test)]
pub(crate) mod script;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mirage_core::port::Clock;
use mirage_core::{
    Code, CredentialOwner, Digest, DigestAlgorithm, Error, Login, RegistryHost, Result, Secret,
};
use reqwest::Url;
use tokio::sync::Mutex as AsyncMutex;

use super::sigv4::AccessKey;
use crate::client::RegistryOptions;
use crate::client::retry::{Jitter, Tries};
use crate::hash::digest_of;
use mint::mint;
use report::report;

pub(crate) use registry::EcrRegistry;

/// The user of a ready-made password.
const READY: &str = "AWS";
/// A password is renewed when it has no more than this left: a pull may take a while.
const MARGIN: Duration = Duration::from_secs(600);
const MAX_KEPT: usize = 1024;

/// The registry, the id of the access key, and a hash of its secret: a secret that was replaced gets
/// nothing that the old one was given.
type Key = (RegistryHost, String, Digest);

/// Mints passwords for Amazon's registries, and keeps them while they are good.
pub(crate) struct Ecr {
    options: RegistryOptions,
    jitter: Jitter,
    clock: Arc<dyn Clock>,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
}

/// The passwords of one access key at one registry.
#[derive(Default)]
struct Slot {
    last: Mutex<Last>,
    /// Held while a password is being minted, so that many pulls mint one.
    minting: AsyncMutex<()>,
}

#[derive(Clone, Default)]
struct Last {
    minted: Option<Minted>,
    /// How often it was tried, and why the latest attempt failed where it did.
    attempts: u64,
    failure: Option<Error>,
}

/// What AWS gave.
#[derive(Clone)]
struct Minted {
    username: String,
    password: Secret,
    until: Timestamp,
}

impl Ecr {
    /// `seed` sets off the jitter of pauses.
    pub(crate) fn new(options: RegistryOptions, seed: u64, clock: Arc<dyn Clock>) -> Self {
        Self { options, jitter: Jitter::new(seed), clock, slots: Mutex::default() }
    }

    /// Where passwords for this registry are minted: at AWS, or where the settings say.
    ///
    /// # Errors
    /// `INTERNAL` where that is no address.
    pub(crate) fn endpoint(&self, registry: &EcrRegistry) -> Result<Url> {
        if let Some(own) = &self.options.ecr_endpoint {
            return Ok(own.clone());
        }
        Url::parse(&format!("https://{}/", registry.api))
            .map_err(|cause| Error::internal("make the address of AWS", cause))
    }

    /// The login that the registry itself takes, made of the one that is stored. `client` is one for
    /// [`Self::endpoint`]; it is not used while a password is kept.
    ///
    /// # Errors
    /// `REGISTRY_AUTH_ERROR` where AWS refuses the key, `REGISTRY_UNREACHABLE`, `REGISTRY_TLS_ERROR`
    /// and `REGISTRY_RATE_LIMITED` where it gives no answer to use. None holds the secret.
    pub(crate) async fn login(
        &self,
        client: &reqwest::Client,
        registry: &EcrRegistry,
        login: &Login,
    ) -> Result<Login> {
        if login.owner.username == READY {
            return Ok(login.clone());
        }
        let key = access_key(registry, login)?;
        let secret = digest_of(DigestAlgorithm::Sha256, login.password.reveal().as_bytes());
        let slot = self.slot((registry.host.clone(), key.id.clone(), secret));
        let last = slot.last();
        let minted = match still_good(last.minted, self.clock.now() + MARGIN) {
            Some(minted) => minted,
            None => self.renew(client, registry, &key, &slot, last.attempts).await?,
        };
        let owner = CredentialOwner { host: registry.host.clone(), username: minted.username };
        Ok(Login { owner, password: minted.password })
    }

    /// Mints, or waits for whoever does and takes what came of it, a refusal too. `seen` is the number
    /// of attempts when the kept password was found wanting.
    async fn renew(
        &self,
        client: &reqwest::Client,
        registry: &EcrRegistry,
        key: &AccessKey,
        slot: &Slot,
        seen: u64,
    ) -> Result<Minted> {
        let _alone = slot.minting.lock().await;
        if slot.last().attempts == seen {
            let outcome = self.mint(client, registry, key).await;
            slot.keep(outcome);
        }
        match slot.last() {
            Last { failure: None, minted: Some(minted), .. } => Ok(minted),
            // A password that was to be renewed may have minutes left.
            Last { failure: Some(failure), minted, .. } => {
                still_good(minted, self.clock.now()).ok_or(failure)
            }
            _ => Err(Error::internal("mint a password", anyhow::anyhow!("an attempt without outcome"))),
        }
    }

    async fn mint(
        &self,
        client: &reqwest::Client,
        registry: &EcrRegistry,
        key: &AccessKey,
    ) -> Result<Minted> {
        let endpoint = self.endpoint(registry)?;
        let mut tries = Tries::brisk(&self.options.retry, &self.jitter);
        loop {
            let now = self.clock.now();
            let fault = match mint(client, &endpoint, &registry.region, key, now, &self.options).await {
                Ok(minted) => return Ok(minted),
                Err(fault) => fault,
            };
            let pause = tries.pause_after(fault, false).await;
            pause.map_err(|fault| report(fault, registry, &endpoint, key))?;
        }
    }

    fn slot(&self, key: Key) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_KEPT {
            let now = self.clock.now();
            slots.retain(|_, slot| still_good(slot.last().minted, now).is_some());
        }
        if slots.len() >= MAX_KEPT {
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

impl Slot {
    fn last(&self) -> Last {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, outcome: Result<Minted>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.attempts += 1;
        last.failure = outcome.as_ref().err().cloned();
        last.minted = outcome.ok().or(last.minted.take());
    }
}

fn still_good(minted: Option<Minted>, then: Timestamp) -> Option<Minted> {
    minted.filter(|minted| minted.until > then)
}

/// The access key that a login stands for (IAM, "AccessKey": 16 to 128 letters, digits and underscores).
fn access_key(registry: &EcrRegistry, login: &Login) -> Result<AccessKey> {
    let (host, id) = (&registry.host, &login.owner.username);
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain || !(16..=128).contains(&id.len()) {
        let message =
            format!("`{id}` cannot log in to `{host}`: it is neither `{READY}` nor the id of an access key");
        return Err(Error::new(Code::RegistryAuthError, message)
            .hint("give the id of an access key of AWS and its secret; Mirage mints the password with it"));
    }
    let (secret, session) = match login.password.reveal().split_once(':') {
        Some((secret, session)) => (secret, Some(session)),
        None => (login.password.reveal(), None),
    };
    let secret_of = |text: &str| Secret::from(text.to_owned());
    Ok(AccessKey { id: id.clone(), secret: secret_of(secret), session: session.map(secret_of) })
}

#[cfg(test)]
mod tests;
