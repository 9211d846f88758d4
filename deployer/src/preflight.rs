//! Preflight: whether a node can carry its roles at all. Pure; asked before the first change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use crate::component::{self, Component, Context, Reach, Unfit};
use crate::facts::{DiskFact, Facts, System};
use crate::machine::{Access, Machine};
use crate::packet_filter::{Filters, Packet};
use crate::topology::{Node, Topology};

/// What the agent binaries ask of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentNeeds {
    /// `uname -m` of the machine they were built for.
    pub architecture: String,
    /// The newest glibc symbol version in them, such as `2.34`.
    pub libc: String,
}

/// Why a node cannot do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The node.
    pub node: String,
    /// What is wrong, with figures.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; {}", self.node, self.what, self.hint)
    }
}

/// Clocks further apart than this make timestamps and leases lie.
pub const MAX_CLOCK_SKEW_MS: i64 = 5_000;

/// What a node needs below `/var/lib` beside what its components do, in MiB.
const SYSTEM_DISK_MIB: u64 = 300;
/// What our own binaries need below `/opt`, in MiB.
const AGENTS_MIB: u64 = 150;

/// All reasons why this node cannot carry its roles. Only where `agents` are given are they put there.
pub fn obstacles(
    node: &Node,
    system: &System,
    agents: Option<&AgentNeeds>,
    context: &Context<'_>,
) -> Vec<Obstacle> {
    let components: Vec<_> = component::of_node(node, context.topology).collect();
    let disks = components.iter().map(|component| component.disk());
    let mut found = Vec::new();
    let mut obstacle = |what: String, hint: &str| {
        found.push(Obstacle {
            node: node.name.clone(),
            what,
            hint: hint.into(),
        });
    };
    if !supported(&system.os, &system.version) {
        obstacle(
            format!("runs {} {}", system.os, system.version),
            "use Debian 11, 12, 13 or Ubuntu 20.04, 22.04, 24.04",
        );
    }
    if let Some(agents) = agents.filter(|agents| system.architecture != agents.architecture) {
        obstacle(
            format!(
                "is {}, the agent binaries are for {}",
                system.architecture, agents.architecture
            ),
            "build them for it by `deployer build-agents --target ...` and pass their directory with --agents",
        );
    }
    if let Some(agents) = agents.filter(|agents| version(&system.libc) < version(&agents.libc)) {
        obstacle(
            format!(
                "has glibc {}, the agent binaries need {}",
                system.libc, agents.libc
            ),
            "build them for every release by `deployer build-agents`",
        );
    }
    if system.foreign_init {
        obstacle(
            "is not run by systemd: process 1 is another".into(),
            "use a machine on which systemd runs services",
        );
    }
    // A machine sold as 2 GB shows some less: firmware and kernel take their part.
    if system.memory_mib * 100 < node.memory_mib * 85 {
        obstacle(
            format!(
                "has {} MiB of memory, its roles are laid out for {}",
                system.memory_mib, node.memory_mib
            ),
            "lower heap_mib, set the node's memory_mib, or use a larger machine",
        );
    }
    let needed = SYSTEM_DISK_MIB + disks.clone().map(|disk| disk.data).sum::<u64>();
    if system.disk_free_mib < needed {
        obstacle(
            format!(
                "has {} MiB free below /var/lib, its roles need {needed}",
                system.disk_free_mib
            ),
            "free some space",
        );
    }
    let own = agents.map_or(0, |_| AGENTS_MIB);
    let needed = own + disks.map(|disk| disk.software).sum::<u64>();
    if system.software_free_mib.is_some_and(|free| free < needed) {
        obstacle(
            format!(
                "has {} MiB free below /opt, its software needs {needed}",
                system.software_free_mib.unwrap_or_default()
            ),
            "free some space, or make /opt a link to a larger disk",
        );
    }
    if needed > 0 && system.software_noexec {
        obstacle(
            "nothing can be executed below /opt: it is mounted with `noexec`".into(),
            "`mount -o remount,exec` where /opt lies, or make /opt a link to another disk",
        );
    }
    if !system.unwritable.is_empty() {
        obstacle(
            format!("not even root can write {}", system.unwritable.join(", ")),
            "is it immutable (`lsattr -d`; `chattr -i`, `chattr -a`), or mounted read-only (`mount -o remount,rw`)?",
        );
    }
    if system.clock_skew_ms.abs() > MAX_CLOCK_SKEW_MS {
        let seconds = system.clock_skew_ms.abs() / 1000;
        let direction = if system.clock_skew_ms > 0 {
            "ahead of"
        } else {
            "behind"
        };
        obstacle(
            format!("its clock is {seconds} s {direction} this box's"),
            "set both clocks (chrony, systemd-timesyncd)",
        );
    }
    for component in components {
        for Unfit { what, hint } in component.unfit(system, context) {
            obstacle(what, &hint);
        }
    }
    found
}

