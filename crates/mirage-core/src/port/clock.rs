//! Time and randomness arrive as arguments.

use jiff::Timestamp;

/// What time it is.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Where identities and tokens come from.
pub trait Randomness: Send + Sync {
    /// Fresh bytes, fit for secrets.
    fn bytes32(&self) -> [u8; 32];

    /// Fresh bytes for an identity.
    fn bytes16(&self) -> [u8; 16] {
        let [.., a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.bytes32();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }
}
