//! Packet filter: who may talk to whom. One nf_tables table per platform, replaced as a whole.

mod encode;
mod foreign;
mod rules;

use std::io;

use super::addressing::Plan;
use super::netlink::{Family, Socket};

pub(crate) use foreign::{foreign, forget_docker};
pub(crate) use rules::Ability;

/// Makes the platform's table say what these networks need. Replaces the whole table in one
/// transaction, so that there is no moment without rules; what the kernel turned out to be able to
/// do is the answer.
///
/// # Errors
/// Where the kernel has no nf_tables at all, or does not let us.
pub(crate) fn apply(plan: &Plan, networks: &[u16]) -> io::Result<Ability> {
    let mut refused = None;
    for ability in Ability::DESCENDING {
        match apply_with(plan, networks, ability) {
            Ok(()) => return Ok(ability),
            // Parts of the ruleset that the kernel was built without; anything else does not get
            // better with a smaller one.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EOPNOTSUPP)) => {
                refused = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| io::ErrorKind::Unsupported.into()))
}

/// Sees to it that what our rules accept is not refused by Docker's, if Docker is here by now.
pub(crate) fn make_way(plan: &Plan) -> io::Result<()> {
    if foreign(plan)?.docker_user { foreign::pass_docker(plan) } else { Ok(()) }
}

/// As [`apply`], with this ability and no other.
pub(super) fn apply_with(plan: &Plan, networks: &[u16], ability: Ability) -> io::Result<()> {
    let ruleset = rules::ruleset(plan, networks, ability);
    encode::replace(&mut Socket::open(Family::Netfilter)?, &plan.table(), &ruleset)
}

/// Takes the platform's table away, if it is there.
pub(crate) fn remove(plan: &Plan) -> io::Result<()> {
    encode::remove(&mut Socket::open(Family::Netfilter)?, &plan.table())
}
