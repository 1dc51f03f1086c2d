//! Rules as nf_tables messages (`linux/netfilter/nf_tables.h`).

use std::io;

use super::rules::{Chain, Hook, Match, Rule, Verdict};
use crate::network::addressing::Subnet;
use crate::network::netlink::{Message, Socket};

// Attribute numbers; the C header has them as enumerations and libc does not have them all.
const TABLE_NAME: u16 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_USERDATA: u16 = 7;
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
const REGISTER: u32 = libc::NFT_REG_1 as u32;

/// Byte offsets in the headers of IPv4, UDP and TCP.
const IPV4_SOURCE: u32 = 12;
const IPV4_DESTINATION: u32 = 16;
const DESTINATION_PORT: u32 = 2;
const TCP_FLAGS: u32 = 13;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
/// `NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)`.
const ESTABLISHED_OR_RELATED: u32 = 2 | 4;

/// Puts the chains in place of whatever the table held.
pub(super) fn replace(socket: &mut Socket, table: &str, chains: &[Chain]) -> io::Result<()> {
    let inet = libc::NFPROTO_INET;
    let mut messages = vec![new_table(table), delete_table(table), new_table(table)];
    messages.extend(chains.iter().map(|chain| new_chain(table, chain)));
    for chain in chains {
        messages.extend(chain.rules.iter().map(|rule| new_rule(inet, table, chain.name, rule, true, None)));
    }
    transact(socket, messages)
}

/// Takes the table away.
pub(super) fn remove(socket: &mut Socket, table: &str) -> io::Result<()> {
    // Made first, so that it is no error where it was not there.
    transact(socket, vec![new_table(table), delete_table(table)])
}

/// All of it, or nothing.
pub(super) fn transact(socket: &mut Socket, messages: Vec<Message>) -> io::Result<()> {
    let mark = |kind: i32| {
        let mut header = header(libc::NFPROTO_UNSPEC);
        header[2..].copy_from_slice(&(libc::NFNL_SUBSYS_NFTABLES as u16).to_be_bytes());
        Message::new(kind as u16, 0, &header)
    };
    socket.transact_batch(mark(libc::NFNL_MSG_BATCH_BEGIN), messages, mark(libc::NFNL_MSG_BATCH_END))
}

/// A message of nf_tables.
pub(super) fn message(kind: i32, flags: i32, family: i32) -> Message {
    Message::new((libc::NFNL_SUBSYS_NFTABLES << 8 | kind) as u16, flags, &header(family))
}

/// A rule at the end of its chain, or at its start; the comment is what `nft list` shows.
pub(super) fn new_rule(
    family: i32,
    table: &str,
    chain: &str,
    rule: &Rule,
    at_end: bool,
    comment: Option<&str>,
) -> Message {
    let flags = libc::NLM_F_CREATE | if at_end { libc::NLM_F_APPEND } else { 0 };
    let message = message(libc::NFT_MSG_NEWRULE, flags, family)
        .text(RULE_TABLE, table)
        .text(RULE_CHAIN, chain)
        .nested(RULE_EXPRESSIONS, |m| verdict(rule.matches.iter().fold(m, matching), rule.verdict));
    match comment {
        Some(comment) => message.attribute(RULE_USERDATA, &userdata(comment)),
        None => message,
    }
}

/// A comment in the form that `nft` and `iptables` keep: type 0, length, text with its NUL.
pub(super) fn userdata(comment: &str) -> Vec<u8> {
    let mut bytes = vec![0, comment.len().min(254) as u8 + 1];
    bytes.extend(comment.bytes().take(254));
    bytes.push(0);
    bytes
}

fn header(family: i32) -> [u8; 4] {
    [family as u8, libc::NFNETLINK_V0 as u8, 0, 0]
}

fn new_table(table: &str) -> Message {
    message(libc::NFT_MSG_NEWTABLE, libc::NLM_F_CREATE, libc::NFPROTO_INET).text(TABLE_NAME, table)
}

fn delete_table(table: &str) -> Message {
    message(libc::NFT_MSG_DELTABLE, 0, libc::NFPROTO_INET).text(TABLE_NAME, table)
}

fn new_chain(table: &str, chain: &Chain) -> Message {
    let message = message(libc::NFT_MSG_NEWCHAIN, libc::NLM_F_CREATE, libc::NFPROTO_INET)
        .text(CHAIN_TABLE, table)
        .text(CHAIN_NAME, chain.name);
    let Some(Hook { kind, number, priority }) = chain.hook else { return message };
    message
        .nested(CHAIN_HOOK, |m| {
            m.network_number(HOOK_NUMBER, number as u32).network_number(HOOK_PRIORITY, priority as u32)
        })
        .network_number(CHAIN_POLICY, libc::NF_ACCEPT as u32)
        .text(CHAIN_TYPE, kind)
}

