//! What a run of `up` records in the receipt, and when: the inventory once the user agreed, a machine before it is made, data
//! when its place is there on all nodes.

use crate::receipt::{MachineRecord, Receipt};
use crate::topology::CloudName;

use super::draft::Draft;
use super::look::Look;

/// What the receipt knows once the user agreed.
pub fn remember(receipt: &mut Receipt, draft: &Draft) {
    let Receipt {
        broker_ids,
        client_numbers,
        epochs,
        choices,
        ..
    } = draft.receipt.clone();
    *receipt = Receipt {
        inventory: draft.source.text.clone(),
        broker_ids,
        client_numbers,
        epochs,
        choices,
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

/// Records the machines on which something is about to be put.
pub fn enter(receipt: &mut Receipt, draft: &Draft, seen: &Look) {
    for node in draft.topology.nodes.values() {
        intend(receipt, &node.name, node.cloud);
        if let Some(record) = receipt.machines.get_mut(&node.name) {
            record.machine = seen.machines.get(&node.name).cloned();
        }
    }
}

/// Records the kinds of data that nodes hold from now on. Not before the places of all of it are there: where a run ended in
/// between, the next would take what was never made for lost.
pub fn hold(receipt: &mut Receipt, draft: &Draft) {
    for node in draft.topology.nodes.values() {
        if let Some(record) = receipt.machines.get_mut(&node.name) {
            let data = node.roles.iter().filter(|role| role.holds_data());
            record.data = data.map(|role| role.name().into()).collect();
        }
    }
}
