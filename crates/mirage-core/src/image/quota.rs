//! Quotas: how many pulls a registry still lets through.

/// What a registry said last about how much may be pulled from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Pulls in a window, where it says so.
    pub limit: Option<u64>,
    /// Pulls that are left.
    pub remaining: u64,
    /// Length of the window in seconds, where it says so.
    pub window_seconds: Option<u64>,
    /// Who is counted: an address, or the id of an account.
    pub source: Option<String>,
}

impl Quota {
    /// Whether it is nearly used up: a tenth or less is left, or fewer than five pulls.
    pub fn is_low(&self) -> bool {
        self.remaining < 5 || self.limit.is_some_and(|limit| self.remaining <= limit / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_or_a_handful_is_little() {
        let low = |limit, remaining| Quota { limit, remaining, window_seconds: None, source: None }.is_low();
        assert!(low(Some(100), 10) && low(Some(10), 4) && low(None, 0));
        assert!(!low(Some(100), 11) && !low(None, 5));
    }
}
