//! The 512-byte header block: POSIX ustar, GNU, star and the one of Version 7.

use super::number;

/// The size of everything in an archive.
pub(super) const BLOCK_BYTES: usize = 512;

/// A header block whose checksum is right.
pub(super) struct Header<'a> {
    block: &'a [u8; BLOCK_BYTES],
    dialect: Dialect,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    V7,
    Ustar,
    Star,
    Gnu,
}

impl<'a> Header<'a> {
    /// `None` where the checksum says that this is no header.
    pub(super) fn parse(block: &'a [u8; BLOCK_BYTES]) -> Option<Self> {
        let (unsigned, signed) = sums(block);
        let stored = number::parse(&block[148..156])?;
        if stored != unsigned && stored != signed {
            return None;
        }
        let dialect = match (&block[257..263], &block[263..265]) {
            (b"ustar\0", _) if &block[508..512] == b"tar\0" => Dialect::Star,
            (b"ustar\0", _) => Dialect::Ustar,
            (b"ustar ", b" \0") => Dialect::Gnu,
            _ => Dialect::V7,
        };
        Some(Self { block, dialect })
    }

    pub(super) fn type_flag(&self) -> u8 {
        self.block[156]
    }

    /// The path, with the prefix of the dialects that have one.
    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.block[..100]);
        let prefix = match self.dialect {
            Dialect::Ustar => text(&self.block[345..500]),
            Dialect::Star => text(&self.block[345..476]),
            Dialect::Gnu | Dialect::V7 => b"",
        };
        match prefix {
            b"" => name.to_vec(),
            _ => [prefix, b"/", name].concat(),
        }
    }

    pub(super) fn link_target(&self) -> Vec<u8> {
        text(&self.block[157..257]).to_vec()
    }

    /// The numeric fields are `None` where they are not numbers.
    pub(super) fn mode(&self) -> Option<i64> {
        number::parse(&self.block[100..108])
    }

    pub(super) fn uid(&self) -> Option<i64> {
        number::parse(&self.block[108..116])
    }

    pub(super) fn gid(&self) -> Option<i64> {
        number::parse(&self.block[116..124])
    }

    pub(super) fn size(&self) -> Option<i64> {
        number::parse(&self.block[124..136])
    }

    pub(super) fn modified(&self) -> Option<i64> {
        number::parse(&self.block[136..148])
    }

    /// Major and minor number; Version 7 has none.
    pub(super) fn device(&self) -> Option<(i64, i64)> {
        if self.dialect == Dialect::V7 {
            return Some((0, 0));
        }
        Some((number::parse(&self.block[329..337])?, number::parse(&self.block[337..345])?))
    }

    /// GNU's own form of sparse files: the segments in the header, whether more blocks of them
    /// follow, and the size with holes. `None` where this header is not of that dialect.
    pub(super) fn gnu_sparse(&self) -> Option<(&'a [u8], bool, Option<i64>)> {
        let fields = (&self.block[386..482], self.block[482] != 0, number::parse(&self.block[483..495]));
        (self.dialect == Dialect::Gnu).then_some(fields)
    }
}

/// The sum of all bytes, the checksum's own taken as spaces; some old writers added signed bytes.
fn sums(block: &[u8; BLOCK_BYTES]) -> (i64, i64) {
    block.iter().enumerate().fold((0, 0), |(unsigned, signed), (at, &byte)| {
        let byte = if (148..156).contains(&at) { b' ' } else { byte };
        (unsigned + i64::from(byte), signed + i64::from(byte as i8))
    })
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}
