//! Which devices may be opened, on v2: there the rule is a small BPF program at the group.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use super::devices::Allowed;

/// Numbers of `linux/bpf.h`.
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_PROG_ATTACH: libc::c_int = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;
const BPF_DEVCG_ACC_MKNOD: i32 = 1;
const BPF_DEVCG_DEV_CHAR: i32 = 2;

/// One instruction (`struct bpf_insn`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// Attaches a program to a v2 group that lets its processes open only these devices.
///
/// # Errors
/// Whatever the kernel says; `PermissionDenied` without CAP_SYS_ADMIN or CAP_BPF.
pub(super) fn attach(group: &Path, allowed: &[Allowed]) -> io::Result<()> {
    let group = File::open(group)?;
    let program = load(&assemble(allowed))?;
    let attributes = AttachAttributes {
        target: group.as_raw_fd().cast_unsigned(),
        program: program.as_raw_fd().cast_unsigned(),
        kind: BPF_CGROUP_DEVICE,
        flags: BPF_F_ALLOW_MULTI,
    };
    bpf(BPF_PROG_ATTACH, &attributes).map(drop)
}

/// The program: making a node is fine, opening only what is listed, everything else is not.
pub(super) fn assemble(allowed: &[Allowed]) -> Vec<Instruction> {
    // r1 points at `struct bpf_cgroup_dev_ctx`: access in the upper and kind in the lower half of
    // the first word, then major, then minor.
    const ACCESS: u8 = 3;
    const KIND: u8 = 2;
    const MAJOR: u8 = 4;
    const MINOR: u8 = 5;
    let mut program = vec![
        load_word(KIND, 0),
        copy(ACCESS, KIND),
        shift_right(ACCESS, 16),
        and(KIND, 0xffff),
        load_word(MAJOR, 4),
        load_word(MINOR, 8),
        skip_unless(ACCESS, BPF_DEVCG_ACC_MKNOD, 2),
        answer(1),
        exit(),
        // Block devices are never opened.
        skip_if(KIND, BPF_DEVCG_DEV_CHAR, 2),
        answer(0),
        exit(),
    ];
    for Allowed { major, minor } in allowed {
        let minor = minor.map(u32::cast_signed);
        program.push(skip_unless(MAJOR, major.cast_signed(), if minor.is_some() { 3 } else { 2 }));
        program.extend(minor.map(|minor| skip_unless(MINOR, minor, 2)));
        program.extend([answer(1), exit()]);
    }
    program.extend([answer(0), exit()]);
    program
}

fn instruction(code: u8, target: u8, source: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: source << 4 | target, offset, immediate }
}

fn load_word(target: u8, offset: i16) -> Instruction {
    instruction(0x61, target, 1, offset, 0)
}

fn copy(target: u8, source: u8) -> Instruction {
    instruction(0xbf, target, source, 0, 0)
}

fn shift_right(target: u8, by: i32) -> Instruction {
    instruction(0x77, target, 0, 0, by)
}

fn and(target: u8, mask: i32) -> Instruction {
    instruction(0x57, target, 0, 0, mask)
}

fn skip_if(register: u8, value: i32, skip: i16) -> Instruction {
    instruction(0x15, register, 0, skip, value)
}

fn skip_unless(register: u8, value: i32, skip: i16) -> Instruction {
    instruction(0x55, register, 0, skip, value)
}

fn answer(value: i32) -> Instruction {
    instruction(0xb7, 0, 0, 0, value)
}

fn exit() -> Instruction {
    instruction(0x95, 0, 0, 0, 0)
}

/// The part of `union bpf_attr` that loading uses.
#[repr(C)]
struct LoadAttributes {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// The part of `union bpf_attr` that attaching uses.
#[repr(C)]
struct AttachAttributes {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

fn load(program: &[Instruction]) -> io::Result<OwnedFd> {
    let attributes = LoadAttributes {
        kind: BPF_PROG_TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(program.len()).map_err(io::Error::other)?,
        instructions: program.as_ptr() as u64,
        license: c"MIT".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
    };
    let fd = bpf(BPF_PROG_LOAD, &attributes)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<i32> {
    // SAFETY: `attributes` is a prefix of `union bpf_attr` that outlives the call, as do the
    // instructions and the text it points to; the kernel takes its size and only reads it.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { i32::try_from(result).map_err(io::Error::other) }
}
