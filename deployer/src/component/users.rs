//! Who logs in to brokers where security is on: a user for each agent, whose password is generated and who may do what its component
//! says.

use std::collections::BTreeSet;

use super::ALL;
use crate::receipt::Secrets;
use crate::rights::{Right, mark};
use crate::topology::{CANARY_TOPIC, Topology};

/// The place of the users' passwords among the secrets.
pub const PASSWORDS: &str = "passwords";

/// All who log in, of the nodes that there are, and of the inventory.
pub fn names(topology: &Topology) -> BTreeSet<String> {
    let mut names = named(&of_nodes(topology));
    names.extend(ALL.iter().flat_map(|component| component.users(topology)));
    names
}

/// All that anybody may do. Whoever has left the inventory was not stopped, and sends on until `--prune`, by the rights that it had.
pub(super) fn rights(topology: &Topology, secrets: &Secrets) -> Vec<Right> {
    let mut rights = of_nodes(topology);
    let names = named(&rights);
    let former = secrets.all().filter(|(place, user, _)| {
        *place == PASSWORDS && is_agents(user) && !names.contains(*user)
    });
    let mut topics: Vec<&str> = topology.former.topics.keys().map(String::as_str).collect();
    if !topics.is_empty() {
        topics.push(CANARY_TOPIC);
    }
    for (_, user, _) in former {
        let topics = topics.iter();
        rights.extend(topics.map(|topic| Right::on_topic(user, topic, "write")));
    }
    rights
}

/// Whether brokers can tell a user's new password from the old one: of both they know a mark alone.
pub fn are_told_apart(user: &str, new: &str, old: &str) -> bool {
    mark(user, new) != mark(user, old)
}

/// Whether a user's name is one of an agent: such a name begins with its component's.
pub(super) fn is_agents(user: &str) -> bool {
    let mut all = ALL.iter();
    all.any(|component| {
        let rest = user.strip_prefix(component.name());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

fn named(rights: &[Right]) -> BTreeSet<String> {
    rights.iter().map(|right| right.user.clone()).collect()
}

fn of_nodes(topology: &Topology) -> Vec<Right> {
    let mut rights: Vec<Right> = Vec::new();
    for node in topology.nodes.values() {
        for component in ALL {
            if component.is_on(node, topology) || component.is_tool_on(node, topology) {
                for right in component.rights(node, topology) {
                    if !rights.contains(&right) {
                        rights.push(right);
                    }
                }
            }
        }
    }
    rights
}
