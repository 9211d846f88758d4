//! Nodes that are taken for each other.

use std::collections::BTreeMap;

use super::Obstacle;
use crate::machine::{Access, Machine};

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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{mistaken_addresses, same_machines};
    use crate::machine::{Access, Machine, SshAccess};

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
                    operator: None,
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
}
