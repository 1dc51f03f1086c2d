//! What `mirage doctor` says about the network.

use std::fs;

use super::link::Links;
use super::{Network, firewall, setup, sysctl};
use crate::finding::Finding;

impl Network {
    /// What this machine's kernel and its other tenants mean for the network of services.
    pub fn doctor(&self) -> Vec<Finding> {
        let mut findings = vec![self.block(), self.filter(), self.forwarding()];
        findings.extend(self.others());
        findings
    }

    fn block(&self) -> Finding {
        const SUBJECT: &str = "addresses";
        let base = self.plan.base();
        let Ok((routes, links)) = Links::open().and_then(|mut links| Ok((links.routes()?, links.list()?)))
        else {
            return Finding::warning(SUBJECT, "the routes of this machine cannot be read", "run as root");
        };
        let ours = |index: Option<u32>| {
            links.iter().any(|link| Some(link.index) == index && self.plan.network_of(&link.name).is_some())
        };
        let conflict = routes.iter().find(|route| {
            route.to.prefix() > 0
                && route.to.overlaps(&base)
                && !ours(route.link)
                && !(route.link.is_none() && route.to == base)
                && !self.own(route.to.base())
        });
        match conflict {
            None => Finding::good(SUBJECT, format!("services have addresses from `{base}`")),
            Some(route) => Finding::warning(
                SUBJECT,
                format!("a route to `{}` leads into the block of the services, `{base}`", route.to),
                "remove all services, then start with another block: `--network 10.230.0.0/16`",
            ),
        }
    }

    /// Routes to a bridge's own address are listed without being the bridge's.
    fn own(&self, address: std::net::Ipv4Addr) -> bool {
        self.lock().bridges.keys().any(|network| self.plan.subnet(*network).contains(address))
    }

    fn filter(&self) -> Finding {
        const SUBJECT: &str = "packet filter";
        if !self.ability.conntrack {
            return Finding::warning(
                SUBJECT,
                "the kernel tracks no connections; services cannot reach the outside, and only TCP reaches them",
                "load `nf_conntrack` and `nft_ct`: `modprobe nft_ct`",
            );
        }
        if !self.ability.masquerade {
            return Finding::warning(
                SUBJECT,
                "the kernel cannot translate addresses; services cannot reach the outside",
                "load `nft_masq`: `modprobe nft_masq`",
            );
        }
        if !firewall::foreign(&self.plan).is_ok_and(|rules| rules.own) {
            return Finding::warning(
                SUBJECT,
                "somebody removed the rules that keep services apart; they are put back within seconds",
                "if this lasts, look for a program that flushes the ruleset again and again",
            );
        }
        Finding::good(SUBJECT, "nf_tables with connection tracking and masquerade")
    }

    fn forwarding(&self) -> Finding {
        const SUBJECT: &str = "ip forwarding";
        match sysctl::get("net/ipv4/ip_forward").ok().flatten().as_deref() {
            Some("1") if setup::forwards_for_us(&self.run) => {
                Finding::good(SUBJECT, "on; Mirage switched it on and back off when it is removed")
            }
            Some("1") => Finding::good(SUBJECT, "on"),
            _ => Finding::warning(
                SUBJECT,
                "off; services cannot reach the outside",
                "somebody switched it off after Mirage started: `sysctl -w net.ipv4.ip_forward=1`",
            ),
        }
    }

    fn others(&self) -> Vec<Finding> {
        const SUBJECT: &str = "other firewalls";
        let Ok(foreign) = firewall::foreign(&self.plan) else {
            return vec![Finding::warning(SUBJECT, "the packet filter cannot be read", "run as root")];
        };
        let prefix = self.plan.bridge_prefix();
        let mut findings = Vec::new();
        if !foreign.refuse_forwarding.is_empty() && !foreign.docker_user {
            let chains = foreign.refuse_forwarding.join("`, `");
            findings.push(Finding::warning(
                SUBJECT,
                format!("`{chains}` refuses to forward; services may not reach the outside"),
                format!("accept links called `{prefix}*` there, in both directions"),
            ));
        }
        if !foreign.refuse_input.is_empty() {
            let chains = foreign.refuse_input.join("`, `");
            findings.push(Finding::warning(
                SUBJECT,
                format!("`{chains}` refuses input; services may not be able to resolve names"),
                format!("accept port 53 from links called `{prefix}*` there"),
            ));
        }
        if fs::read_to_string("/proc/thread-self/net/ip_tables_names")
            .is_ok_and(|names| names.contains("filter"))
        {
            findings.push(Finding::warning(
                SUBJECT,
                "rules of the old iptables are loaded, which Mirage neither sees nor changes",
                format!("make sure that they accept links called `{prefix}*`: `iptables-legacy -S FORWARD`"),
            ));
        }
        findings
    }
}
