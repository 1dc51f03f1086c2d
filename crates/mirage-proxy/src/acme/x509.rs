//! The few parts of a certificate that neither rustls nor webpki tells: when it is valid, of whom it is, and by whom.
//!
//! Only for certificates that webpki has read already. A part that is not where it must be makes the whole `None`.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

/// What was found.
pub(super) struct Parts<'a> {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// DER of the names.
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
}

/// The parts of a certificate in DER (RFC 5280, 4.1).
pub(super) fn parts(certificate: &[u8]) -> Option<Parts<'_>> {
    let mut outer = Reader(certificate);
    let mut outer = Reader(outer.expect(SEQUENCE)?);
    let mut fields = Reader(outer.expect(SEQUENCE)?);
    if fields.0.first() == Some(&VERSION) {
        fields.expect(VERSION)?;
    }
    fields.expect(INTEGER)?;
    fields.expect(SEQUENCE)?;
    let issuer = fields.expect(SEQUENCE)?;
    let mut validity = Reader(fields.expect(SEQUENCE)?);
    let (from, until) = (validity.time()?, validity.time()?);
    let subject = fields.expect(SEQUENCE)?;
    Some(Parts { from, until, issuer, subject })
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next value, which must have this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.next()?;
        (found == tag).then_some(content)
    }

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ ..=0x7f => (usize::from(short), rest),
            long @ 0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
    fn time(&mut self) -> Option<Timestamp> {
        let (tag, text) = self.next()?;
        let digits = text.strip_suffix(b"Z")?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let (year, rest) = match tag {
            UTC_TIME => {
                let (year, rest) = digits.split_at_checked(2)?;
                let year = number(year);
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            GENERALIZED_TIME => {
                let (year, rest) = digits.split_at_checked(4)?;
                (number(year), rest)
            }
            _ => return None,
        };
        let [month, day, hour, minute, second] =
            <[&[u8]; 5]>::try_from(rest.chunks(2).collect::<Vec<_>>()).ok()?;
        let small = |digits| i8::try_from(number(digits)).ok();
        let date = Date::new(year, small(month)?, small(day)?).ok()?;
        let time = Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
        let zoned = TimeZone::UTC.to_zoned(DateTime::from_parts(date, time));
        // The last day of the year 9999 means "never", and is later than a timestamp can be.
        Some(zoned.map_or(Timestamp::MAX, |zoned| zoned.timestamp()))
    }
}

fn number(digits: &[u8]) -> i16 {
    digits.iter().fold(0, |number, digit| number * 10 + i16::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a name");
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_times_of_a_certificate_are_read_in_both_of_their_forms() {
        for (from, until) in [
            ((2026, 11, 21), (2027, 2, 19)),
            ((1999, 12, 31), (2049, 12, 31)),
            ((2050, 1, 1), (9999, 12, 30)),
        ] {
            let der = certificate(from, until);
            let parts = parts(&der).unwrap();
            let day = |(year, month, day): (i32, u8, u8)| format!("{year}-{month:02}-{day:02}T00:00:00Z");
            assert_eq!([parts.from.to_string(), parts.until.to_string()], [day(from), day(until)]);
            assert_eq!(parts.issuer, parts.subject);
        }
    }

    #[test]
    fn a_certificate_that_is_cut_or_changed_is_read_in_part_or_not_at_all() {
        let der = certificate((2026, 1, 1), (2026, 2, 1));
        for length in 0..der.len() {
            assert!(parts(&der[..length]).is_none(), "cut after {length}");
        }
        for place in 0..der.len() {
            for bit in 0..8 {
                let mut changed = der.clone();
                changed[place] ^= 1 << bit;
                let _ = parts(&changed);
            }
        }
    }
}
