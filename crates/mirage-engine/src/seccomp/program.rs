//! The rules as a program of the classic Berkeley packet filter, which the kernel runs at every system call.

use std::collections::BTreeMap;

use libc::sock_filter;
use oci_spec::runtime::Capabilities;

use super::numbers::{Abi, NEWEST, X32_BIT};
use super::profile::{self, Rule};

/// A processor architecture with the 32-bit ones that its kernels also run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// 64-bit x86, with i386 and x32.
    X86_64,
    /// 64-bit ARM, with 32-bit ARM.
    Aarch64,
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the seccomp tables hold x86-64 and AArch64 only");

impl Machine {
    /// The one this program was built for.
    pub const HERE: Self = if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    /// What the kernel calls each architecture in `seccomp_data.arch` (`AUDIT_ARCH_*`), and how its
    /// programs call the kernel.
    fn architectures(self) -> &'static [(u32, &'static [Abi])] {
        match self {
            Self::X86_64 => &[(0xc000_003e, &[Abi::X86_64, Abi::X32]), (0x4000_0003, &[Abi::I386])],
            Self::Aarch64 => &[(0xc000_00b7, &[Abi::Aarch64]), (0x4000_0028, &[Abi::Arm])],
        }
    }
}

/// The filter for a container whose bounding set holds these capabilities. Compiling it
/// takes about 0.3 ms and gives 6 KiB; see [`super::install`].
pub fn program(capabilities: &Capabilities, machine: Machine) -> Vec<sock_filter> {
    let rules = profile::rules(capabilities, machine);
    let mut program = vec![load(ARCHITECTURE)];
    for (architecture, abis) in machine.architectures() {
        let mut body = vec![load(NUMBER)];
        body.extend(search(&answers(abis, &rules), &|answer| answer.code()));
        program.extend(guard(libc::BPF_JEQ, *architecture, true, body));
    }
    program.push(finish(libc::SECCOMP_RET_KILL_PROCESS));
    program
}

/// What is answered to a range of system call numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    rule: Rule,
    /// Whether arguments are compared in all their 64 bits.
    is_64_bit: bool,
}

/// The ranges of numbers with one answer each, by their first number, from 0 to the end.
fn answers(abis: &[Abi], rules: &BTreeMap<&'static str, Rule>) -> Vec<(u32, Answer)> {
    let plain = |rule| Answer { rule, is_64_bit: true };
    let (refuse, unknown) = (plain(Rule::Fail(libc::EPERM as u16)), plain(Rule::Fail(libc::ENOSYS as u16)));
    let mut marks: BTreeMap<u32, Answer> = BTreeMap::new();
    for abi in abis {
        let base = if *abi == Abi::X32 { X32_BIT } else { 0 };
        marks.insert(base, refuse);
        marks.insert(base + NEWEST + 1, unknown);
        for (number, name) in abi.calls() {
            let Some(rule) = rules.get(name) else { continue };
            let after = marks.range(..=number).next_back().map_or(unknown, |(_, answer)| *answer);
            let is_64_bit = abi.is_64_bit() || matches!(rule, Rule::Allow | Rule::Fail(_));
            marks.insert(number, Answer { rule: *rule, is_64_bit });
            marks.entry(number + 1).or_insert(after);
        }
    }
    let mut ranges: Vec<_> = marks.into_iter().collect();
    ranges.dedup_by_key(|(_, answer)| *answer);
    ranges
}

impl Answer {
    fn code(&self) -> Vec<sock_filter> {
        let allow = || vec![finish(libc::SECCOMP_RET_ALLOW)];
        let fail = |error: u16| vec![finish(libc::SECCOMP_RET_ERRNO | u32::from(error))];
        let refuse = || fail(libc::EPERM as u16);
        match self.rule {
            Rule::Allow => allow(),
            Rule::Fail(error) => fail(error),
            Rule::FirstWithin(ranges) => {
                let mut code = Vec::new();
                if self.is_64_bit {
                    code.push(load(FIRST_ARGUMENT_HIGH));
                    code.extend(guard(libc::BPF_JEQ, 0, false, refuse()));
                }
                code.push(load(FIRST_ARGUMENT));
                let leaf = |inside: &bool| if *inside { allow() } else { refuse() };
                code.extend(search(&membership(ranges), &leaf));
                code
            }
            Rule::FirstWithout(bits) => {
                let mut code = vec![load(FIRST_ARGUMENT)];
                code.extend(guard(libc::BPF_JSET, bits, true, refuse()));
                code.extend(allow());
                code
            }
        }
    }
}

/// Splits all numbers into those inside and outside of `ranges`.
fn membership(ranges: &[(u32, u32)]) -> Vec<(u32, bool)> {
    let mut parts = vec![(0, false)];
    for (first, last) in ranges {
        parts.retain(|(start, _)| start != first);
        parts.push((*first, true));
        parts.extend(last.checked_add(1).map(|next| (next, false)));
    }
    parts
}

/// Finds the accumulator's range by bisection. `ranges` are ascending and begin with 0; a leaf ends the program.
fn search<T>(ranges: &[(u32, T)], leaf: &dyn Fn(&T) -> Vec<sock_filter>) -> Vec<sock_filter> {
    match ranges {
        [] => Vec::new(),
        [(_, only)] => leaf(only),
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let mut code = guard(libc::BPF_JGE, high[0].0, false, search(low, leaf));
            code.extend(search(high, leaf));
            code
        }
    }
}

/// Runs `body`, which ends the program, if comparing the accumulator with `value` gives `wanted`.
fn guard(comparison: u32, value: u32, wanted: bool, body: Vec<sock_filter>) -> Vec<sock_filter> {
    let jump = |if_true, if_false| sock_filter {
        code: (libc::BPF_JMP | comparison | libc::BPF_K) as u16,
        jt: if_true,
        jf: if_false,
        k: value,
    };
    let oriented = |run, skip| if wanted { jump(run, skip) } else { jump(skip, run) };
    let mut code = match u8::try_from(body.len()) {
        Ok(length) => vec![oriented(0, length)],
        // A conditional jump reaches 255 instructions, an unconditional one all of them.
        Err(_) => vec![oriented(1, 0), instruction(libc::BPF_JMP | libc::BPF_JA, body.len() as u32)],
    };
    code.extend(body);
    code
}

/// Offsets in `struct seccomp_data` of a little-endian machine.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
const FIRST_ARGUMENT_HIGH: u32 = 20;

fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn finish(answer: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, answer)
}

fn instruction(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}
