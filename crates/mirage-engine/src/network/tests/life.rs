//! The network through restarts, firewalls of others, and to its end.

use super::*;

#[test]
fn docker_is_told_to_let_our_bridges_pass_once_and_until_the_end() {
    on_a_machine("docker_is_told_to_let_our_bridges_pass_once_and_until_the_end", || {
        nft(&["add table ip filter; add chain ip filter DOCKER-USER;
               add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; };
               add rule ip filter FORWARD jump DOCKER-USER"]);
        let before = nft(&["list", "table", "ip", "filter"]);
        let mut machine = Machine::new();
        machine.restart();
        let rules = nft(&["list", "chain", "ip", "filter", "DOCKER-USER"]);
        let prefix = machine.network.plan.bridge_prefix();
        for direction in ["iifname", "oifname"] {
            assert_eq!(rules.matches(&format!("{direction} \"{prefix}*\" accept")).count(), 1, "{rules}");
        }
        machine.network.teardown().unwrap();
        assert_eq!(nft(&["list", "table", "ip", "filter"]), before);
    });
}

#[test]
fn a_firewall_that_refuses_is_reported() {
    on_a_machine("a_firewall_that_refuses_is_reported", || {
        let machine = Machine::new();
        let worst = |network: &Network| network.doctor().iter().map(|finding| finding.level).max();
        assert_eq!(worst(&machine.network), Some(crate::Level::Good));
        nft(&["add table inet fence"]);
        nft(&["add chain inet fence in { type filter hook input priority 0; policy drop; }"]);
        nft(&["add chain inet fence through { type filter hook forward priority 0; policy drop; }"]);
        let messages: Vec<_> = machine.network.doctor().into_iter().map(|finding| finding.message).collect();
        let said = messages.join("\n");
        assert!(
            said.contains("`fence/in` refuses input") && said.contains("`fence/through` refuses to forward"),
            "{said}"
        );
        machine.network.teardown().unwrap();
    });
}

#[test]
fn rules_that_somebody_flushed_are_put_back() {
    on_a_machine("rules_that_somebody_flushed_are_put_back", || {
        let machine = Machine::new();
        let [web, stranger] = [machine.attach(1, 3), machine.attach(2, 4)];
        let listener = web.listen();
        let to = web.attachment.address;
        assert!(!machine.network.mend().unwrap(), "nothing is to be done");
        nft(&["flush", "ruleset"]);
        assert!(stranger.reaches(to, port(&listener), PATIENCE), "nobody keeps them apart");
        let filter =
            |finding: &Finding| finding.subject == "packet filter" && finding.level == Level::Warning;
        assert!(machine.network.doctor().iter().any(filter));
        assert!(machine.network.mend().unwrap());
        assert!(!stranger.reaches(to, port(&listener), SILENCE));
        assert!(!machine.network.doctor().iter().any(filter));
    });
}

#[test]
fn a_killed_process_leaves_what_its_successor_takes_up() {
    on_a_machine("a_killed_process_leaves_what_its_successor_takes_up", || {
        let mut machine = Machine::new();
        let [web, gone] = [machine.attach(1, 3), machine.attach(2, 4)];
        let listener = web.listen();
        let run = machine.config.run.clone();
        std::fs::write(run.join("leases").join(instance(9).to_string()), "{\"netw").unwrap();
        std::fs::write(run.join("netns/fffe"), "").unwrap();
        ip(&format!("link add {} type bridge", machine.network.plan.bridge(9)));
        machine.restart();

        assert_eq!(machine.network.attach(instance(1), 3).unwrap(), web.attachment);
        let to = SocketAddr::new(web.attachment.address.into(), port(&listener));
        TcpStream::connect_timeout(&to, PATIENCE).unwrap();
        machine.network.adopt(&HashSet::from([instance(1)])).unwrap();
        assert_eq!(machine.network.address(instance(2)), None);
        assert!(!gone.attachment.namespace.exists());
        let links = ip("-o link");
        assert_eq!(
            links.matches(&machine.network.plan.bridge_prefix()).count(),
            2,
            "bridge and port: {links}"
        );
        machine.network.teardown().unwrap();
    });
}

#[test]
fn after_the_teardown_nothing_is_left() {
    on_a_machine("after_the_teardown_nothing_is_left", || {
        let state =
            || (ip("-o link"), nft(&["list", "ruleset"]), sysctl::get("net/ipv4/ip_forward").unwrap());
        ip("link set lo up");
        ip("link add uplink type bridge");
        ip("addr add 192.0.2.10/24 dev uplink");
        ip("link set uplink up");
        let before = state();
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let config = NetworkConfig { node: "0badcafe".into(), run: run.clone(), subnet: None, pool: 3 };
        let network = Network::open(&config).unwrap();
        for id in 1..=5 {
            network.attach(instance(id), u16::from(id % 2)).unwrap();
        }
        network.release(instance(1)).unwrap();
        network.teardown().unwrap();
        assert_eq!(state(), before);
        assert_eq!(std::fs::read_dir(&run).unwrap().count(), 0);
        let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        assert!(!mounts.contains(run.to_str().unwrap()));
    });
}

#[test]
fn a_block_that_a_route_leads_into_is_not_chosen() {
    on_a_machine("a_block_that_a_route_leads_into_is_not_chosen", || {
        ip("link add vpn type bridge");
        ip("link set vpn up");
        ip("route add 10.208.0.0/14 dev vpn");
        let machine = Machine::new();
        assert_eq!(machine.network.subnet().to_string(), "10.212.0.0/16");
        machine.network.teardown().unwrap();
    });
}

#[test]
fn rules_for_as_many_environments_as_there_is_room_for_are_one_transaction() {
    on_a_machine("rules_for_as_many_environments_as_there_is_room_for_are_one_transaction", || {
        let plan = Plan::new("c0de", "10.210.0.0/16".parse().unwrap()).unwrap();
        let networks: Vec<u16> = (0..=plan.last_network()).collect();
        firewall::apply(&plan, &networks).unwrap();
        firewall::apply(&plan, &networks).unwrap();
        assert!(
            nft(&["list", "ruleset"]).contains("\"mirc0de-255\" ip daddr 10.210.255.1 udp dport 53 accept")
        );
        firewall::remove(&plan).unwrap();
        firewall::remove(&plan).unwrap();
        assert_eq!(nft(&["list", "ruleset"]), "");
    });
}

#[test]
fn an_address_is_not_given_out_again_at_once_and_runs_out_politely() {
    let plan = Plan::new("c0de", "10.210.0.0/16".parse().unwrap()).unwrap();
    let mut state = State::default();
    let take = |state: &mut State, id: u8| {
        let address = state.free_address(&plan, 0)?;
        state.leases.insert(instance(id), Lease { network: 0, address, slot: u16::from(id) });
        Some(address)
    };
    let first = take(&mut state, 0).unwrap();
    state.leases.clear();
    assert_ne!(take(&mut state, 0), Some(first));
    for id in 1..=252 {
        assert!(take(&mut state, id).is_some(), "{id}");
    }
    assert_eq!(take(&mut state, 253), None);
}

#[test]
fn an_address_is_not_given_out_again_at_once_although_control_was_killed() {
    on_a_machine("an_address_is_not_given_out_again_at_once_although_control_was_killed", || {
        let mut machine = Machine::new();
        let first = machine.attach(1, 3).attachment.address;
        machine.network.release(instance(1)).unwrap();
        machine.restart();
        assert_ne!(machine.attach(2, 3).attachment.address, first);
        machine.network.teardown().unwrap();
    });
}

#[test]
fn one_hundred_at_once_all_get_a_place_of_their_own() {
    on_a_machine("one_hundred_at_once_all_get_a_place_of_their_own", || {
        let machine = Machine::new();
        let started = std::time::Instant::now();
        let network = &machine.network;
        let addresses: HashSet<Ipv4Addr> = thread::scope(|scope| {
            let attach = |worker: u8| {
                move || {
                    let ids = (worker * 25)..(worker * 25 + 25);
                    ids.map(|id| network.attach(instance(id), 7).unwrap().address).collect::<Vec<_>>()
                }
            };
            let workers: Vec<_> = (0..4).map(|worker| scope.spawn(attach(worker))).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        eprintln!("100 places in {:?}", started.elapsed());
        assert_eq!(addresses.len(), 100);
        machine.network.pool.filled();
        let (mut attach, mut release) = (Vec::new(), Vec::new());
        for id in 100..120 {
            machine.network.pool.filled();
            let started = std::time::Instant::now();
            machine.network.attach(instance(id), 7).unwrap();
            attach.push(started.elapsed());
            let started = std::time::Instant::now();
            machine.network.release(instance(id)).unwrap();
            release.push(started.elapsed());
        }
        attach.sort();
        release.sort();
        eprintln!("from the pool: attach {:?}, release {:?} (medians)", attach[10], release[10]);
        let started = std::time::Instant::now();
        machine.network.teardown().unwrap();
        eprintln!("teardown of 100: {:?}", started.elapsed());
    });
}
