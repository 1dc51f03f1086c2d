use std::str::FromStr;

use mirage_core::NameRecord;

use super::*;

fn records() -> Records {
    let record = |name: &str, addresses: &[&str]| NameRecord {
        name: name.to_owned(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    };
    let many: Vec<String> = (1..=200).map(|last| format!("10.9.0.{last}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    Records::of(&Zone {
        resolver: "10.1.0.1".parse().unwrap(),
        records: vec![
            record("web", &["10.1.0.2", "10.1.0.3", "10.1.0.4"]),
            record("db", &[]),
            record("both", &["10.1.0.9", "fd00::9"]),
            record("many", &many),
        ],
    })
}

fn query(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_str(name).unwrap(), kind));
    message.to_vec().unwrap()
}

fn reply(query: &[u8], turn: usize) -> Message {
    match answer(query, &records(), turn) {
        Answer::Reply(bytes) => {
            assert!(bytes.len() <= 512);
            Message::from_vec(&bytes).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn addresses(reply: &Message) -> Vec<String> {
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

#[test]
fn a_service_is_known_by_its_name_and_under_internal() {
    for name in ["web", "web.", "WEB.internal.", "web.Internal"] {
        let reply = reply(&query(name, RecordType::A), 0);
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{name}");
        assert_eq!(reply.metadata.id, 0x1234);
        assert!(reply.metadata.authoritative && reply.metadata.recursion_available);
        assert_eq!(addresses(&reply), ["10.1.0.2", "10.1.0.3", "10.1.0.4"], "{name}");
        assert!(reply.answers.iter().all(|record| record.ttl <= 5));
    }
}

#[test]
fn each_answer_starts_with_another_instance() {
    let first = |turn| addresses(&reply(&query("web", RecordType::A), turn))[0].clone();
    assert_eq!([0, 1, 2, 3].map(first), ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.2"]);
}

#[test]
fn a_name_without_such_a_record_exists_but_has_no_answer() {
    for (name, kind) in [
        ("web", RecordType::AAAA),
        ("db", RecordType::A),
        ("web", RecordType::MX),
        ("internal", RecordType::A),
    ] {
        let reply = reply(&query(name, kind), 0);
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{name} {kind}");
        assert!(reply.answers.is_empty());
    }
    assert_eq!(addresses(&reply(&query("both", RecordType::AAAA), 0)), ["fd00::9"]);
}

#[test]
fn an_unknown_name_of_ours_does_not_exist_and_never_leaves_the_machine() {
    for name in ["nope", "nope.internal", "web.production.internal", "_http._tcp.web.internal"] {
        assert_eq!(
            reply(&query(name, RecordType::A), 0).metadata.response_code,
            ResponseCode::NXDomain,
            "{name}"
        );
    }
}

#[test]
fn names_of_the_outside_are_forwarded() {
    for name in ["example.com", "web.internal.example.com", "1.0.0.127.in-addr.arpa", "."] {
        assert_eq!(answer(&query(name, RecordType::A), &records(), 0), Answer::Forward, "{name}");
    }
}

#[test]
fn two_hundred_instances_still_fit_into_a_datagram() {
    assert_eq!(reply(&query("many", RecordType::A), 150).answers.len(), MOST_V4);
}

#[test]
fn edns_is_answered_with_edns() {
    let mut asked = Message::from_vec(&query("web", RecordType::A)).unwrap();
    asked.set_edns(Edns::new());
    let reply = reply(&asked.to_vec().unwrap(), 0);
    assert_eq!(reply.edns.map(|edns| edns.max_payload()), Some(PAYLOAD));
}

#[test]
fn what_is_not_a_question_is_refused_or_ignored() {
    assert_eq!(answer(b"", &records(), 0), Answer::Ignore);
    assert_eq!(answer(&[0; 11], &records(), 0), Answer::Ignore);
    let mut response = query("web", RecordType::A);
    response[2] |= 0x80;
    assert_eq!(answer(&response, &records(), 0), Answer::Ignore);

    let mut cut = query("web", RecordType::A);
    cut.truncate(14);
    assert_eq!(reply(&cut, 0).metadata.response_code, ResponseCode::FormErr);
    let none = Message::new(1, MessageType::Query, OpCode::Query).to_vec().unwrap();
    assert_eq!(reply(&none, 0).metadata.response_code, ResponseCode::FormErr);
    let status = Message::new(1, MessageType::Query, OpCode::Status).to_vec().unwrap();
    assert_eq!(reply(&status, 0).metadata.response_code, ResponseCode::NotImp);
}

#[test]
fn no_bytes_make_it_fail() {
    let base = query("web.internal", RecordType::A);
    for position in 0..base.len() {
        for value in [0, 1, 0x3f, 0x40, 0x7f, 0xc0, 0xff] {
            let mut bent = base.clone();
            bent[position] = value;
            let _ = answer(&bent, &records(), position);
        }
    }
}