fn matching(message: Message, what: &Match) -> Message {
    let equal = libc::NFT_CMP_EQ;
    match what {
        Match::From(name) => compare(meta(message, libc::NFT_META_IIFNAME), equal, &link_name(name)),
        Match::FromAny(start) => compare(meta(message, libc::NFT_META_IIFNAME), equal, start.as_bytes()),
        Match::To(name) => compare(meta(message, libc::NFT_META_OIFNAME), equal, &link_name(name)),
        Match::ToAny(start) => compare(meta(message, libc::NFT_META_OIFNAME), equal, start.as_bytes()),
        Match::ToNone(start) => {
            compare(meta(message, libc::NFT_META_OIFNAME), libc::NFT_CMP_NEQ, start.as_bytes())
        }
        Match::Source(block) => within(message, IPV4_SOURCE, block, equal),
        Match::ForeignSource(block) => within(message, IPV4_SOURCE, block, libc::NFT_CMP_NEQ),
        Match::DestinationIn(block) => within(message, IPV4_DESTINATION, block, equal),
        Match::Destination(address) => {
            let message = network_header(ipv4(message), IPV4_DESTINATION);
            compare(message, equal, &address.octets())
        }
        Match::Ipv6 => compare(meta(message, libc::NFT_META_NFPROTO), equal, &[libc::NFPROTO_IPV6 as u8]),
        Match::Transport(number) => compare(meta(message, libc::NFT_META_L4PROTO), equal, &[*number as u8]),
        Match::Port(port) => {
            compare(transport_header(message, DESTINATION_PORT, 2), equal, &port.to_be_bytes())
        }
        Match::Established => {
            let state = ESTABLISHED_OR_RELATED.to_ne_bytes();
            let message = bitwise(connection_state(message), &state);
            compare(message, libc::NFT_CMP_NEQ, &[0; 4])
        }
        Match::NoOpening => {
            let message = bitwise(transport_header(message, TCP_FLAGS, 1), &[SYN | ACK]);
            compare(message, libc::NFT_CMP_NEQ, &[SYN])
        }
    }
}

fn verdict(message: Message, verdict: Verdict) -> Message {
    let (code, chain) = match verdict {
        Verdict::Accept => (libc::NF_ACCEPT, None),
        Verdict::Drop => (libc::NF_DROP, None),
        Verdict::Jump(chain) => (libc::NFT_JUMP, Some(chain)),
        Verdict::Masquerade => return expression(message, "masq", |m| m),
    };
    expression(message, "immediate", |m| {
        m.network_number(1, libc::NFT_REG_VERDICT as u32).nested(2, |m| {
            m.nested(DATA_VERDICT, |m| {
                let m = m.network_number(VERDICT_CODE, code as u32);
                chain.map_or(m.clone(), |chain| m.text(VERDICT_CHAIN, chain))
            })
        })
    })
}

fn expression(message: Message, name: &str, data: impl FnOnce(Message) -> Message) -> Message {
    message.nested(LIST_ELEMENT, |m| m.text(EXPRESSION_NAME, name).nested(EXPRESSION_DATA, data))
}

fn meta(message: Message, key: i32) -> Message {
    expression(message, "meta", |m| m.network_number(1, REGISTER).network_number(2, key as u32))
}

fn connection_state(message: Message) -> Message {
    let state = libc::NFT_CT_STATE as u32;
    expression(message, "ct", |m| m.network_number(1, REGISTER).network_number(2, state))
}

fn ipv4(message: Message) -> Message {
    compare(meta(message, libc::NFT_META_NFPROTO), libc::NFT_CMP_EQ, &[libc::NFPROTO_IPV4 as u8])
}

/// Whether the address at this offset is, or is not, in the block.
fn within(message: Message, offset: u32, block: &Subnet, operator: i32) -> Message {
    let message = network_header(ipv4(message), offset);
    compare(bitwise(message, &block.mask().octets()), operator, &block.base().octets())
}

fn network_header(message: Message, offset: u32) -> Message {
    payload(message, libc::NFT_PAYLOAD_NETWORK_HEADER, offset, 4)
}

fn transport_header(message: Message, offset: u32, length: u32) -> Message {
    payload(message, libc::NFT_PAYLOAD_TRANSPORT_HEADER, offset, length)
}

fn payload(message: Message, base: i32, offset: u32, length: u32) -> Message {
    expression(message, "payload", |m| {
        m.network_number(1, REGISTER)
            .network_number(2, base as u32)
            .network_number(3, offset)
            .network_number(4, length)
    })
}

fn bitwise(message: Message, mask: &[u8]) -> Message {
    let nothing = vec![0; mask.len()];
    expression(message, "bitwise", |m| {
        m.network_number(1, REGISTER)
            .network_number(2, REGISTER)
            .network_number(3, mask.len() as u32)
            .nested(4, |m| m.attribute(DATA_VALUE, mask))
            .nested(5, |m| m.attribute(DATA_VALUE, &nothing))
    })
}

fn compare(message: Message, operator: i32, value: &[u8]) -> Message {
    expression(message, "cmp", |m| {
        m.network_number(1, REGISTER)
            .network_number(2, operator as u32)
            .nested(3, |m| m.attribute(DATA_VALUE, value))
    })
}

/// A whole name fills the register; a shorter comparison would match a prefix.
fn link_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    bytes
}
