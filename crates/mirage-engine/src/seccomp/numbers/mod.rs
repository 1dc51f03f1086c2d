//! The numbers of system calls: per architecture, runs of names from a first number on.

mod arm;
mod x86;

/// One way in which programs call the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Abi {
    X86_64,
    X32,
    I386,
    Aarch64,
    Arm,
}

/// The bit that marks system calls of x32.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// Since Linux 5.1 a new system call has one number on all architectures.
const COMMON: &[(u32, &str)] = &[(
    424,
    "pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen
     fsconfig fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2
     process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset
     landlock_add_rule landlock_restrict_self memfd_secret process_mrelease futex_waitv
     set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait
     futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules
     mseal setxattrat getxattrat listxattrat removexattrat",
)];

/// The newest system call that the rules know of. Docker's runtime answers ENOSYS to newer ones, so
/// that programs fall back as on an older kernel.
pub(super) const NEWEST: u32 = 466;

impl Abi {
    /// Every system call: its number (with [`X32_BIT`]) and its name.
    pub(super) fn calls(self) -> Vec<(u32, &'static str)> {
        let own = match self {
            Self::X86_64 => x86::X86_64,
            Self::X32 => return x32(),
            Self::I386 => x86::I386,
            Self::Aarch64 => arm::AARCH64,
            Self::Arm => arm::ARM,
        };
        own.iter().chain(COMMON).flat_map(spread).collect()
    }

    /// The size of the kernel's registers for this one.
    pub(super) fn is_64_bit(self) -> bool {
        matches!(self, Self::X86_64 | Self::Aarch64)
    }
}

/// The calls of 64 bits, where x32 has no number of its own for them.
fn x32() -> Vec<(u32, &'static str)> {
    let own: Vec<_> = x86::X32.iter().flat_map(spread).collect();
    let shared = Abi::X86_64.calls().into_iter();
    let mut calls: Vec<_> = shared.filter(|(_, name)| !own.iter().any(|(_, mine)| mine == name)).collect();
    calls.extend(own);
    calls.into_iter().map(|(number, name)| (number | X32_BIT, name)).collect()
}

fn spread((first, names): &(u32, &'static str)) -> impl Iterator<Item = (u32, &'static str)> + use<> {
    (*first..).zip(names.split_ascii_whitespace()).filter(|(_, name)| *name != "-")
}
