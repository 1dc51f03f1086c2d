//! Programs of a hundred bytes: one system call, and its error number as the exit code.
//!
//! busybox has no applet for `keyctl` or `bpf`, and a compiler on the test machine is not to be
//! assumed; a static ELF file that makes one system call is easily written by hand. For x86-64 only.

/// Number of a system call on x86-64 by name, of those the tests try.
///
/// # Panics
/// For a name that no test has needed yet.
#[expect(clippy::panic, reason = "a fault of the test that asks")]
pub fn syscall_number(name: &str) -> u32 {
    let numbers: &[(&str, u32)] = &[
        ("ptrace", 101),
        ("add_key", 248),
        ("keyctl", 250),
        ("bpf", 321),
        ("unshare", 272),
        ("mount", 165),
        ("init_module", 175),
        ("finit_module", 313),
        ("kexec_load", 246),
        ("reboot", 169),
        ("io_uring_setup", 425),
        ("userfaultfd", 323),
        ("perf_event_open", 298),
        ("clone3", 435),
        ("setns", 308),
        ("open_by_handle_at", 304),
        ("getpid", 39),
    ];
    match numbers.iter().find(|(known, ..)| *known == name) {
        Some((_, number)) => *number,
        None => panic!("`{name}` is not in the table of system calls"),
    }
}

/// A static program for x86-64 that makes one system call with up to six
/// arguments and exits with the error number, or 0 where the call succeeded.
pub fn syscall_program(number: u32, arguments: &[u64]) -> Vec<u8> {
    // mov r64, imm64 for rdi, rsi, rdx, r10, r8, r9.
    const REGISTERS: [[u8; 2]; 6] =
        [[0x48, 0xbf], [0x48, 0xbe], [0x48, 0xba], [0x49, 0xba], [0x49, 0xb8], [0x49, 0xb9]];
    let mut code = Vec::new();
    for (register, argument) in REGISTERS.iter().zip(arguments) {
        code.extend_from_slice(register);
        code.extend_from_slice(&argument.to_le_bytes());
    }
    code.push(0xb8); // mov eax, number
    code.extend_from_slice(&number.to_le_bytes());
    code.extend_from_slice(&[0x0f, 0x05]); // syscall
    code.extend_from_slice(&[0x31, 0xff]); // xor edi, edi
    code.extend_from_slice(&[0x48, 0x85, 0xc0]); // test rax, rax
    code.extend_from_slice(&[0x79, 0x04]); // jns over the next two
    code.extend_from_slice(&[0xf7, 0xd8]); // neg eax
    code.extend_from_slice(&[0x89, 0xc7]); // mov edi, eax
    code.extend_from_slice(&[0xb8, 60, 0, 0, 0]); // mov eax, exit
    code.extend_from_slice(&[0x0f, 0x05]); // syscall
    elf(&code)
}

/// A static program for x86-64 that makes processes which only wait, until one is refused, and then
/// exits with the error number.
pub fn fork_bomb() -> Vec<u8> {
    let code = [
        &[0xb8, 57, 0, 0, 0, 0x0f, 0x05][..], // 0: fork
        &[0x85, 0xc0],                        // 7: test eax, eax
        &[0x74, 13],                          // 9: the child goes to 24
        &[0x79, 0xf3],                        // 11: the parent goes on at 0
        &[0xf7, 0xd8],                        // 13: neg eax
        &[0x89, 0xc7],                        // 15: mov edi, eax
        &[0xb8, 60, 0, 0, 0, 0x0f, 0x05],     // 17: exit
        &[0xb8, 34, 0, 0, 0, 0x0f, 0x05],     // 24: pause
        &[0xeb, 0xf7],                        // 31: back to 24
    ];
    elf(&code.concat())
}

/// An ELF file with one executable segment that holds the whole file.
fn elf(code: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + code.len() as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend_from_slice(&2_u16.to_le_bytes()); // executable
    file.extend_from_slice(&62_u16.to_le_bytes()); // x86-64
    file.extend_from_slice(&1_u32.to_le_bytes());
    file.extend_from_slice(&(BASE + HEADERS).to_le_bytes()); // entry point
    file.extend_from_slice(&64_u64.to_le_bytes()); // program headers
    file.extend_from_slice(&0_u64.to_le_bytes()); // no section headers
    file.extend_from_slice(&0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 0, 0] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    file.extend_from_slice(&1_u32.to_le_bytes()); // loaded
    file.extend_from_slice(&5_u32.to_le_bytes()); // readable, executable
    for long in [0, BASE, BASE, size, size, 0x1000] {
        file.extend_from_slice(&long.to_le_bytes());
    }
    file.extend_from_slice(code);
    file
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn exit_code(program: &[u8]) -> Option<i32> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        std::fs::write(&path, program).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        // Another thread of this test binary may be between fork and exec with our file still open.
        super::super::eventually("a file that is not busy", std::time::Duration::from_secs(5), || {
            std::process::Command::new(&path).status().ok()
        })
        .unwrap()
        .code()
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_call_that_succeeds_exits_with_0_and_one_that_fails_with_its_error_number() {
        assert_eq!(exit_code(&syscall_program(syscall_number("getpid"), &[])), Some(0));
        // setns of a file descriptor that is not open: EBADF.
        assert_eq!(exit_code(&syscall_program(syscall_number("setns"), &[77, 0])), Some(9));
    }
}
