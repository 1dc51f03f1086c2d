//! Digests of bytes as they pass: fetched, pushed, stored.

use mirage_core::{Digest, DigestAlgorithm};
use ring::digest::{Context, SHA256, SHA512};

/// A digest in the making.
pub(crate) struct Hasher {
    algorithm: DigestAlgorithm,
    context: Context,
}

impl Hasher {
    /// Of nothing yet.
    pub(crate) fn new(algorithm: DigestAlgorithm) -> Self {
        let context = Context::new(match algorithm {
            DigestAlgorithm::Sha256 => &SHA256,
            DigestAlgorithm::Sha512 => &SHA512,
        });
        Self { algorithm, context }
    }

    /// Adds the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// The digest of everything added.
    pub(crate) fn finish(self) -> Digest {
        let hash = self.context.finish();
        match self.algorithm {
            DigestAlgorithm::Sha256 => Digest::sha256(fixed(hash.as_ref())),
            DigestAlgorithm::Sha512 => Digest::sha512(fixed(hash.as_ref())),
        }
    }
}

/// The digest of `bytes`.
pub(crate) fn digest_of(algorithm: DigestAlgorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

fn fixed<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(hash);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_algorithms_give_the_published_values() {
        let sha256 = digest_of(DigestAlgorithm::Sha256, b"abc").to_string();
        assert_eq!(sha256, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let sha512 = digest_of(DigestAlgorithm::Sha512, b"abc").to_string();
        assert!(sha512.starts_with("sha512:ddaf35a193617abacc417349ae204131"), "{sha512}");
    }
}
