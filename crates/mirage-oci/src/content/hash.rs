//! Digests of bytes that are written.

use mirage_core::{Digest, DigestAlgorithm};
use ring::digest::{Context, SHA256, SHA512};

/// A digest in the making.
pub(super) struct Hasher {
    algorithm: DigestAlgorithm,
    context: Context,
}

impl Hasher {
    /// Of nothing yet.
    pub(super) fn new(algorithm: DigestAlgorithm) -> Self {
        let context = Context::new(match algorithm {
            DigestAlgorithm::Sha256 => &SHA256,
            DigestAlgorithm::Sha512 => &SHA512,
        });
        Self { algorithm, context }
    }

    /// Adds the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// The digest of everything added.
    pub(super) fn finish(self) -> Digest {
        let value = self.context.finish();
        let bytes = value.as_ref();
        match self.algorithm {
            DigestAlgorithm::Sha256 => Digest::sha256(std::array::from_fn(|at| bytes[at])),
            DigestAlgorithm::Sha512 => Digest::sha512(std::array::from_fn(|at| bytes[at])),
        }
    }
}

/// The digest of `bytes`.
pub(super) fn digest_of(algorithm: DigestAlgorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}
