//! What a run of `up` records in the receipt, and when: the inventory once the user agreed, a machine before it is made, data
//! when its place is there.

use crate::cloud::ends::LEASE_END;
use crate::component::distributions::DISTRIBUTION;
use crate::component::{self, Component};
use crate::observe::Observed;
use crate::plan::Desired;
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
        replaced,
        mut choices,
        agents,
        cloud_notes,
        ..
    } = prepared.receipt.clone();
    let mut notes = receipt.cloud_notes.clone();
    notes.extend(outside::notes(&cloud_notes));
    // Which distribution it is is known once one works: until then another may be taken.
    for component in of_several() {
        let works = receipt.choices.get(component.name(), DISTRIBUTION);
        choices.set(component.name(), DISTRIBUTION, works);
    }
    *receipt = Receipt {
        inventory: prepared.source.text.clone(),
        secure_by_default: true,
        numbers,
        epochs,
        pruned,
        replaced,
        choices,
        agents,
        cloud_notes: notes,
        ..receipt.clone()
    };
}

/// Whether a step that was done shows that a component works of which there are several distributions: its port listens.
pub fn shows_choice(step: &Step, prepared: &Prepared) -> bool {
    let Action::WaitForPort { unit: waited, .. } = &step.action else {
        return false;
    };
    let choices = &prepared.receipt.choices;
    of_several().any(|component| *waited == component.unit(&prepared.topology, choices))
}

/// What the receipt knows once they work: which distribution each is, for as long as it has data.
pub fn keep_choices(receipt: &mut Receipt, prepared: &Prepared) {
    for component in of_several() {
        let name = component.name();
        let choice = prepared.receipt.choices.get(name, DISTRIBUTION);
        receipt.choices.set(name, DISTRIBUTION, choice);
    }
}

/// The components of which there are several distributions.
fn of_several() -> impl Iterator<Item = &'static dyn Component> {
    let all = component::ALL.iter().copied();
    all.filter(|component| component.distributions().is_some())
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
pub fn record_holdings(
    receipt: &mut Receipt,
    prepared: &Prepared,
    seen: &Observed,
    desired: &Desired,
    done: bool,
) {
    if done {
        keep_choices(receipt, prepared);
    }
    // Whoever prolonged the lease elsewhere told the site, not the receipt.
    let leased = seen.clouds.iter();
    let leased = leased.filter(|state| state.name.end() == End::Lease);
    if let Some(end) = leased.filter_map(|state| state.plan.expires).min() {
        let notes = &mut receipt.cloud_notes;
        notes.insert(LEASE_END.into(), end.to_string());
    }
    let choices = receipt.choices.clone();
    for node in prepared.topology.nodes.values() {
        record_planned(receipt, &node.name, node.cloud);
        let Some(record) = receipt.machines.get_mut(&node.name) else {
            continue;
        };
        record.machine = seen.machines.get(&node.name).cloned();
        let facts = seen.facts.get(&node.name);
        let holds = |component: &&&dyn Component| {
            let name = component.name();
            let held = record.data.iter().any(|kind| kind == name);
            let there = facts.is_some_and(|facts| desired.has_places(&node.name, name, facts));
            let holder = component.holds_data() && component.is_on(node, &prepared.topology);
            // A directory that was made for a distribution which never worked holds nothing.
            let worked =
                component.distributions().is_none() || choices.get(name, DISTRIBUTION).is_some();
            let there = there && worked;
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
