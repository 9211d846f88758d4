//! What a run of `up` records in the receipt, and when: the inventory once the user agreed, a machine before it is made, data
//! when its place is there.

use crate::receipt::{MachineRecord, Receipt};
use crate::topology::{CloudName, Role};

use super::draft::Draft;
use super::look::Look;
use super::outside;

/// What the receipt knows once the user agreed.
pub fn remember(receipt: &mut Receipt, draft: &Draft) {
    let Receipt {
        broker_ids,
        client_numbers,
        epochs,
        choices,
        cloud_notes,
        ..
    } = draft.receipt.clone();
    let mut notes = receipt.cloud_notes.clone();
    notes.extend(outside::notes(&cloud_notes));
    *receipt = Receipt {
        inventory: draft.source.text.clone(),
        broker_ids,
        client_numbers,
        epochs,
        choices,
        cloud_notes: notes,
        ..receipt.clone()
    };
}

/// Records that a machine is about to be there.
pub fn intend(receipt: &mut Receipt, node: &str, cloud: CloudName) {
    receipt
        .machines
        .entry(node.into())
        .or_insert_with(|| MachineRecord {
            cloud: cloud.name().into(),
            machine: None,
            data: Vec::new(),
        });
}

/// Records the machines, and the kinds of data that nodes hold. While a run is not done that is what they held before and what is
/// there already: were it more, a run that is killed early would leave a receipt that misses data which never was.
pub fn hold(receipt: &mut Receipt, draft: &Draft, seen: &Look, done: bool) {
    for node in draft.topology.nodes.values() {
        intend(receipt, &node.name, node.cloud);
        let Some(record) = receipt.machines.get_mut(&node.name) else {
            continue;
        };
        record.machine = seen.machines.get(&node.name).cloned();
        let facts = seen.facts.get(&node.name);
        let holds = |role: Role| {
            let held = record.data.iter().any(|kind| kind == role.name());
            let there = facts.is_some_and(|facts| seen.desired.has_places(&node.name, role, facts));
            let holder = role.holds_data() && node.has(role);
            if done {
                holder
            } else {
                held || (holder && there)
            }
        };
        let roles = Role::ALL.into_iter().filter(|role| holds(*role));
        record.data = roles.map(|role| role.name().into()).collect();
    }
}
