use std::process::Command;
use std::str::FromStr;
use std::time::Instant;

use libc::sock_filter;
use oci_spec::runtime::{Capabilities, Capability};

use super::numbers::{Abi, NEWEST, X32_BIT};
use super::profile::{self, Rule};
use super::*;

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const AARCH64: u32 = 0xc000_00b7;
const ARM: u32 = 0x4000_0028;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// What Docker gives to every container.
fn docker() -> Capabilities {
    let names =
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE
                 SYS_CHROOT KILL AUDIT_WRITE";
    names.split_ascii_whitespace().map(|name| Capability::from_str(name).unwrap()).collect()
}

/// One system call, put to a program.
#[derive(Clone, Copy, Debug)]
struct Call {
    architecture: u32,
    number: u32,
    first: u64,
}

/// The kernel's filter machine, as far as our programs use it. Panics where they leave their bounds.
fn answer(program: &[sock_filter], call: Call) -> u32 {
    let data = [call.number, call.architecture, 0, 0, call.first as u32, (call.first >> 32) as u32];
    let (mut accumulator, mut at) = (0, 0);
    loop {
        let instruction = program[at];
        at += 1;
        let holds = match u32::from(instruction.code) {
            0x20 => {
                accumulator = data[instruction.k as usize / 4];
                continue;
            }
            0x05 => {
                at += instruction.k as usize;
                continue;
            }
            0x06 => return instruction.k,
            0x15 => accumulator == instruction.k,
            0x35 => accumulator >= instruction.k,
            0x45 => accumulator & instruction.k != 0,
            other => panic!("instruction {other:#x}"),
        };
        at += usize::from(if holds { instruction.jt } else { instruction.jf });
    }
}

fn abis() -> [(Machine, u32, Abi); 5] {
    [
        (Machine::X86_64, X86_64, Abi::X86_64),
        (Machine::X86_64, X86_64, Abi::X32),
        (Machine::X86_64, I386, Abi::I386),
        (Machine::Aarch64, AARCH64, Abi::Aarch64),
        (Machine::Aarch64, ARM, Abi::Arm),
    ]
}

#[test]
fn every_number_of_every_architecture_gets_the_answer_of_its_rule() {
    for capabilities in [docker(), Capabilities::new(), everything()] {
        for (machine, architecture, abi) in abis() {
            let program = program(&capabilities, machine);
            let rules = profile::rules(&capabilities, machine);
            let base = if abi == Abi::X32 { X32_BIT } else { 0 };
            let calls = abi.calls();
            for number in (base..base + 1024).chain([base + 0xf_0001, base + 0xf_0005, base + 0x3fff_ffff]) {
                let name = calls.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
                let expected = match name.and_then(|name| rules.get(name)) {
                    Some(Rule::Allow | Rule::FirstWithin(_) | Rule::FirstWithout(_)) => ALLOW,
                    Some(Rule::Fail(error)) => libc::SECCOMP_RET_ERRNO | u32::from(*error),
                    None if number <= base + NEWEST => EPERM,
                    None => ENOSYS,
                };
                let call = Call { architecture, number, first: 0 };
                assert_eq!(answer(&program, call), expected, "{abi:?} {name:?} {call:?}");
            }
        }
    }
}

fn everything() -> Capabilities {
    [
        Capability::SysAdmin,
        Capability::SysPtrace,
        Capability::SysModule,
        Capability::SysTime,
        Capability::DacReadSearch,
        Capability::Bpf,
    ]
    .into()
}

#[test]
fn capabilities_open_their_calls() {
    for (capability, names) in [
        (Capability::SysChroot, "chroot"),
        (Capability::SysAdmin, "mount bpf setns clone3"),
        (Capability::SysModule, "finit_module"),
        (Capability::SysPtrace, "pidfd_getfd"),
    ] {
        for name in names.split(' ') {
            assert_ne!(answer_to(&Capabilities::new(), name, 0), ALLOW, "{name} without {capability}");
            assert_eq!(answer_to(&[capability].into(), name, 0), ALLOW, "{name} with {capability}");
        }
    }
}