/// The file systems of a node's data that are full.
pub fn full_disks(node: &Node, facts: &Facts) -> Vec<Obstacle> {
    let full: BTreeSet<String> = facts.disks.values().filter_map(DiskFact::full).collect();
    full.into_iter()
        .map(|what| Obstacle {
            node: node.name.clone(),
            what,
            hint: "free some space there, or give it a larger disk".into(),
        })
        .collect()
}

/// The names of the components that those of a node open connections to.
fn called_by(node: &Node, topology: &Topology) -> BTreeSet<&'static str> {
    component::of_node(node, topology)
        .flat_map(Component::calls)
        .copied()
        .collect()
}

/// The ports of a node that other nodes open connections to, with those nodes.
pub fn ways_in<'a>(node: &Node, topology: &'a Topology) -> BTreeMap<u16, Vec<&'a Node>> {
    let mut ways: BTreeMap<u16, Vec<&Node>> = BTreeMap::new();
    for component in component::of_node(node, topology) {
        let ports = component.ports(node, topology).into_iter();
        for port in ports.filter(|port| port.reach == Reach::Members) {
            let callers = topology.nodes.values().filter(|other| {
                other.name != node.name && called_by(other, topology).contains(component.name())
            });
            ways.entry(port.number).or_default().extend(callers);
        }
    }
    ways
}

/// All nodes that have no way to another one that they need. `machines` are those that are there already.
pub fn lost_ways(topology: &Topology, machines: &BTreeMap<String, Machine>) -> Vec<Obstacle> {
    let mut found = Vec::new();
    for node in topology.nodes.values() {
        let called = called_by(node, topology);
        let others = topology.nodes.values().filter(|other| {
            let mut there = component::of_node(other, topology);
            other.name != node.name && there.any(|component| called.contains(component.name()))
        });
        for other in others {
            let Some(unseen) = unseen(node, other, machines) else {
                continue;
            };
            let what = if unseen.name == node.name {
                format!(
                    "{} does not let it in: it has no address that {0} sees",
                    other.name
                )
            } else {
                format!("has no way to {}", other.name)
            };
            found.push(Obstacle {
                node: node.name.clone(),
                what,
                hint: way_to(unseen),
            });
        }
    }
    found
}

/// Ports of a node that packet filters which are not ours (`table` is) close to other nodes that need them. `ways` are the ports
/// with these, and their addresses as the node sees them.
pub fn closed_ports(
    node: &str,
    filters: &[String; 3],
    table: &str,
    ways: &BTreeMap<u16, BTreeMap<String, IpAddr>>,
) -> Vec<Obstacle> {
    let [nft, iptables, ip6tables] = filters;
    let mut filters = Filters::read(nft, iptables, ip6tables);
    filters.chains.retain(|chain| chain.table != table);
    let mut closed: BTreeMap<String, (BTreeSet<u16>, BTreeSet<String>)> = BTreeMap::new();
    for (port, sources) in ways {
        for (other, address) in sources {
            let packet = Packet {
                port: Some(*port),
                from: Some(*address),
                input: None,
                output: None,
                new: true,
            };
            for chain in filters.dropping("input", packet) {
                let (ports, others) = closed.entry(chain.words()).or_default();
                ports.insert(*port);
                others.insert(format!("{other} ({address})"));
            }
        }
    }
    let obstacles = closed.into_iter().map(|(chain, (ports, others))| {
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        let others: Vec<String> = others.into_iter().collect();
        Obstacle {
            node: node.into(),
            what: format!(
                "its packet filter ({chain}) drops what {} send to its ports {}",
                others.join(", "),
                ports.join(", ")
            ),
            hint: "let them in there".into(),
        }
    });
    obstacles.collect()
}

