//! The addresses by which hosts of the user's are seen from a cloud: its brokers let in nobody else. They are found before any
//! machine is made, noted, and asked for again by `allow` only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use crate::cloud::caller::own_address;
use crate::cloud::existing::resolve;
use crate::cloud::registry;
use crate::component;
use crate::error::CommandError;
use crate::machine::Access;
use crate::topology::{CloudName, Node, Topology};

/// The note with a host's address, before its node's name.
pub const SEEN_AS: &str = "seen as";

/// A host's address as far as the inventory or a note says.
pub fn address(node: &Node, notes: &BTreeMap<String, String>) -> Option<Ipv4Addr> {
    said(node).or_else(|| notes.get(&note(&node.name))?.parse().ok())
}

/// The notes with the addresses of hosts.
pub fn notes(all: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let of_hosts = all.iter().filter(|(key, _)| key.starts_with(SEEN_AS));
    of_hosts
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Finds the addresses that nobody has said: of each host behind a name what the name leads to, and where that is an address of
/// its own network only, or the host is this box, what this box is seen as. Nobody is asked where all is noted, unless `anew`.
pub async fn find(
    topology: &Topology,
    notes: &mut BTreeMap<String, String>,
    home: &Path,
    anew: bool,
) -> Result<(), CommandError> {
    let serve = |node: &&Node| !component::outside_ports(node, topology).is_empty();
    let serving: BTreeSet<CloudName> = topology
        .nodes
        .values()
        .filter(serve)
        .map(|node| node.cloud)
        .collect();
    let mut urls = serving.into_iter().filter_map(|cloud| {
        let provider = registry::provider(cloud).ok()?;
        provider.address_url(&topology.clouds)
    });
    let Some(url) = urls.next() else {
        return Ok(());
    };
    let mut own = None;
    for node in topology.nodes.values() {
        let key = note(&node.name);
        let known = said(node).is_some() || (notes.contains_key(&key) && !anew);
        let Some(access) = node.access.as_ref().filter(|_| !known) else {
            continue;
        };
        let named = match access {
            Access::Ssh(access) => {
                let found = resolve(&node.name, access, &home.join(".ssh/config")).await?;
                Some(found)
            }
            Access::Here => None,
        };
        let found = match (named.and_then(everywhere), own) {
            (Some(address), _) | (None, Some(address)) => address,
            (None, None) => match (own_address(url).await, named) {
                (Ok(address), _) => {
                    own = Some(address);
                    address
                }
                // Clouds of a campus may know it by this address all the same.
                (Err(_), Some(IpAddr::V4(address))) => address,
                (Err(error), _) => {
                    return Err(CommandError::failed(error).hint(format!(
                        "say `public_address` of {0} in `clouds.existing.hosts`: the address by which the cloud sees it",
                        node.name
                    )));
                }
            },
        };
        notes.insert(key, found.to_string());
    }
    Ok(())
}

fn note(node: &str) -> String {
    format!("{SEEN_AS} {node}")
}

/// The address that the inventory says.
fn said(node: &Node) -> Option<Ipv4Addr> {
    match (node.public_address, &node.access) {
        (Some(IpAddr::V4(address)), _) => Some(address),
        (_, Some(Access::Ssh(access))) => everywhere(access.address.parse().ok()?),
        _ => None,
    }
}

/// An address, unless it means something in its own network only.
fn everywhere(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V4(address) = address else {
        return None;
    };
    let [first, second, ..] = address.octets();
    let carriers = first == 100 && (64..128).contains(&second);
    let here = address.is_private() || address.is_loopback() || address.is_link_local();
    (!here && !carriers).then_some(address)
}
