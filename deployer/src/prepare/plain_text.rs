//! Where members may speak plain text: on this box, and in a network that nobody else is in. Not asked of what an earlier `up` made:
//! it has to be seen and taken away wherever it is.

use std::collections::BTreeSet;

use crate::component;
use crate::component::distributions::DISTRIBUTION;
use crate::component::pipeline::LOG;
use crate::inventory::{Inventory, Problem, Problems};
use crate::receipt::Choices;
use crate::topology::{CloudName, Topology};

/// Refuses plain text where others might read along.
pub fn check(inventory: &Inventory, topology: &Topology) -> Result<(), Problems> {
    let mut refused = Vec::new();
    if topology.security.is_on() {
        refused.extend(in_the_clear(inventory, topology));
    } else if let Some(readers) = readers(topology) {
        let message = format!(
            "`off` is plain text without a login, and {readers} could read along: it is for this box, or for machines of AWS alone in a \
             VPC that the deployer makes"
        );
        let hint = "take the key away: `on` is the default".to_owned();
        refused.push(inventory.problem("security", message, Some(hint)));
    }
    Problems::check(refused)
}

/// What is said where an inventory that says nothing of `security`, and meant `off` at the last `up`, means `on` now; `None`: it
/// means what it meant, or somebody wrote another.
pub fn ends(inventory: &Inventory, last: &Topology, topology: &Topology) -> Option<String> {
    if inventory.says("security") || last.security.is_on() || !topology.security.is_on() {
        return None;
    }
    let other = match readers(topology) {
        None => "`security: off` in the inventory leaves all as it is".to_owned(),
        Some(readers) => format!("it cannot stay off, for {readers} could read along"),
    };
    Some(format!(
        "security goes on, for the inventory says nothing of it and `on` is the default now: with all {}s restarted at once, nothing is \
         taken in for 10 to 60 seconds; {other}",
        LOG.one()
    ))
}

/// Who else is where the nodes of a topology are; `None`: nobody.
fn readers(topology: &Topology) -> Option<&'static str> {
    let clouds: BTreeSet<CloudName> = topology.nodes.values().map(|node| node.cloud).collect();
    let mut shared = clouds
        .iter()
        .filter_map(|cloud| (cloud.kind().network_shared_by)(&topology.clouds));
    match clouds.len() {
        0 | 1 => shared.next(),
        _ => Some("whoever is between the clouds of its nodes"),
    }
}

/// What the inventory asks for that knows no TLS, outside of this box.
fn in_the_clear<'a>(
    inventory: &'a Inventory,
    topology: &'a Topology,
) -> impl Iterator<Item = Problem> + 'a {
    component::ALL.iter().filter_map(move |component| {
        component.stand_in(topology, &Choices::default())?;
        let mut nodes = topology.nodes_with(component.name());
        nodes.find(|node| !node.cloud.is_of_this_box())?;
        let key = format!("{}.{DISTRIBUTION}", component.name());
        let message = format!(
            "the stand-in for {} speaks plain text, which with `security: on` nothing does outside of this box",
            component.title()
        );
        let hint = "take another one, or the cloud `local`".to_owned();
        Some(inventory.problem(key, message, Some(hint)))
    })
}