/// Nodes that others would take for another node, or for themselves: several at one address, or one at an address that means
/// "here" to everybody.
pub fn mistaken_addresses(machines: &BTreeMap<String, Machine>) -> Vec<Obstacle> {
    let hint = "give each of them a `private_address` at which the others reach it";
    let mut found = Vec::new();
    for (index, one) in machines.values().enumerate() {
        let others = machines.values().filter(|other| other.node != one.node);
        let loopback = others.clone().find_map(|other| {
            let address = one.address_seen_from(other)?;
            let same = other.access == Access::Here && one.access == Access::Here;
            (address.is_loopback() && !same).then_some((address, other))
        });
        let shared = machines.values().take(index).find_map(|before| {
            let mut viewers = others.clone().filter(|viewer| viewer.node != before.node);
            let (there, here) = (before.address_seen_from(one), one.address_seen_from(before));
            let between = there.filter(|_| there == here);
            let address = between.or_else(|| {
                viewers.find_map(|viewer| {
                    let address = one.address_seen_from(viewer)?;
                    (before.address_seen_from(viewer) == Some(address)).then_some(address)
                })
            });
            let same = before.access == Access::Here && one.access == Access::Here;
            address.filter(|_| !same).map(|address| (address, before))
        });
        let what = match (shared, loopback) {
            (Some((address, before)), _) => {
                format!("has the address {address}, and so has {}", before.node)
            }
            (None, Some((address, other))) => format!(
                "has the address {address}, by which {} would reach itself",
                other.node
            ),
            (None, None) => continue,
        };
        found.push(Obstacle {
            node: one.node.clone(),
            what,
            hint: hint.into(),
        });
    }
    found
}

/// Nodes that are one machine under several names.
pub fn same_machines<'a>(
    identities: impl Iterator<Item = (&'a String, &'a String)>,
) -> Vec<Obstacle> {
    let mut known: BTreeMap<&String, &String> = BTreeMap::new();
    let mut found = Vec::new();
    for (node, identity) in identities.filter(|(_, identity)| !identity.is_empty()) {
        if let Some(other) = known.get(identity) {
            found.push(Obstacle {
                node: node.clone(),
                what: format!("is the same machine as {other}"),
                hint: "a host carries one node, which may have several roles: name another host, or join the two".into(),
            });
        } else {
            known.insert(identity, node);
        }
    }
    found
}

/// What gives others a way to a node.
fn way_to(node: &Node) -> String {
    (node.cloud.kind().way_to)(&node.name)
}

/// Of two nodes that must talk, the one whose address the other does not know though it needs it. A firewall of ours on a host of the
/// user's asks for the caller's address, too.
fn unseen<'a>(
    node: &'a Node,
    other: &'a Node,
    machines: &BTreeMap<String, Machine>,
) -> Option<&'a Node> {
    let there = (machines.get(&node.name), machines.get(&other.name));
    if let (Some(from), Some(to)) = there {
        if to.address_seen_from(from).is_none() {
            return Some(other);
        }
        let asked = other.cloud.is_of_the_user() && from.address_seen_from(to).is_none();
        return asked.then_some(node);
    }
    // One is still to be made: if by this box, then in a network inside it.
    let elsewhere = |node: &Node| matches!(node.access, Some(Access::Ssh(_)));
    let inside = |node: &Node| node.cloud.is_of_this_box();
    if elsewhere(node) && inside(other) {
        return Some(other);
    }
    (inside(node) && elsewhere(other)).then_some(node)
}

fn supported(os: &str, release: &str) -> bool {
    matches!(
        (os, release),
        ("debian", "11" | "12" | "13") | ("ubuntu", "20.04" | "22.04" | "24.04")
    )
}

