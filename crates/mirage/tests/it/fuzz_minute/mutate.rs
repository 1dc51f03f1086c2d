//! Small changes to bytes, the same ones in every run.

/// Numbers at which sizes and counts go wrong.
const EDGES: [u64; 10] =
    [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];

/// Words that mean something to one of the readers.
const WORDS: [&[u8]; 24] = [
    b"../",
    b"/",
    b"//",
    b".",
    b":",
    b"@",
    b"sha256:",
    b"sha512:",
    b"\0",
    b".wh.",
    b".wh..wh..opq",
    b"ustar\0",
    b"ustar  \0",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b"null",
    b"-1",
    b"1e999",
    b"30 mtime=1.5\n",
    b"99 path=",
];

/// The longest input that is made.
const MOST: usize = 64 << 10;

/// xorshift64*: good enough to choose with, and the same on every machine.
pub(super) struct Dice(u64);

impl Dice {
    /// Dice that always fall alike for one seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `below`, or 0.
    pub(super) fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap_or_default();
        number.checked_rem(below).unwrap_or_default()
    }
}

/// Changes `bytes` in one to eight places; `other` is something to take pieces from.
pub(super) fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(8) {
        once(bytes, other, dice);
    }
    bytes.truncate(MOST);
}

fn once(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let end = at + dice.below((bytes.len() - at).min(600) + 1);
    match dice.below(9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        1 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).unwrap_or_default(),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => {
            let from = dice.below(other.len() + 1);
            let piece = &other[from..from + dice.below((other.len() - from).min(600) + 1)];
            bytes.splice(at..end, piece.iter().copied());
        }
        5 => drop(bytes.splice(at..at, WORDS[dice.below(WORDS.len())].iter().copied())),
        6 => {
            let edge = EDGES[dice.below(EDGES.len())].to_le_bytes();
            overwrite(bytes, at, &edge[..1 << dice.below(4)]);
        }
        // Numbers in text: octal in tar headers, decimal in JSON.
        7 => overwrite(bytes, at, EDGES[dice.below(EDGES.len())].to_string().as_bytes()),
        _ => bytes.truncate(end),
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (old, new) in bytes[at..].iter_mut().zip(with) {
        *old = *new;
    }
}
