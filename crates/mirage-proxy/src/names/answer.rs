//! What a name query is answered: pure, from bytes to bytes.

use std::collections::HashMap;
use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use mirage_core::Zone;

/// The suffix under which all names are the platform's own.
const SUFFIX: &[u8] = b"internal";

/// Seconds for which an answer may be kept: about as long as a rollout takes to notice.
const TTL: u32 = 2;

/// The most addresses in one answer, so that it fits into 512 bytes: any resolver can read it.
const MOST_V4: usize = 24;
const MOST_V6: usize = 14;

/// Bytes that fit into a datagram on any path (DNS flag day 2020).
const PAYLOAD: u16 = 1232;

/// The names of one environment.
pub(super) struct Records(HashMap<Vec<u8>, Vec<IpAddr>>);

/// What to do with a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Send this back.
    Reply(Vec<u8>),
    /// Let the host's resolvers answer.
    Forward,
    /// Say nothing: it is not a query.
    Ignore,
}

impl Records {
    pub(super) fn of(zone: &Zone) -> Self {
        let lower = |name: &str| name.to_ascii_lowercase().into_bytes();
        Self(zone.records.iter().map(|record| (lower(&record.name), record.addresses.clone())).collect())
    }
}

/// Decides about a query. `turn` moves the addresses around, so that clients that take the first
/// one spread out.
pub(super) fn answer(query: &[u8], records: &Records, turn: usize) -> Answer {
    let Some(header) = query.first_chunk::<12>() else { return Answer::Ignore };
    let is_response = header[2] & 0x80 != 0;
    if is_response {
        return Answer::Ignore;
    }
    let Ok(asked) = Message::from_vec(query) else {
        let id = u16::from_be_bytes([header[0], header[1]]);
        return encode(&Message::error_msg(id, OpCode::Query, ResponseCode::FormErr));
    };
    if asked.metadata.op_code != OpCode::Query {
        return encode(&respond(&asked, ResponseCode::NotImp));
    }
    let [question] = &asked.queries[..] else {
        return encode(&respond(&asked, ResponseCode::FormErr));
    };
    match owner(question, records) {
        Owner::Elsewhere => Answer::Forward,
        Owner::Nobody => encode(&respond(&asked, ResponseCode::NXDomain)),
        Owner::Zone(addresses) => {
            let mut reply = respond(&asked, ResponseCode::NoError);
            reply.metadata.authoritative = true;
            reply.answers = rotated(question, addresses, turn);
            encode(&reply)
        }
    }
}

/// An answer of this server that only carries a code.
pub(super) fn failure(query: &[u8], code: ResponseCode) -> Vec<u8> {
    let reply = match Message::from_vec(query) {
        Ok(asked) => respond(&asked, code),
        Err(_) => Message::error_msg(0, OpCode::Query, ResponseCode::FormErr),
    };
    reply.to_vec().unwrap_or_default()
}

enum Owner<'a> {
    /// A service of the environment, or the suffix itself.
    Zone(&'a [IpAddr]),
    /// One of our names that nobody has.
    Nobody,
    /// A name of the outside.
    Elsewhere,
}

/// `<service>` and `<service>.internal` are ours, and so is everything else that has no dot or ends
/// in `.internal`: it must not leak to the outside.
fn owner<'a>(question: &Query, records: &'a Records) -> Owner<'a> {
    let labels: Vec<Vec<u8>> = question.name().iter().map(<[u8]>::to_ascii_lowercase).collect();
    let service = match &labels[..] {
        [] => return Owner::Elsewhere,
        [suffix] if suffix == SUFFIX => return Owner::Zone(&[]),
        [service] => service,
        [service, suffix] if suffix == SUFFIX => service,
        [.., suffix] if suffix == SUFFIX => return Owner::Nobody,
        _ => return Owner::Elsewhere,
    };
    match records.0.get(service) {
        Some(addresses) if question.query_class() == DNSClass::IN => Owner::Zone(addresses),
        Some(_) => Owner::Zone(&[]),
        None => Owner::Nobody,
    }
}

fn rotated(question: &Query, addresses: &[IpAddr], turn: usize) -> Vec<Record> {
    let name = question.name();
    let mut answers: Vec<Record> = match question.query_type() {
        RecordType::A => records(name, addresses.iter().filter(|address| address.is_ipv4()), turn),
        RecordType::AAAA => records(name, addresses.iter().filter(|address| address.is_ipv6()), turn),
        _ => Vec::new(),
    };
    answers.truncate(if question.query_type() == RecordType::A { MOST_V4 } else { MOST_V6 });
    answers
}

fn records<'a>(name: &Name, addresses: impl Iterator<Item = &'a IpAddr>, turn: usize) -> Vec<Record> {
    let record = |address: &IpAddr| {
        let data = match address {
            IpAddr::V4(address) => RData::A((*address).into()),
            IpAddr::V6(address) => RData::AAAA((*address).into()),
        };
        Record::from_rdata(name.clone(), TTL, data)
    };
    let mut records: Vec<Record> = addresses.map(record).collect();
    if !records.is_empty() {
        let count = records.len();
        records.rotate_left(turn % count);
    }
    records
}

fn respond(asked: &Message, code: ResponseCode) -> Message {
    let mut reply = Message::new(asked.metadata.id, MessageType::Response, asked.metadata.op_code);
    reply.metadata.recursion_desired = asked.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.response_code = code;
    reply.queries = asked.queries.iter().take(1).cloned().collect();
    if asked.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        reply.set_edns(edns);
    }
    reply
}

fn encode(reply: &Message) -> Answer {
    match reply.to_vec() {
        Ok(bytes) => Answer::Reply(bytes),
        Err(error) => {
            tracing::debug!(%error, "cannot encode an answer");
            Answer::Ignore
        }
    }
}

#[cfg(test)]
mod tests;