/// `2.36` → `[2, 36]`: compares as versions do.
fn version(text: &str) -> Vec<u32> {
    text.split('.')
        .map(|part| part.parse().unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{
        AgentNeeds, Obstacle, closed_ports, lost_ways, mistaken_addresses, obstacles, same_machines,
    };
    use crate::component::Context;
    use crate::component::couchdb::package::none_for;
    use crate::component::repository_key::of_makers;
    use crate::facts::System;
    use crate::layout;
    use crate::machine::{Access, Machine, SshAccess};
    use crate::receipt::{Receipt, Secrets};
    use crate::topology::{CloudName, Ids, Node, Options, Topology};

    fn node(roles: &[&str]) -> Node {
        Node {
            name: "vm2".into(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            cloud: CloudName::EXISTING,
            memory_mib: 2048,
            broker_id: None,
            producer: None,
            access: None,
            private_address: None,
            public_address: None,
        }
    }

    fn good() -> System {
        System {
            os: "debian".into(),
            version: "12".into(),
            codename: "bookworm".into(),
            architecture: "x86_64".into(),
            libc: "2.36".into(),
            foreign_init: false,
            filters: <[String; 3]>::default(),
            memory_mib: 1_960,
            disk_free_mib: 10_000,
            software_free_mib: Some(10_000),
            software_noexec: false,
            unwritable: Vec::new(),
            closed: std::collections::BTreeMap::new(),
            clock_skew_ms: 12,
        }
    }

    #[test]
    fn nodes_without_a_way_to_each_other_are_found() {
        let text = "name: t\nnodes:\n  vm1: { roles: [producer], cloud: existing }\n  vm2: { roles: [zookeeper, kafka] }\n\
                    kafka: { replication: 1 }\nclouds: { existing: { hosts: { vm1: { address: ADDRESS } } } }\n";
        let ways = |address: &str, machines: &[Machine]| {
            let text = text.replace("ADDRESS", address);
            let inventory = layout::parse(text.as_bytes(), "t.yaml").expect("an inventory");
            let topology = Topology::new(&inventory, &Options::default(), &Ids::default());
            let machines = machines.iter().map(|m| (m.node.clone(), m.clone()));
            let found = lost_ways(&topology.expect("a topology").0, &machines.collect());
            let told: Vec<String> = found.iter().map(ToString::to_string).collect();
            told.join("\n")
        };
        let machine = |node: &str, network: &str, public: Option<IpAddr>| Machine {
            node: node.into(),
            id: node.into(),
            access: Access::Here,
            networks: [(network.to_owned(), [10, 0, 0, 1].into())].into(),
            public,
        };
        let public = Some([192, 0, 2, 1].into());
        let vm1 = machine("vm1", "theirs", public);
        // Who has no address is named, whoever asks.
        let inside = "vm1: has no way to vm2; vm2 is a machine of the cloud `local`, reached from this box alone, which is \
                      `address: self`";
        assert_eq!(ways("192.0.2.1", &[]), inside);
        assert_eq!(ways("192.0.2.1", std::slice::from_ref(&vm1)), inside);
        assert_eq!(ways("self", &[]), "");
        assert_eq!(
            ways("192.0.2.1", &[vm1.clone(), machine("vm2", "ours", None)]),
            inside
        );
        assert_eq!(
            ways("192.0.2.1", &[vm1.clone(), machine("vm2", "ours", public)]),
            ""
        );
        assert_eq!(ways("self", &[vm1, machine("vm2", "theirs", None)]), "");
    }

    #[test]
    fn a_host_that_the_others_do_not_see_is_the_one_that_needs_an_address() {
        let text = "name: t\nnodes:\n  vm1: { roles: [producer], cloud: aws }\n  vm2: { roles: [zookeeper, kafka], cloud: existing }\n\
                    kafka: { replication: 1 }\nclouds: { aws: { region: eu-central-1 }, existing: { hosts: { vm2: { address: 10.0.0.2 } } } }\n";
        let inventory = layout::parse(text.as_bytes(), "t.yaml").expect("an inventory");
        let topology = Topology::new(&inventory, &Options::default(), &Ids::default());
        let topology = topology.expect("a topology").0;
        let machine = |node: &str, public: Option<IpAddr>| {
            let networks = [(node.to_owned(), [10, 0, 0, 1].into())].into();
            let (node, access, id) = (node.to_owned(), Access::Here, node.to_owned());
            (
                node.clone(),
                Machine {
                    node,
                    id,
                    access,
                    networks,
                    public,
                },
            )
        };
        let told = |vm1: Option<IpAddr>, vm2: Option<IpAddr>| {
            let found = lost_ways(
                &topology,
                &[machine("vm1", vm1), machine("vm2", vm2)].into(),
            );
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let seen = Some([192, 0, 2, 1].into());
        assert_eq!(
            told(seen, None),
            [
                "vm1: has no way to vm2; give vm2 a `private_address` or a `public_address` in clouds.existing.hosts"
            ]
        );
        assert_eq!(
            told(None, seen),
            [
                "vm1: vm2 does not let it in: it has no address that vm2 sees; let vm1 have a public address: \
              `clouds: { aws: { public_ip: true } }`"
            ]
        );
        assert!(told(seen, seen).is_empty());
    }

    #[test]
    fn one_address_for_several_nodes_is_found_however_it_is_seen() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let nodes = |all: &[(&str, &str, &str)]| {
            let machine = |(node, public, private): &(&str, &str, &str)| {
                let private = Some(*private).filter(|address| !address.is_empty());
                let machine = Machine {
                    node: (*node).into(),
                    id: (*node).into(),
                    access: Access::Ssh(SshAccess {
                        address: (*public).into(),
                        user: None,
                        port: None,
                        key: None,
                        host_key: None,
                        jump: None,
                    }),
                    networks: private
                        .map(|address| ("existing".to_owned(), ip(address)))
                        .into_iter()
                        .collect(),
                    public: Some(*public).filter(|_| private.is_none()).map(ip),
                };
                ((*node).to_owned(), machine)
            };
            let found = mistaken_addresses(&all.iter().map(machine).collect());
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            lines.join("\n")
        };
        let (here, nat) = ("127.0.0.1", "192.0.2.1");
        // N1b: each has an address of its own for the others.
        let apart = nodes(&[
            ("a", here, "10.0.0.1"),
            ("b", here, "10.0.0.2"),
            ("c", here, "10.0.0.3"),
        ]);
        assert_eq!(apart, "");
        assert_eq!(nodes(&[("a", here, "")]), "", "nobody else is there");
        assert_eq!(nodes(&[("a", "192.0.2.1", ""), ("b", "192.0.2.2", "")]), "");
        for (wrong, words) in [
            (
                nodes(&[("a", here, ""), ("b", here, "")]),
                "b: has the address 127.0.0.1, and so has a",
            ),
            (
                nodes(&[("a", nat, ""), ("b", nat, "")]),
                "b: has the address 192.0.2.1, and so has a",
            ),
            (
                nodes(&[("a", nat, ""), ("b", nat, ""), ("c", "192.0.2.9", "")]),
                "and so has a",
            ),
            (
                nodes(&[("a", here, "10.0.0.1"), ("b", here, "10.0.0.1")]),
                "b: has the address 10.0.0.1, and so has a",
            ),
            (
                nodes(&[("a", here, ""), ("b", "192.0.2.2", "")]),
                "a: has the address 127.0.0.1, by which b would reach itself",
            ),
            (
                nodes(&[("a", "::1", ""), ("b", "192.0.2.2", "")]),
                "a: has the address ::1, by which b would reach itself",
            ),
        ] {
            assert!(wrong.contains(words), "`{words}` not in `{wrong}`");
            assert!(wrong.contains("`private_address`"), "{wrong}");
        }
    }

    #[test]
    fn a_foreign_packet_filter_is_named_with_table_and_chain() {
        let nft = r#"{"nftables":[
            {"chain":{"family":"inet","table":"host","name":"input","hook":"input","policy":"drop"}},
            {"chain":{"family":"inet","table":"deployer-x","name":"input","hook":"input","policy":"drop"}}]}"#;
        let filters = [nft.to_owned(), String::new(), String::new()];
        let vm = |number: u8| (format!("vm{number}"), [10, 0, 0, number].into());
        let ways = [(5984, [vm(2)].into()), (9092, [vm(1), vm(2)].into())].into();
        let found = closed_ports("vm3", &filters, "deployer-x", &ways);
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "vm3: its packet filter (table inet host, chain input) drops what vm1 (10.0.0.1), vm2 (10.0.0.2) send to its ports \
              5984, 9092; let them in there"
            ]
        );
    }

    #[test]
    fn one_machine_under_two_names_is_found() {
        let said = [("a", "x"), ("b", "y"), ("c", "x"), ("d", ""), ("e", "")];
        let said = said.map(|(node, identity)| (node.to_owned(), identity.to_owned()));
        let found = same_machines(said.iter().map(|(node, identity)| (node, identity)));
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with("c: is the same machine as a"),
            "{lines:?}"
        );
    }

    /// All that stands in the way of Kafka and CouchDB's package on a node.
    fn all(system: &System, agents: Option<&AgentNeeds>) -> Vec<Obstacle> {
        let text = "name: t\nnodes: { vm2: { roles: [zookeeper, kafka, couchdb] } }\nkafka: { replication: 1 }\n\
                    couchdb: { distribution: apache }\n";
        let inventory = layout::parse(text.as_bytes(), "t.yaml").expect("an inventory");
        let topology = Topology::new(&inventory, &Options::default(), &Ids::default());
        let receipt = Receipt::bare("1", "t", "local");
        let topology = &topology.expect("a topology").0;
        let context = Context {
            topology,
            receipt: &receipt,
            secrets: &Secrets::placeholders(),
            choices: &receipt.choices,
            keys: &of_makers(topology).expect("makers' keys"),
            artifacts: &[].into(),
            ipv6: false,
        };
        obstacles(
            &node(&["kafka", "couchdb", "producer"]),
            system,
            agents,
            &context,
        )
    }

    fn found(change: impl FnOnce(&mut System)) -> String {
        let mut system = good();
        change(&mut system);
        let agents = AgentNeeds {
            architecture: "x86_64".into(),
            libc: "2.34".into(),
        };
        let lines: Vec<String> = all(&system, Some(&agents))
            .iter()
            .map(ToString::to_string)
            .collect();
        lines.join("\n")
    }

    #[test]
    fn apache_has_packages_of_couchdb_for_some_systems() {
        let refused = |os: &str, version: &str, architecture: &str| {
            let system = System {
                os: os.into(),
                version: version.into(),
                architecture: architecture.into(),
                ..good()
            };
            none_for(&system).map(|unfit| unfit.what)
        };
        assert_eq!(refused("debian", "12", "x86_64"), None);
        assert_eq!(refused("debian", "12", "aarch64"), None);
        assert_eq!(refused("ubuntu", "24.04", "x86_64"), None);
        let refused = refused("ubuntu", "24.04", "aarch64");
        assert!(refused.is_some_and(|what| what.contains("Ubuntu on arm64")));
    }

    #[test]
    fn a_good_node_has_none() {
        assert_eq!(found(|_| ()), "");
    }

    #[test]
    fn libc_and_processor_matter_only_where_agents_go() {
        let system = System {
            libc: "2.31".into(),
            architecture: "aarch64".into(),
            ..good()
        };
        assert_eq!(all(&system, None), []);
    }

    #[test]
    fn debian_13_is_known() {
        assert_eq!(found(|system| system.version = "13".into()), "");
    }

    #[test]
    fn each_obstacle_has_its_words() {
        for (change, words) in [
            (
                (|s| s.os = "fedora".into()) as fn(&mut System),
                "runs fedora 12",
            ),
            (|s| s.version = "10".into(), "runs debian 10"),
            (
                |s| s.libc = "2.31".into(),
                "has glibc 2.31, the agent binaries need 2.34",
            ),
            (
                |s| s.libc = "2.4".into(),
                "has glibc 2.4, the agent binaries need 2.34",
            ),
            (
                |s| s.architecture = "aarch64".into(),
                "is aarch64, the agent binaries are for x86_64",
            ),
            (
                |s| s.foreign_init = true,
                "is not run by systemd: process 1 is another",
            ),
            (
                |s| s.memory_mib = 900,
                "has 900 MiB of memory, its roles are laid out for 2048",
            ),
            (|s| s.disk_free_mib = 200, "has 200 MiB free below /var/lib"),
            (
                |s| s.software_free_mib = Some(20),
                "has 20 MiB free below /opt",
            ),
            (
                |s| s.software_noexec = true,
                "nothing can be executed below /opt",
            ),
            (
                |s| s.unwritable = vec!["/etc/hosts".into(), "/opt".into()],
                "not even root can write /etc/hosts, /opt; is it immutable",
            ),
            (
                |s| s.closed = [("/var/log/a".into(), "/var/ is closed".into())].into(),
                "the producer could not read /var/log/a: /var/ is closed; let a group",
            ),
            (
                |s| s.clock_skew_ms = -9_000,
                "its clock is 9 s behind this box's",
            ),
            (
                |s| s.clock_skew_ms = 5_001,
                "its clock is 5 s ahead of this box's",
            ),
            (
                |s| {
                    s.os = "ubuntu".into();
                    s.version = "20.04".into();
                },
                "Apache has no CouchDB package for Ubuntu 20.04",
            ),
        ] {
            let text = found(change);
            assert!(text.contains(words), "`{words}` not in `{text}`");
            assert_eq!(text.lines().count(), 1, "one obstacle, one line: {text}");
        }
    }
}
