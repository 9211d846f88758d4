//! What a run of `up` records in the receipt, and when: the inventory once the user agreed, a machine before it is made, data
//! when its place is there.

use crate::cloud::ends::LEASE_END;
use crate::component::couchdb::{self, Couchdb, DISTRIBUTION};
use crate::component::{self, Component as _};
use crate::observe::Planned;
use crate::prepare::outside;
use crate::prepare::prepared::Prepared;
use crate::receipt::{MachineRecord, Receipt};
use crate::step::{Action, Step};
use crate::topology::{CloudName, End};

/// What the receipt knows once the user agreed.
pub fn update_receipt(receipt: &mut Receipt, prepared: &Prepared) {
    let Receipt {
        numbers,
        epochs,
        pruned,
        mut choices,
        agents,
        cloud_notes,
        ..
    } = prepared.receipt.clone();
    let mut notes = receipt.cloud_notes.clone();
    notes.extend(outside::notes(&cloud_notes));
    // Which CouchDB it is is known once one works: until then another may be taken.
    let works = receipt.choices.get(couchdb::NAME, DISTRIBUTION);
    choices.set(couchdb::NAME, DISTRIBUTION, works);
    *receipt = Receipt {
        inventory: prepared.source.text.clone(),
        numbers,
        epochs,
        pruned,
        choices,
        agents,
        cloud_notes: notes,
        ..receipt.clone()
    };
}

/// Whether a step that was done shows that CouchDB works: its port listens.
pub fn shows_couchdb(step: &Step, prepared: &Prepared) -> bool {
    let unit = Couchdb.unit(&prepared.topology, &prepared.receipt.choices);
    matches!(&step.action, Action::WaitForPort { unit: waited, .. } if *waited == unit)
}

/// What the receipt knows once CouchDB works: which one it is, for as long as it has data.
pub fn keep_couchdb(receipt: &mut Receipt, prepared: &Prepared) {
    let choice = prepared.receipt.choices.get(couchdb::NAME, DISTRIBUTION);
    receipt.choices.set(couchdb::NAME, DISTRIBUTION, choice);
}

/// Records that a machine is about to be there.
pub fn record_planned(receipt: &mut Receipt, node: &str, cloud: CloudName) {
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
pub fn record_holdings(receipt: &mut Receipt, planned: &Planned, done: bool) {
    let (prepared, seen) = (&planned.prepared, &planned.seen);
    if done {
        keep_couchdb(receipt, prepared);
    }
    // Whoever prolonged the lease elsewhere told the site, not the receipt.
    let leased = seen.clouds.iter();
    let leased = leased.filter(|state| state.name.end() == End::Lease);
    if let Some(end) = leased.filter_map(|state| state.plan.expires).min() {
        let notes = &mut receipt.cloud_notes;
        notes.insert(LEASE_END.into(), end.to_string());
    }
    let couchdb_worked = receipt.choices.get(couchdb::NAME, DISTRIBUTION).is_some();
    for node in prepared.topology.nodes.values() {
        record_planned(receipt, &node.name, node.cloud);
        let Some(record) = receipt.machines.get_mut(&node.name) else {
            continue;
        };
        record.machine = seen.machines.get(&node.name).cloned();
        let facts = seen.facts.get(&node.name);
        let holds = |component: &&&dyn component::Component| {
            let name = component.name();
            let held = record.data.iter().any(|kind| kind == name);
            let there =
                facts.is_some_and(|facts| planned.desired.has_places(&node.name, name, facts));
            let holder = component.holds_data() && component.is_on(node, &prepared.topology);
            // A directory that was made for a CouchDB which never worked holds nothing.
            let there = there && (name != couchdb::NAME || couchdb_worked);
            if done {
                holder
            } else {
                held || (holder && there)
            }
        };
        let holding = component::ALL.iter().filter(holds);
        record.data = holding.map(|component| component.name().into()).collect();
    }
}
