//! Round numbers for the sides of a chart.

use mirage_core::human_bytes;

use super::moment;

/// What numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Processors.
    Processors,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    ByteRate,
    /// So many a second.
    Rate,
    /// Milliseconds.
    Millis,
}

/// Intervals that a side has at most.
const INTERVALS: f64 = 4.0;
/// Times that stand below a chart at most.
const TIMES_MAX: i64 = 7;
/// What may lie between two of them, in seconds.
const BETWEEN: [i64; 11] = [60, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];

impl Unit {
    /// A number with its unit.
    pub(crate) fn tell(self, value: f64) -> String {
        match self {
            Self::Processors => format!("{} CPU", short(value)),
            Self::Bytes => human_bytes(value as u64),
            Self::ByteRate => format!("{}/s", human_bytes(value as u64)),
            Self::Rate => format!("{}/s", short(value)),
            Self::Millis if value >= 1_000.0 => format!("{} s", short(value / 1_000.0)),
            Self::Millis => format!("{} ms", short(value)),
        }
    }

    fn is_binary(self) -> bool {
        matches!(self, Self::Bytes | Self::ByteRate)
    }

    /// The least that a side reaches to.
    fn least(self) -> f64 {
        match self {
            Self::Processors => 0.1,
            Self::Bytes => 1_048_576.0,
            Self::ByteRate => 1_024.0,
            Self::Rate | Self::Millis => 1.0,
        }
    }
}

/// From zero on, at even distances, up to what is not exceeded.
pub(super) fn nice(most: f64, unit: Unit) -> Vec<f64> {
    let most = most.max(unit.least());
    let wanted = most / INTERVALS;
    let decimal = || {
        let power = 10.0_f64.powf(wanted.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
        steps.into_iter().find(|step| *step >= wanted * (1.0 - 1e-9)).unwrap_or(wanted)
    };
    let step = if unit.is_binary() { wanted.log2().ceil().exp2() } else { decimal() };
    let count = (most / step * (1.0 - 1e-9)).ceil().clamp(1.0, INTERVALS) as u32;
    (0..=count).map(|at| f64::from(at) * step).collect()
}

/// Times of the clock within a span, with their words; none right at its ends.
pub(super) fn times((from, until): (i64, i64)) -> Vec<(i64, String)> {
    let length = (until - from).max(1);
    let between = BETWEEN.into_iter().find(|between| length / between <= TIMES_MAX);
    let between = between.unwrap_or(86_400 * (length / 86_400 / TIMES_MAX + 1));
    let form = if between >= 86_400 { "%m-%d" } else { "%H:%M" };
    let edge = length / 25;
    let first = (from + edge).div_euclid(between) * between + between;
    let count = (until - edge - first).max(-1).div_euclid(between) + 1;
    (0..count).map(|at| first + at * between).map(|at| (at, moment(at, form))).collect()
}

/// At most three digits behind those that matter.
fn short(value: f64) -> String {
    let digits = match value {
        _ if value >= 100.0 || value == 0.0 => 0,
        _ if value >= 10.0 => 1,
        _ if value >= 0.1 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}
