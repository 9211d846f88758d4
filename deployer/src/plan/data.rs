//! What is known of data: the receipt says which nodes held some once their services were started, the cloud says which machines are
//! gone, the node says whether the directories are there.

use super::{Desired, Loss, Situation};
use crate::component::Component;

/// What is known of the data of a component on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    /// There never was any.
    Never,
    /// It is there.
    There,
    /// The node cannot say now, but its machine exists.
    Unknown,
    /// It was there and is gone.
    Gone,
}

pub(super) fn data(
    desired: &Desired,
    situation: &Situation<'_>,
    node: &str,
    component: &str,
) -> Data {
    if !recorded(situation, node, component) {
        return Data::Never;
    }
    if situation.lost.contains(node) {
        return Data::Gone;
    }
    let Some(facts) = situation.facts.get(node) else {
        return Data::Unknown;
    };
    let wanted = desired
        .data
        .get(node)
        .is_some_and(|data| data.contains_key(component));
    if wanted && !desired.has_places(node, component, facts) {
        Data::Gone
    } else {
        Data::There
    }
}

/// Whether the receipt says that the node once held data of the component.
pub(super) fn recorded(situation: &Situation<'_>, node: &str, component: &str) -> bool {
    let record = situation.receipt.machines.get(node);
    record.is_some_and(|record| record.data.iter().any(|kind| kind == component))
}

/// The nodes that should hold data of a component.
pub(super) fn holders<'a>(
    desired: &'a Desired,
    component: &'a str,
) -> impl Iterator<Item = &'a str> {
    desired
        .data
        .iter()
        .filter(move |(_, data)| data.contains_key(component))
        .map(|(node, _)| node.as_str())
}

/// What makes a component begin anew: that whose data its own rest on, where it starts with nothing.
pub(super) fn begins_anew_with(
    desired: &Desired,
    situation: &Situation<'_>,
    component: &dyn Component,
) -> Option<&'static dyn Component> {
    component.data_rest_on().filter(|root| {
        let mut nodes = holders(desired, root.name()).peekable();
        nodes.peek().is_some()
            && nodes.all(|node| {
                let data = data(desired, situation, node, root.name());
                matches!(data, Data::Never | Data::Gone)
            })
    })
}

/// What is lost on a node.
pub(super) fn loss(situation: &Situation<'_>, node: &str, words: String) -> Loss {
    Loss {
        node: node.into(),
        words,
        allowed: situation.destroy_data.contains(node),
    }
}
