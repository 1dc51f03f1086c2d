//! A part of a list.

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Whether more follow.
    pub more: bool,
}

impl<T> Listing<T> {
    /// A page of so many, where one more was asked for.
    pub(crate) fn of(mut found: Vec<T>, limit: u32) -> Self {
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        Self { items: found, more }
    }
}