#[test]
fn arguments_decide_where_the_call_has_harmless_uses() {
    for (name, first, expected) in [
        ("clone", libc::SIGCHLD as u64, ALLOW),
        ("clone", (libc::CLONE_VM | libc::CLONE_THREAD) as u64, ALLOW),
        ("clone", libc::CLONE_NEWUSER as u64, EPERM),
        ("clone", (libc::CLONE_NEWCGROUP | libc::SIGCHLD) as u64, EPERM),
        ("clone", 0xffff_ffff_8000_0000, ALLOW),
        ("clone3", 0, ENOSYS),
        ("personality", 0, ALLOW),
        ("personality", 8, ALLOW),
        ("personality", 0x2_0000, ALLOW),
        ("personality", 0x2_0008, ALLOW),
        ("personality", 0xffff_ffff, ALLOW),
        ("personality", 0x004_0000, EPERM),
        ("personality", 0x1_0000_0008, EPERM),
        ("personality", u64::MAX, EPERM),
        ("socket", libc::AF_UNIX as u64, ALLOW),
        ("socket", libc::AF_INET6 as u64, ALLOW),
        ("socket", libc::AF_NETLINK as u64, ALLOW),
        ("socket", libc::AF_XDP as u64, ALLOW),
        ("socket", libc::AF_ALG as u64, EPERM),
        ("socket", libc::AF_VSOCK as u64, EPERM),
        ("socket", 46, EPERM),
        ("socket", 0x1_0000_0001, EPERM),
    ] {
        assert_eq!(answer_to(&docker(), name, first), expected, "{name} {first:#x}");
    }
}

#[test]
fn arguments_of_32_bit_calls_are_compared_in_32_bits() {
    let program = program(&docker(), Machine::X86_64);
    for (architecture, number) in [(X86_64, X32_BIT + 41), (I386, 359)] {
        let call = |first| Call { architecture, number, first };
        assert_eq!(answer(&program, call(0xffff_0000_0000_0001)), ALLOW);
        assert_eq!(answer(&program, call(0xffff_0000_0000_0028)), EPERM);
    }
}

#[test]
fn what_escapes_a_container_is_refused() {
    let names =
        "keyctl add_key request_key bpf mount umount2 unshare setns pivot_root init_module finit_module
                 kexec_load io_uring_setup io_uring_enter io_uring_register userfaultfd perf_event_open
                 open_by_handle_at reboot swapon settimeofday pidfd_getfd move_pages acct quotactl syslog";
    for name in names.split_ascii_whitespace() {
        assert_eq!(answer_to(&docker(), name, 0), EPERM, "{name}");
    }
    for name in ["ptrace", "process_vm_readv", "chroot", "execve", "openat2", "futex_waitv", "rseq"] {
        assert_eq!(answer_to(&docker(), name, 0), ALLOW, "{name}");
    }
}

#[test]
fn a_foreign_architecture_ends_the_process() {
    for architecture in [0, AARCH64, 0x8000_0016] {
        let program = program(&docker(), Machine::X86_64);
        let call = Call { architecture, number: 0, first: 0 };
        assert_eq!(answer(&program, call), libc::SECCOMP_RET_KILL_PROCESS);
    }
}

#[test]
fn names_and_numbers_are_those_of_the_c_library() {
    macro_rules! numbers {
        ($($name:ident)*) => { [$((concat!("SYS_", stringify!($name)), libc::$name)),*] };
    }
    let sample = numbers!(SYS_read SYS_execve SYS_clone SYS_socket SYS_personality SYS_ptrace SYS_mount SYS_keyctl
        SYS_bpf SYS_unshare SYS_openat SYS_seccomp SYS_statx SYS_rseq SYS_pidfd_send_signal SYS_clone3 SYS_openat2
        SYS_futex_waitv SYS_mseal);
    let abi = if Machine::HERE == Machine::X86_64 { Abi::X86_64 } else { Abi::Aarch64 };
    for (name, number) in sample {
        let name = name.trim_start_matches("SYS_");
        let ours =
            abi.calls().into_iter().find(|(_, ours)| *ours == name).map(|(number, _)| i64::from(number));
        assert_eq!(ours, Some(number), "{name}");
    }
}

#[test]
fn every_rule_names_a_call_that_some_architecture_has() {
    for machine in [Machine::X86_64, Machine::Aarch64] {
        for name in profile::rules(&everything(), machine).keys() {
            let known = abis().iter().any(|(_, _, abi)| abi.calls().iter().any(|(_, known)| known == name));
            // `sync_file_range2` is what other architectures call `arm_sync_file_range`.
            assert!(known || *name == "sync_file_range2", "{name}");
        }
    }
}

