//! How a service changes from one deployment to the next.

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};

/// The longest that a rollout may be told to wait for anything, in seconds.
const LONGEST_SECONDS: u32 = 3600;

/// How a service changes from one deployment to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollout {
    /// How many more instances than wanted may run at once while a deployment takes over, from 1. With fewer
    /// than are wanted they are replaced in turns, old and new ones serving side by side; without a number
    /// all new ones are started at once, and the traffic moves over as a whole.
    pub surge: Option<u32>,
    /// Seconds that the old instances stay after the traffic has moved away, before they are drained.
    pub overlap_seconds: u32,
    /// Seconds that an instance without new requests has to finish those it has, before it is stopped.
    pub drain_seconds: u32,
}

impl Default for Rollout {
    fn default() -> Self {
        Self { surge: None, overlap_seconds: 0, drain_seconds: 30 }
    }
}

impl Rollout {
    /// Refuses what cannot be followed.
    ///
    /// # Errors
    /// `INVALID_REQUEST`, naming the field.
    pub fn check(&self) -> Result<()> {
        let too_long = [("overlapSeconds", self.overlap_seconds), ("drainSeconds", self.drain_seconds)]
            .into_iter()
            .find(|(_, seconds)| *seconds > LONGEST_SECONDS);
        if let Some((field, seconds)) = too_long {
            return Err(Error::new(Code::InvalidRequest, format!("{seconds} seconds are more than an hour"))
                .field(format!("rollout.{field}"))
                .hint(format!("give at most {LONGEST_SECONDS}")));
        }
        if self.surge == Some(0) {
            return Err(Error::new(
                Code::InvalidRequest,
                "a rollout without room for one more instance would have to stop a good one first",
            )
            .field("rollout.surge")
            .hint("give at least 1, or leave it out to start all new instances at once"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_needs_room_and_an_end() {
        let field = |rollout: Rollout| rollout.check().err().and_then(|e| e.at_field().map(str::to_owned));
        assert_eq!(field(Rollout::default()), None);
        assert_eq!(field(Rollout { surge: Some(1), ..Rollout::default() }), None);
        assert_eq!(field(Rollout { surge: Some(0), ..Rollout::default() }).unwrap(), "rollout.surge");
        let long = Rollout { drain_seconds: 3601, ..Rollout::default() };
        assert_eq!(field(long).unwrap(), "rollout.drainSeconds");
    }
}
