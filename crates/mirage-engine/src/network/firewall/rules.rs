//! The rules, as values.

use std::net::Ipv4Addr;

use crate::network::addressing::{Plan, Subnet};

/// Port of the name service.
const DNS: u16 = 53;
/// Runs before the chains that iptables makes (0), so that what we refuse stays refused early.
const BEFORE_FILTER: i32 = -5;
/// Where source addresses are translated (`NF_IP_PRI_NAT_SRC`).
const SOURCE_NAT: i32 = 100;

/// What the kernel can do beyond matching packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ability {
    /// It remembers connections.
    pub(crate) conntrack: bool,
    /// It translates source addresses, so that instances reach the outside.
    pub(crate) masquerade: bool,
}

impl Ability {
    /// From everything to what any nf_tables can do.
    pub(crate) const DESCENDING: [Self; 3] = [
        Self { conntrack: true, masquerade: true },
        Self { conntrack: true, masquerade: false },
        Self { conntrack: false, masquerade: false },
    ];
}

/// A chain: a base chain where it has a hook, otherwise one to jump to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Name.
    pub(crate) name: &'static str,
    /// Where packets come from.
    pub(crate) hook: Option<Hook>,
    /// What happens to them.
    pub(crate) rules: Vec<Rule>,
}

/// Where a base chain sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    /// `filter` or `nat`.
    pub(crate) kind: &'static str,
    /// `NF_INET_*`.
    pub(crate) number: i32,
    /// Lower is earlier.
    pub(crate) priority: i32,
}

/// When everything matches, the verdict falls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// All of these.
    pub(crate) matches: Vec<Match>,
    /// Then this.
    pub(crate) verdict: Verdict,
}

/// Something a packet can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// Came in by this link.
    From(String),
    /// Came in by a link whose name starts so.
    FromAny(String),
    /// Goes out by this link.
    To(String),
    /// Goes out by a link whose name starts so.
    ToAny(String),
    /// Does not go out by a link whose name starts so.
    ToNone(String),
    /// Has an IPv4 source in this block.
    Source(Subnet),
    /// Has an IPv4 source outside this block.
    ForeignSource(Subnet),
    /// Has this IPv4 destination.
    Destination(Ipv4Addr),
    /// Has an IPv4 destination in this block.
    DestinationIn(Subnet),
    /// Is IPv6.
    Ipv6,
    /// Is of this transport protocol (`IPPROTO_*`).
    Transport(i32),
    /// Has this destination port; only after a transport protocol.
    Port(u16),
    /// Belongs to a connection that exists, or is an error about one.
    Established,
    /// Does not open a TCP connection; only after the transport protocol.
    NoOpening,
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Goes on, as far as this chain's hook is concerned.
    Accept,
    /// Ends here, without a word.
    Drop,
    /// Is judged by that chain.
    Jump(&'static str),
    /// Leaves with this machine's address.
    Masquerade,
}

/// What holds for the instances of these networks:
///
/// - to this machine: name service at the gateway, and answers; no other address, port or protocol,
///   so neither the API nor the proxy nor anything else that listens here;
/// - to another environment: nothing; within one: everything;
/// - to the outside: everything, with a source address of its own network only;
/// - from the outside: answers, and nothing to this machine's addresses in these networks, where the
///   name service listens; from this machine itself: everything (that is not forwarded);
/// - IPv6: nothing.
pub(crate) fn ruleset(plan: &Plan, networks: &[u16], ability: Ability) -> Vec<Chain> {
    let ours = || plan.bridge_prefix();
    let mut chains = vec![
        regular("to_host", to_host(plan, networks, ability)),
        regular("leaving", leaving(plan, networks)),
        regular("entering", entering(ability)),
        base(
            "input",
            libc::NF_INET_LOCAL_IN,
            vec![
                rule([Match::FromAny(ours())], Verdict::Jump("to_host")),
                rule([Match::From("lo".to_owned())], Verdict::Accept),
                rule([Match::DestinationIn(plan.base())], Verdict::Drop),
            ],
        ),
        base(
            "forward",
            libc::NF_INET_FORWARD,
            vec![
                rule([Match::FromAny(ours())], Verdict::Jump("leaving")),
                rule([Match::ToAny(ours())], Verdict::Jump("entering")),
            ],
        ),
    ];
    if ability.masquerade {
        let hook = Hook { kind: "nat", number: libc::NF_INET_POST_ROUTING, priority: SOURCE_NAT };
        let rules = vec![
            rule([Match::To("lo".to_owned())], Verdict::Accept),
            rule([Match::Source(plan.base()), Match::ToNone(ours())], Verdict::Masquerade),
        ];
        chains.push(Chain { name: "postrouting", hook: Some(hook), rules });
    }
    chains
}

fn to_host(plan: &Plan, networks: &[u16], ability: Ability) -> Vec<Rule> {
    let mut rules = vec![rule([Match::Ipv6], Verdict::Drop), answers(ability)];
    for network in networks {
        for transport in [libc::IPPROTO_UDP, libc::IPPROTO_TCP] {
            let matches = [
                Match::From(plan.bridge(*network)),
                Match::Destination(plan.gateway(*network)),
                Match::Transport(transport),
                Match::Port(DNS),
            ];
            rules.push(rule(matches, Verdict::Accept));
        }
    }
    rules.push(rule([], Verdict::Drop));
    rules
}

fn leaving(plan: &Plan, networks: &[u16]) -> Vec<Rule> {
    let mut rules = vec![rule([Match::Ipv6], Verdict::Drop)];
    for network in networks {
        let bridge = plan.bridge(*network);
        // Packets that stay on the bridge pass here only where `br_netfilter` is loaded.
        rules.push(rule([Match::From(bridge.clone()), Match::To(bridge.clone())], Verdict::Accept));
        let foreign = Match::ForeignSource(plan.subnet(*network));
        rules.push(rule([Match::From(bridge), foreign], Verdict::Drop));
    }
    rules.push(rule([Match::ToAny(plan.bridge_prefix())], Verdict::Drop));
    rules.push(rule([], Verdict::Accept));
    rules
}

fn entering(ability: Ability) -> Vec<Rule> {
    vec![rule([Match::Ipv6], Verdict::Drop), answers(ability), rule([], Verdict::Drop)]
}

/// Packets of connections that the other side was allowed to open. Without connection tracking only
/// TCP can tell, by its own flags.
fn answers(ability: Ability) -> Rule {
    match ability.conntrack {
        true => rule([Match::Established], Verdict::Accept),
        false => rule([Match::Transport(libc::IPPROTO_TCP), Match::NoOpening], Verdict::Accept),
    }
}

fn regular(name: &'static str, rules: Vec<Rule>) -> Chain {
    Chain { name, hook: None, rules }
}

fn base(name: &'static str, number: i32, rules: Vec<Rule>) -> Chain {
    Chain { name, hook: Some(Hook { kind: "filter", number, priority: BEFORE_FILTER }), rules }
}

pub(super) fn rule<const N: usize>(matches: [Match; N], verdict: Verdict) -> Rule {
    Rule { matches: matches.into(), verdict }
}
