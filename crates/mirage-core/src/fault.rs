//! Fail points: places at which a trial lets the process crash, or what it does fail.
//!
//! [`point`] stands before and after whatever changes the world, and does nothing in what is shipped: it has a
//! body only with the feature `fail-points`, and a meaning only where somebody began a [`Trial`].

#[cfg(all(feature = "fail-points", not(debug_assertions)))]
compile_error!("fail points are for trials: a release build has none");

#[cfg(feature = "fail-points")]
mod points;

#[cfg(feature = "fail-points")]
use std::sync::OnceLock;
use std::time::Duration;

use crate::Result;
#[cfg(feature = "fail-points")]
pub use points::{Moment, POINTS, WRITES, names};

/// Who says what happens at a point.
#[cfg(feature = "fail-points")]
pub struct Trial {
    /// Told the name of each point that is passed: returns, fails, or ends the process.
    pub judge: fn(&str) -> Result<()>,
    /// The variables by which the processes that this one starts take part.
    pub variables: Vec<(&'static str, String)>,
    /// The longest that anybody lets pass between two looks at something.
    pub patience: Duration,
}

#[cfg(feature = "fail-points")]
static TRIAL: OnceLock<Trial> = OnceLock::new();

/// Begins the trial of this process; the first one counts.
#[cfg(feature = "fail-points")]
pub fn begin(trial: Trial) {
    TRIAL.get_or_init(|| trial);
}

/// A place before or after which something changes. The name is one of those in `names()`.
///
/// # Errors
/// `INTERNAL` where a trial wants it so.
#[cfg(feature = "fail-points")]
pub fn point(name: &str) -> Result<()> {
    TRIAL.get().map_or(Ok(()), |trial| (trial.judge)(name))
}

/// See the one of the feature `fail-points`: nothing.
///
/// # Errors
/// None.
#[cfg(not(feature = "fail-points"))]
#[inline(always)]
pub fn point(_name: &str) -> Result<()> {
    Ok(())
}

/// The same where errors are those of the system.
///
/// # Errors
/// As [`point`].
#[inline(always)]
pub fn point_io(name: &str) -> std::io::Result<()> {
    point(name).map_err(|error| std::io::Error::other(error.message().to_owned()))
}

/// How long is to be waited where this long is meant: what is looked at once an hour is looked at more often in a
/// trial.
#[cfg(feature = "fail-points")]
pub fn pause(meant: Duration) -> Duration {
    TRIAL.get().map_or(meant, |trial| meant.min(trial.patience))
}

/// See the one of the feature `fail-points`: what is meant.
#[cfg(not(feature = "fail-points"))]
#[inline(always)]
pub fn pause(meant: Duration) -> Duration {
    meant
}

/// What a process of ours has to be given in its environment so that it takes part in the trial.
#[cfg(feature = "fail-points")]
pub fn variables() -> &'static [(&'static str, String)] {
    TRIAL.get().map_or(&[], |trial| &trial.variables)
}

/// See the one of the feature `fail-points`: nothing.
#[cfg(not(feature = "fail-points"))]
#[inline(always)]
pub fn variables() -> &'static [(&'static str, String)] {
    &[]
}

/// What one transaction writes, so that there is a point before and after the commit of each kind of write.
/// Without the feature `fail-points` it is nothing.
#[derive(Debug, Default)]
pub struct Writes {
    #[cfg(feature = "fail-points")]
    kinds: Vec<&'static str>,
}

impl Writes {
    /// Something of this kind, one of `WRITES`, is in the transaction.
    #[inline(always)]
    pub fn add(&mut self, _kind: &'static str) {
        #[cfg(feature = "fail-points")]
        self.kinds.push(_kind);
    }

    /// The points before the commit.
    ///
    /// # Errors
    /// As [`point`].
    #[inline(always)]
    pub fn before_commit(&self) -> Result<()> {
        #[cfg(feature = "fail-points")]
        self.pass(Moment::Before)?;
        Ok(())
    }

    /// The points after the commit. An error here is one after which nobody knows that all is written.
    ///
    /// # Errors
    /// As [`point`].
    #[inline(always)]
    pub fn after_commit(&self) -> Result<()> {
        #[cfg(feature = "fail-points")]
        self.pass(Moment::After)?;
        Ok(())
    }

    #[cfg(feature = "fail-points")]
    fn pass(&self, moment: Moment) -> Result<()> {
        self.kinds.iter().try_for_each(|kind| point(&moment.of(kind)))
    }
}
