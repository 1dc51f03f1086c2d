//! Interleaved rounds: A B C, A B C, …, so that a slow minute of the machine hits everybody.

use anyhow::{Context, Result};

/// The measured values of one contender, in any unit.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(Vec<f64>);

impl Samples {
    /// Takes one more value.
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle value; the mean of the middle two where their number is even.
    pub(super) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            length if length % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// The middle of the ratios to somebody else's values, round by round: what was measured in the same
    /// minute is compared, whatever else the machine did in the others.
    pub(super) fn ratio_to(&self, other: &Samples) -> f64 {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own / other).collect()).median()
    }

    /// The smallest value.
    pub(super) fn least(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    /// The largest value.
    pub(super) fn most(&self) -> f64 {
        self.sorted().last().copied().unwrap_or(f64::NAN)
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// One who is measured: a name, and one round that answers with its value.
pub(super) struct Runner<'a> {
    /// As it stands in the report.
    pub(super) name: &'a str,
    /// Does one round, counted from 0.
    pub(super) round: Box<dyn FnMut(usize) -> Result<f64> + 'a>,
}

impl<'a> Runner<'a> {
    /// A runner from a closure.
    pub(super) fn new(name: &'a str, round: impl FnMut(usize) -> Result<f64> + 'a) -> Self {
        Self { name, round: Box::new(round) }
    }
}

/// Runs every runner once a round. Each round starts with the next runner, so that nobody always
/// comes first to cold caches.
pub(super) fn interleave(rounds: usize, mut runners: Vec<Runner<'_>>) -> Result<Vec<Samples>> {
    let mut samples = vec![Samples::default(); runners.len()];
    for round in 0..rounds {
        for turn in 0..runners.len() {
            let at = (round + turn) % runners.len();
            let runner = &mut runners[at];
            let value =
                (runner.round)(round).with_context(|| format!("{}, round {}", runner.name, round + 1))?;
            eprintln!("   round {} {}: {value:.3}", round + 1, runner.name);
            samples[at].push(value);
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_comes_first_once_and_the_middle_counts() {
        let order = std::cell::RefCell::new(String::new());
        let runner = |name| {
            Runner::new(name, |round| {
                order.borrow_mut().push_str(name);
                Ok([3.0, 1.0, 2.0][round])
            })
        };
        let samples = interleave(3, vec![runner("a"), runner("b"), runner("c")]).unwrap();
        assert_eq!(*order.borrow(), "abcbcacab");
        assert_eq!((samples[0].median(), samples[0].least(), samples[0].most()), (2.0, 1.0, 3.0));
        let (own, other) = (Samples(vec![1.0, 20.0, 3.0]), Samples(vec![2.0, 10.0, 6.0]));
        assert_eq!(own.ratio_to(&other), 0.5);
    }
}
