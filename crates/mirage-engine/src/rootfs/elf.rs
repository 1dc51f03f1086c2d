//! As much of the ELF format as tells why a program cannot run.

/// Numbers of `elf.h`.
const EM_386: u16 = 3;
const EM_ARM: u16 = 40;
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;
const PT_INTERP: u32 = 3;

/// What matters of a program in the ELF format.
pub(super) struct Elf {
    /// The processor it is built for (`e_machine`).
    pub(super) machine: u16,
    /// The program that loads it (`PT_INTERP`), where it is not linked statically.
    pub(super) loader: Option<String>,
}

/// Reads as much of an ELF header as is needed; `None` where it is none. Foreign byte orders are
/// read for their machine alone.
pub(super) fn read_elf(head: &[u8]) -> Option<Elf> {
    let rest = head.strip_prefix(b"\x7fELF")?;
    let (class, order) = (*rest.first()?, *rest.get(1)?);
    let machine: [u8; 2] = head.get(18..20)?.try_into().ok()?;
    if order != 1 {
        return Some(Elf { machine: u16::from_be_bytes(machine), loader: None });
    }
    let wide = class == 2;
    let loader = loader(head, wide);
    Some(Elf { machine: u16::from_le_bytes(machine), loader })
}

fn loader(head: &[u8], wide: bool) -> Option<String> {
    let (table_at, size_at, count_at) = if wide { (32, 54, 56) } else { (28, 42, 44) };
    let table = word(head, table_at, wide)?;
    let size = usize::from(half(head, size_at)?);
    let count = usize::from(half(head, count_at)?).min(64);
    for number in 0..count {
        let entry = table.checked_add(number.checked_mul(size)?)?;
        if u32::from_le_bytes(head.get(entry..entry.checked_add(4)?)?.try_into().ok()?) != PT_INTERP {
            continue;
        }
        let (offset_at, length_at) = if wide { (8, 32) } else { (4, 16) };
        let offset = word(head, entry + offset_at, wide)?;
        let length = word(head, entry + length_at, wide)?;
        let name = head.get(offset..offset.checked_add(length)?)?;
        let name = name.split(|byte| *byte == 0).next()?;
        return String::from_utf8(name.to_vec()).ok();
    }
    None
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize, wide: bool) -> Option<usize> {
    if wide {
        usize::try_from(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?)).ok()
    } else {
        usize::try_from(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?)).ok()
    }
}

/// Whether programs for this processor run on this machine.
pub(super) fn runs_here(machine: u16) -> bool {
    match std::env::consts::ARCH {
        "x86_64" => [EM_X86_64, EM_386].contains(&machine),
        "aarch64" => [EM_AARCH64, EM_ARM].contains(&machine),
        _ => true,
    }
}

/// The processor by the name that images use.
pub(super) fn machine_name(machine: u16) -> String {
    match machine {
        EM_386 => "386".into(),
        EM_ARM => "arm".into(),
        EM_X86_64 => "x86_64".into(),
        EM_AARCH64 => "aarch64".into(),
        other => format!("ELF machine {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_is_understood() {
        let head = std::fs::read("/proc/self/exe").unwrap();
        let elf = read_elf(&head[..4096]).unwrap();
        assert!(runs_here(elf.machine));
        assert!(elf.loader.unwrap().starts_with("/lib"));
        assert!(read_elf(b"#!/bin/sh\n").is_none());
    }

    #[test]
    fn every_torn_or_twisted_header_is_survived() {
        let whole = std::fs::read("/proc/self/exe").unwrap();
        for length in 0..200 {
            read_elf(&whole[..length]);
        }
        for at in 0..200 {
            let mut twisted = whole[..4096].to_vec();
            twisted[at] = 0xff;
            read_elf(&twisted);
        }
    }
}
