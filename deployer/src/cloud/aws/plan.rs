//! What is to be done so that a deployment's machines are there, or that nothing of it is. Pure: compares what is wanted with
//! what was observed.

use std::fmt::Write as _;

use super::network;
use super::notes::Attempt;
use super::observed::{Instance, State};
use super::operation::{Launch, Operation};
use super::settings::Settings;
use super::view::{View, stage, step};
use super::{places, profile, renewal, user_data};
use crate::cloud::reconcile::{self, Addresses, Choice};
use crate::cloud::{CloudError, CloudPlan, Wanted};
use crate::machine::Machine;

/// What is to be done. Wanting no machines is a teardown.
pub fn plan(view: &View<'_>) -> Result<CloudPlan, CloudError> {
    if view.wanted.machines.is_empty() {
        return Ok(super::teardown::plan(view.observed));
    }
    let choice = choose(view);
    let chosen = &choice.chosen;
    let (mut steps, net) = network::plan(view)?;
    let mut result = CloudPlan::default();
    let mut launches = false;
    let expires = renewal::new_expiry(view, chosen);
    for (node, machine) in &view.wanted.machines {
        let attempt = Attempt::read(&view.wanted.notes, node);
        let Some(instance) = chosen.get(node.as_str()) else {
            let ran = attempt.as_ref().is_some_and(|attempt| attempt.ran);
            let lost = ran || view.wanted.made.contains(node);
            let instance_type = view
                .settings
                .type_for(machine.memory_mib)
                .map_err(CloudError::Refused)?;
            let public_ip = view.settings.is_public(node);
            let zones = places::places(view, &net, &instance_type, public_ip)?;
            // An attempt without an answer is repeated as it was; one that is old or whose machine is gone was the last of its
            // number.
            let (number, expires) = match &attempt {
                Some(attempt) if attempt.is_open(view.now) => (attempt.number, attempt.expires),
                Some(attempt) => (attempt.number + 1, expires),
                None => (1, expires),
            };
            let launch = Launch {
                node: node.clone(),
                public_ip,
                image: view.catalog.image.clone(),
                root_device: view.catalog.root_device.clone(),
                group: net.group.clone(),
                attempt: number,
                instance_type,
                zones,
                expires,
                profile: machine.profile.as_ref().map(|profile| profile.name.clone()),
            };
            // Too long a text is found before anything is made.
            user_data::render(
                machine,
                &view.wanted.user_key,
                &view.settings.ssh_keys,
                launch.expires,
            )?;
            let mut words = format!(
                "make a {} with {} GiB of disk from {}",
                launch.instance_type, view.settings.disk_gib, launch.image
            );
            if let Some(profile) = &launch.profile {
                let _ = write!(words, " and the instance profile {profile}");
            }
            let mut step = step(
                stage::MACHINES,
                words,
                "RunInstances",
                Operation::Launch(launch),
            );
            step.node = Some(node.clone());
            if lost {
                step.loses = Some(format!("{node}: its machine is gone, and all data it had"));
                result.lost.insert(node.clone());
            }
            steps.push(step);
            launches = true;
            continue;
        };
        let instance_id = instance.id.clone();
        let (words, calls, operation) = match instance.state {
            State::Running if instance.private.is_some() => {
                result
                    .machines
                    .extend(machine_of(view.wanted, view.settings, node, instance));
                continue;
            }
            State::Pending | State::Running | State::Unknown => {
                let operation = Operation::Await {
                    node: node.clone(),
                    instance: instance_id,
                };
                (
                    format!(
                        "wait for {}, which is {}",
                        instance.id,
                        instance.state.name()
                    ),
                    "DescribeInstances",
                    operation,
                )
            }
            State::Stopping | State::Stopped | State::ShuttingDown | State::Terminated => {
                let operation = Operation::Start {
                    node: node.clone(),
                    instance: instance_id,
                };
                (
                    format!("start {}, which is {}", instance.id, instance.state.name()),
                    "StartInstances",
                    operation,
                )
            }
        };
        let mut step = step(stage::MACHINES, words, calls, operation);
        step.node = Some(node.clone());
        steps.push(step);
    }
    let missing = view.wanted.machines.len().saturating_sub(chosen.len());
    places::room(view, missing)?;
    steps.extend(profile::steps(view, chosen));
    let (renewal, until) = renewal::renewal(view, chosen, launches, expires);
    steps.extend(renewal);
    result.expires = until;
    result.steps = steps;
    choice.leave(view.wanted, &mut result, super::teardown::terminate);
    Ok(result)
}

/// Which machine carries which node.
fn choose<'a>(view: &View<'a>) -> Choice<'a, Instance> {
    let noted = |node: &str| Attempt::read(&view.wanted.notes, node)?.instance;
    reconcile::choose(view.wanted, &view.observed.instances, noted)
}

/// The machine that an instance is.
pub fn machine_of(
    wanted: &Wanted,
    settings: &Settings,
    node: &str,
    instance: &Instance,
) -> Option<Machine> {
    let addresses = Addresses {
        network: format!("aws {}", instance.vpc.as_deref().unwrap_or(&wanted.id)),
        private: instance.private?,
        public: instance.public,
    };
    Some(reconcile::machine(
        wanted,
        node,
        &instance.id,
        addresses,
        &settings.image.user,
        settings.bastion.as_deref(),
    ))
}
