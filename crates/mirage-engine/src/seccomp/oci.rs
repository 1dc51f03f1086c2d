//! The same rules for runtimes that bring their own filter compiler (runc, crun).

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Arch, Capabilities, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompBuilder, LinuxSeccompOperator, LinuxSyscallBuilder,
};

use super::Machine;
use super::profile::{self, Rule};

/// The rules as `linux.seccomp` of an OCI runtime specification.
///
/// # Errors
/// None that is known: the builders of `oci-spec` ask for fields, which are all given.
pub fn oci_profile(capabilities: &Capabilities, machine: Machine) -> Result<LinuxSeccomp, OciSpecError> {
    let rules = profile::rules(capabilities, machine);
    let plain: Vec<_> =
        rules.iter().filter(|(_, rule)| **rule == Rule::Allow).map(|(name, _)| *name).collect();
    let mut calls = vec![call(&plain, LinuxSeccompAction::ScmpActAllow).build()?];
    for (name, rule) in &rules {
        let allow = || call(&[name], LinuxSeccompAction::ScmpActAllow);
        match rule {
            Rule::Allow => {}
            Rule::Fail(error) => {
                calls.push(
                    call(&[name], LinuxSeccompAction::ScmpActErrno).errno_ret(u32::from(*error)).build()?,
                );
            }
            Rule::FirstWithin(ranges) => {
                for argument in within(ranges)? {
                    calls.push(allow().args(vec![argument]).build()?);
                }
            }
            Rule::FirstWithout(bits) => {
                let none = first(u64::from(*bits), LinuxSeccompOperator::ScmpCmpMaskedEq)?;
                calls.push(allow().args(vec![none]).build()?);
            }
        }
    }
    LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(libc::EPERM as u32)
        .architectures(match machine {
            Machine::X86_64 => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
            Machine::Aarch64 => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        })
        .syscalls(calls)
        .build()
}

fn call(names: &[&str], action: LinuxSeccompAction) -> LinuxSyscallBuilder {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    LinuxSyscallBuilder::default().names(names).action(action)
}

/// One condition per rule, because runc takes several conditions on one argument for alternatives
/// (opencontainers/runc#2735): a range from 0 is one comparison, any other is a list.
fn within(ranges: &[(u32, u32)]) -> Result<Vec<LinuxSeccompArg>, OciSpecError> {
    let mut arguments = Vec::new();
    for (low, high) in ranges {
        if *low == 0 {
            arguments.push(first(u64::from(*high), LinuxSeccompOperator::ScmpCmpLe)?);
            continue;
        }
        for value in *low..=*high {
            arguments.push(first(u64::from(value), LinuxSeccompOperator::ScmpCmpEq)?);
        }
    }
    Ok(arguments)
}

fn first(value: u64, comparison: LinuxSeccompOperator) -> Result<LinuxSeccompArg, OciSpecError> {
    LinuxSeccompArgBuilder::default().index(0usize).value(value).op(comparison).build()
}
