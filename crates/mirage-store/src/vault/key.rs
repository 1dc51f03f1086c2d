//! A key of the vault.

use std::fmt;

use mirage_core::{Error, Result};
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::digest::{Context, SHA256};
use zeroize::Zeroizing;

/// Bytes of a key's name that stand in each record.
pub(super) const KEY_NAME_BYTES: usize = 4;

/// 256 bits, the cipher made of them, and the name that says which they are.
pub(super) struct Key {
    bytes: Zeroizing<[u8; 32]>,
    cipher: LessSafeKey,
    name: KeyName,
}

/// Names a key without telling anything about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyName([u8; 16]);

impl Key {
    pub(super) fn new(bytes: &Zeroizing<[u8; 32]>) -> Result<Self> {
        let cipher = UnboundKey::new(&AES_256_GCM, &**bytes)
            .map_err(|_| Error::internal("use the vault's key", anyhow::anyhow!("the cipher refuses it")))?;
        let mut context = Context::new(&SHA256);
        context.update(b"mirage vault key ");
        context.update(&**bytes);
        let mut name = [0; 16];
        name.copy_from_slice(&context.finish().as_ref()[..16]);
        Ok(Self { bytes: bytes.clone(), cipher: LessSafeKey::new(cipher), name: KeyName(name) })
    }

    /// From 64 hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 32]);
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
        }
        Self::new(&bytes).ok()
    }

    /// As 64 hexadecimal digits, for the file it is kept in.
    pub(super) fn hex(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        for byte in self.bytes.iter() {
            for half in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(half.into(), 16));
            }
        }
        text
    }

    pub(super) fn cipher(&self) -> &LessSafeKey {
        &self.cipher
    }

    pub(super) fn name(&self) -> KeyName {
        self.name
    }
}

impl KeyName {
    /// The part that stands in records.
    pub(super) fn short(&self) -> &[u8] {
        &self.0[..KEY_NAME_BYTES]
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
