//! The vault: secrets at rest, sealed with AES-256-GCM under a key that is not in the database.
//!
//! A record is one byte of version, the first four bytes of the key's name, a nonce of 12 bytes drawn at
//! random, and the ciphertext with its tag. What it was sealed for is authenticated along with it, so that a
//! record which somebody moves to another row cannot be opened there.

mod key;
mod key_file;
mod reset;
mod rotate;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use mirage_core::port::Randomness;
use mirage_core::{Code, Error, Result, Sealed, Secret, VariableText, VariableValue};
use ring::aead::{Aad, NONCE_LEN, Nonce};
use zeroize::Zeroizing;

use crate::store::Store;
use key::{KEY_NAME_BYTES, Key};

pub use key_file::KeySource;
pub use reset::GivenUp;

/// The first byte of every record.
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + KEY_NAME_BYTES + NONCE_LEN;
/// The setting that names the key with which everything is sealed.
const SETTING: &str = "vault.key";

/// Seals and opens. Cheap to clone.
///
/// Seal within the transaction that writes the record: rotation is a transaction too, and so nothing is
/// written under a key that is on its way out.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    state: RwLock<State>,
    source: KeySource,
    random: Arc<dyn Randomness>,
}

enum State {
    /// The newest key first; older ones only open.
    Open(Vec<Key>),
    /// Why nothing can be sealed or opened.
    Locked(Error),
}

impl Vault {
    /// Opens the vault of a database. A first start makes the key file.
    ///
    /// A key that is missing or is not the one that was used is no error here: what needs the vault then
    /// fails with the reason, and everything else works.
    ///
    /// # Errors
    /// A fault of the database's, and `DISK_FULL` or `TARGET_UNAVAILABLE` where a new key cannot be kept.
    pub async fn open(store: &Store, source: KeySource, random: Arc<dyn Randomness>) -> Result<Self> {
        let used = store.setting(SETTING).await?;
        let state = match source.read() {
            Ok(keys) => State::checked(keys, used.as_deref(), &source),
            Err(missing) if missing.is_absent() && used.is_none() => {
                let key = Key::new(&Zeroizing::new(random.bytes32()))?;
                source.write(std::slice::from_ref(&key))?;
                State::Open(vec![key])
            }
            Err(reason) => State::Locked(reason.into_error(&source)),
        };
        if let State::Open(keys) = &state
            && used.is_none()
        {
            let mut tx = store.begin().await?;
            tx.set_setting(SETTING, &keys[0].name().to_string()).await?;
            tx.commit().await?;
        }
        if let State::Locked(error) = &state {
            tracing::error!(code = %error.code(), "the vault is locked: {}", error.message());
        }
        let vault = Self { inner: Arc::new(Inner { state: RwLock::new(state), source, random }) };
        vault.forget_old_keys(used.as_deref().unwrap_or_default());
        Ok(vault)
    }

    /// Why the vault is locked, if it is.
    pub fn locked(&self) -> Option<Error> {
        match &*self.state() {
            State::Open(_) => None,
            State::Locked(error) => Some(error.clone()),
        }
    }

    /// Seals a secret for `owner`.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` while the vault is locked.
    pub fn seal(&self, owner: &str, secret: &str) -> Result<Sealed> {
        let state = self.state();
        let key = state.keys()?.first().ok_or_else(|| broken("has no key"))?;
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&self.inner.random.bytes32()[..NONCE_LEN]);
        let mut record = Vec::with_capacity(HEAD_BYTES + secret.len() + 16);
        record.push(VERSION);
        record.extend_from_slice(key.name().short());
        record.extend_from_slice(&nonce);
        let mut text = Zeroizing::new(secret.as_bytes().to_vec());
        let tag = key
            .cipher()
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner), &mut text)
            .map_err(|_| broken("could not seal"))?;
        record.extend_from_slice(&text);
        record.extend_from_slice(tag.as_ref());
        Ok(Sealed::new(record))
    }

    /// Opens what was sealed for `owner`.
    ///
    /// # Errors
    /// `TARGET_UNAVAILABLE` while the vault is locked, or where the record was sealed under another key;
    /// `INTERNAL` where it was damaged, or sealed for somebody else.
    pub fn unseal(&self, owner: &str, sealed: &Sealed) -> Result<Secret> {
        let state = self.state();
        let record = sealed.record();
        let (head, text) = record.split_at_checked(HEAD_BYTES).ok_or_else(|| broken("met a short record"))?;
        let (version, rest) = head.split_at(1);
        let (name, nonce) = rest.split_at(KEY_NAME_BYTES);
        if version != [VERSION] {
            return Err(broken("met a record of another version"));
        }
        let key = state.keys()?.iter().find(|key| key.name().short() == name);
        let key = key.ok_or_else(|| self.inner.source.other_key())?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken("met a short record"))?;
        let mut text = Zeroizing::new(text.to_vec());
        let open = key.cipher().open_in_place(nonce, Aad::from(owner), &mut text);
        let open = open.map_err(|_| broken("met a record that is damaged, or not of its owner"))?;
        let text = str::from_utf8(open).map_err(|_| broken("met a record that is no text"))?;
        Ok(Secret::from(text.to_owned()))
    }

    /// The value of a variable for the process that is to have it.
    ///
    /// # Errors
    /// As [`Self::unseal`].
    pub fn variable(&self, owner: &str, value: &VariableValue) -> Result<VariableText> {
        match value {
            VariableValue::Plain(text) => Ok(text.clone()),
            VariableValue::Sealed { sealed } => Ok(VariableText::from(self.unseal(owner, sealed)?.reveal())),
        }
    }

    fn state(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.inner.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Open, if the key that was used is among them.
    fn checked(keys: Vec<Key>, used: Option<&str>, source: &KeySource) -> Self {
        let known = |name: &str| keys.iter().any(|key| key.name().to_string() == name);
        match used {
            Some(name) if !known(name) => Self::Locked(source.other_key()),
            _ => Self::Open(keys),
        }
    }

    fn keys(&self) -> Result<&[Key]> {
        match self {
            Self::Open(keys) => Ok(keys),
            Self::Locked(error) => Err(error.clone()),
        }
    }
}

fn broken(what: &str) -> Error {
    Error::new(Code::Internal, format!("the vault {what}")).hint(
        "set the credential or the variable anew; if it happens again, restore the data folder from a backup",
    )
}
