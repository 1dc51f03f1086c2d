//! A point as a few bytes: numbers of seven bits a byte, and of the traffic only those that are not zero.

use mirage_core::{Error, Figures, Result};

use super::Sample;

/// Memory is kept in units of this many bytes.
const MEMORY_UNIT: u64 = 1024;

impl Sample {
    /// As bytes: five where it is all zeros, some fifty for a service that is used.
    pub fn pack(&self) -> Vec<u8> {
        pack(self)
    }

    /// From those bytes.
    ///
    /// # Errors
    /// `INTERNAL` where they are others.
    pub fn unpack(bytes: &[u8]) -> Result<Self> {
        unpack(bytes)
    }
}

fn pack(point: &Sample) -> Vec<u8> {
    let Figures { cpu_micros, memory_bytes, received_bytes, sent_bytes, traffic } = point.figures;
    let memory = memory_bytes.div_ceil(MEMORY_UNIT);
    let mut out = Vec::with_capacity(32);
    for number in [u64::from(point.seconds), cpu_micros, memory, received_bytes, sent_bytes] {
        put(&mut out, number);
    }
    let present = |number: &u64| *number > 0;
    let mask = traffic.numbers().enumerate().filter(|(_, number)| present(number));
    let mask = mask.fold(0_u64, |mask, (at, _)| mask | 1 << at);
    if mask > 0 {
        put(&mut out, mask);
        traffic.numbers().filter(present).for_each(|number| put(&mut out, number));
    }
    out
}

fn unpack(mut bytes: &[u8]) -> Result<Sample> {
    let torn = || Error::internal("read metrics", anyhow::anyhow!("a point is torn"));
    let mut next = || take(&mut bytes).ok_or_else(torn);
    let mut point = Sample { seconds: u32::try_from(next()?).unwrap_or(u32::MAX), ..Sample::default() };
    let figures = &mut point.figures;
    figures.cpu_micros = next()?;
    figures.memory_bytes = next()?.saturating_mul(MEMORY_UNIT);
    figures.received_bytes = next()?;
    figures.sent_bytes = next()?;
    if bytes.is_empty() {
        return Ok(point);
    }
    let mask = take(&mut bytes).ok_or_else(torn)?;
    for (at, number) in figures.traffic.numbers_mut().enumerate() {
        if mask & 1 << at > 0 {
            *number = take(&mut bytes).ok_or_else(torn)?;
        }
    }
    Ok(point)
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_back_as_it_was_written() {
        let mut point = Sample { seconds: 60, ..Sample::default() };
        assert_eq!(pack(&point).len(), 5);
        point.figures.cpu_micros = u64::MAX;
        point.figures.memory_bytes = 70 << 20;
        for (at, number) in point.figures.traffic.numbers_mut().enumerate() {
            *number = if at % 3 == 0 { 0 } else { 1 << at };
        }
        let packed = pack(&point);
        assert_eq!(unpack(&packed).unwrap(), point);
        for length in 0..packed.len() {
            // Cut anywhere, it is refused, unless only the traffic is missing as a whole.
            let cut = unpack(&packed[..length]);
            assert!(cut.is_err() || cut.unwrap().figures.traffic.is_empty(), "{length}");
        }
        assert!(unpack(&[0xff; 12]).is_err(), "a number without an end");
    }
}
