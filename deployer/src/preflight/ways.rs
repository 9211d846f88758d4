//! Whether nodes that need each other have a way to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Obstacle;
use crate::component::{self, Component, Reach};
use crate::machine::{Access, Machine};
use crate::packet_filter::{Filters, Packet};
use crate::topology::{Node, Topology};

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

/// What gives others a way to a node.
fn way_to(node: &Node) -> String {
    (node.cloud.kind().way_to)(&node.name)
}

/// Of two nodes that must talk, the one whose address the other does not know though it needs it. A firewall of ours asks for the
/// caller's address, too.
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
        let asked = !other.cloud.guards() && from.address_seen_from(to).is_none();
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{closed_ports, lost_ways};
    use crate::layout;
    use crate::machine::{Access, Machine};
    use crate::topology::{Ids, Options, Topology};

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
            operator: None,
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
                    operator: None,
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
}