#[test]
fn the_program_is_small() {
    let began = Instant::now();
    let program = program(&docker(), Machine::X86_64);
    println!("{} instructions in {:?}", program.len(), began.elapsed());
    assert!(program.len() < 1024, "{}", program.len());
}

#[test]
fn the_profile_for_other_runtimes_says_the_same() {
    let profile = oci_profile(&docker(), Machine::X86_64).unwrap();
    let json = serde_json::to_value(&profile).unwrap();
    assert_eq!(json["defaultAction"], "SCMP_ACT_ERRNO");
    assert_eq!(json["defaultErrnoRet"], 1);
    assert_eq!(json["architectures"][1], "SCMP_ARCH_X86");
    let about = |name: &str| -> Vec<String> {
        let calls = json["syscalls"].as_array().unwrap().iter();
        let named = calls.filter(|call| call["names"].as_array().unwrap().iter().any(|known| known == name));
        named
            .map(|call| match &call["args"] {
                serde_json::Value::Null => format!("{} {}", call["action"], call["errnoRet"]),
                args => format!("{} {}", args[0]["op"], args[0]["value"]),
            })
            .collect()
    };
    assert_eq!(about("read"), [r#""SCMP_ACT_ALLOW" null"#]);
    assert_eq!(about("mount"), [""; 0]);
    assert_eq!(about("clone3"), [r#""SCMP_ACT_ERRNO" 38"#]);
    assert_eq!(about("clone"), [r#""SCMP_CMP_MASKED_EQ" 2114060288"#]);
    assert_eq!(about("personality")[4], r#""SCMP_CMP_EQ" 4294967295"#);
    assert_eq!(about("socket")[..2], [r#""SCMP_CMP_LE" 11"#, r#""SCMP_CMP_EQ" 13"#]);
}

/// What the first system call of this name gets on 64-bit x86.
fn answer_to(capabilities: &Capabilities, name: &str, first: u64) -> u32 {
    let calls = Abi::X86_64.calls();
    let (number, _) = calls.iter().find(|(_, known)| *known == name).unwrap();
    answer(&program(capabilities, Machine::X86_64), Call { architecture: X86_64, number: *number, first })
}

const CHILD: &str = "seccomp::tests::a_process_under_the_filter";

#[test]
fn the_kernel_takes_the_program_and_obeys_it() {
    let child =
        Command::new("/proc/self/exe").args([CHILD, "--exact", "--ignored", "--test-threads=1"]).output();
    let child = child.unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

/// Run by the test above in a process of its own, which the filter then stays with.
#[test]
#[ignore = "filters the whole process; run by `the_kernel_takes_the_program_and_obeys_it`"]
fn a_process_under_the_filter() {
    nix::sys::prctl::set_no_new_privs().unwrap();
    install(&program(&docker(), Machine::HERE)).unwrap();
    for (number, first, expected) in [
        (libc::SYS_keyctl, 0, libc::EPERM),
        (libc::SYS_bpf, 0, libc::EPERM),
        (libc::SYS_mount, 0, libc::EPERM),
        (libc::SYS_unshare, libc::CLONE_NEWUSER, libc::EPERM),
        (libc::SYS_io_uring_setup, 1, libc::EPERM),
        (libc::SYS_clone, libc::CLONE_NEWNET, libc::EPERM),
        (libc::SYS_socket, libc::AF_VSOCK, libc::EPERM),
        (libc::SYS_socket, libc::AF_ALG, libc::EPERM),
        (libc::SYS_personality, 0x004_0000, libc::EPERM),
        (libc::SYS_clone3, 0, libc::ENOSYS),
        (i64::from(NEWEST) + 1, 0, libc::ENOSYS),
        (libc::SYS_getpid, 0, 0),
        (libc::SYS_personality, -1, 0),
    ] {
        // SAFETY: every pointer is null or the call has none, and none of the calls that pass changes anything.
        let result = unsafe { libc::syscall(number, libc::c_long::from(first as u32), 0, 0, 0, 0) };
        let error = if result < 0 { std::io::Error::last_os_error().raw_os_error().unwrap() } else { 0 };
        assert_eq!(error, expected, "system call {number} {first:#x}");
    }
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    assert!(status.contains("Seccomp:\t2\n"));
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    std::thread::spawn(|| std::fs::read("/proc/self/exe").unwrap().len()).join().unwrap();
    assert!(Command::new("/bin/sh").args(["-c", "uname | cat"]).output().unwrap().status.success());
}
