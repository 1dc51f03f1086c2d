//! Packet filters of others on this machine, which can refuse what our own table accepts.

use std::io;

use super::encode::{message, new_rule, transact, userdata};
use super::rules::{Match, Verdict, rule};
use crate::network::addressing::Plan;
use crate::network::netlink::{Family, Message, Reply, Socket, attributes};

const TABLE: &str = "filter";
const DOCKER_USER: &str = "DOCKER-USER";
/// Length of `struct nfgenmsg`.
const HEADER: usize = 4;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const HOOK_NUMBER: u16 = 1;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const RULE_USERDATA: u16 = 7;

/// What is set up, by others above all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// Our own table is there.
    pub(crate) own: bool,
    /// Docker lets others add rules of their own.
    pub(crate) docker_user: bool,
    /// Chains that refuse to forward what nobody accepts, as `table/chain`.
    pub(crate) refuse_forwarding: Vec<String>,
    /// Chains that refuse input that nobody accepts, as `table/chain`.
    pub(crate) refuse_input: Vec<String>,
    /// Somebody else's chain looks at forwarded packets: somebody else forwards.
    pub(crate) forwarding_used: bool,
}

/// Looks at every table.
pub(crate) fn foreign(plan: &Plan) -> io::Result<Foreign> {
    let mut socket = Socket::open(Family::Netfilter)?;
    let chains = socket.dump(&message(libc::NFT_MSG_GETCHAIN, libc::NLM_F_DUMP, libc::NFPROTO_UNSPEC))?;
    let mut found = Foreign::default();
    for chain in &chains {
        note(&mut found, chain, &plan.table());
    }
    Ok(found)
}

/// Makes Docker's `FORWARD` chain, whose policy is to drop, let our bridges pass. Our own table has
/// the last word on what really may pass. Done already where a previous life did it.
pub(crate) fn pass_docker(plan: &Plan) -> io::Result<()> {
    let mut socket = Socket::open(Family::Netfilter)?;
    if !ours(&mut socket, plan)?.is_empty() {
        return Ok(());
    }
    let ours = plan.bridge_prefix();
    let rules =
        [rule([Match::FromAny(ours.clone())], Verdict::Accept), rule([Match::ToAny(ours)], Verdict::Accept)];
    let comment = comment(plan);
    let add = |rule| new_rule(libc::NFPROTO_IPV4, TABLE, DOCKER_USER, rule, false, Some(&comment));
    transact(&mut socket, rules.iter().map(add).collect())
}

/// Takes back what [`pass_docker`] did.
pub(crate) fn forget_docker(plan: &Plan) -> io::Result<()> {
    let mut socket = Socket::open(Family::Netfilter)?;
    let remove = |handle: Vec<u8>| {
        message(libc::NFT_MSG_DELRULE, 0, libc::NFPROTO_IPV4)
            .text(RULE_TABLE, TABLE)
            .text(RULE_CHAIN, DOCKER_USER)
            .attribute(RULE_HANDLE, &handle)
    };
    let removals: Vec<Message> = ours(&mut socket, plan)?.into_iter().map(remove).collect();
    transact(&mut socket, removals)
}

/// Handles of our rules in Docker's chain.
fn ours(socket: &mut Socket, plan: &Plan) -> io::Result<Vec<Vec<u8>>> {
    let ask = message(libc::NFT_MSG_GETRULE, libc::NLM_F_DUMP, libc::NFPROTO_IPV4)
        .text(RULE_TABLE, TABLE)
        .text(RULE_CHAIN, DOCKER_USER);
    let rules = match socket.dump(&ask) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(Vec::new()),
        other => other?,
    };
    let mark = userdata(&comment(plan));
    let handle = |rule: &Reply| {
        let values = attributes(rule.body.get(HEADER..)?);
        let ours = values.text(RULE_CHAIN)? == DOCKER_USER && values.get(RULE_USERDATA)? == mark;
        ours.then(|| values.get(RULE_HANDLE).map(<[u8]>::to_vec)).flatten()
    };
    Ok(rules.iter().filter_map(handle).collect())
}

fn comment(plan: &Plan) -> String {
    format!("mirage {}", plan.table())
}

fn note(found: &mut Foreign, chain: &Reply, own: &str) -> Option<()> {
    let family = i32::from(*chain.body.first()?);
    let values = attributes(chain.body.get(HEADER..)?);
    let (table, name) = (values.text(CHAIN_TABLE)?, values.text(CHAIN_NAME)?);
    if table == own {
        found.own = true;
        return None;
    }
    found.docker_user |= family == libc::NFPROTO_IPV4 && table == TABLE && name == DOCKER_USER;
    if !matches!(family, libc::NFPROTO_IPV4 | libc::NFPROTO_INET) {
        return None;
    }
    let hook = attributes(values.get(CHAIN_HOOK)?).network_number(HOOK_NUMBER)? as i32;
    found.forwarding_used |= hook == libc::NF_INET_FORWARD;
    if values.network_number(CHAIN_POLICY)? == libc::NF_DROP as u32 {
        match hook {
            libc::NF_INET_FORWARD => found.refuse_forwarding.push(format!("{table}/{name}")),
            libc::NF_INET_LOCAL_IN => found.refuse_input.push(format!("{table}/{name}")),
            _ => {}
        }
    }
    Some(())
}
