//! What is to be done so that a deployment's machines are there, or that nothing of it is. Pure: compares what is wanted with
//! what was observed.

use std::collections::{BTreeMap, BTreeSet};

use super::network;
use super::notes::Attempt;
use super::observed::{Instance, State};
use super::operation::{Launch, Operation};
use super::settings::Settings;
use super::view::{View, stage, step};
use super::{places, renewal, user_data};
use crate::cloud::{self, CloudError, CloudPlan, Wanted};
use crate::machine::{Access, Machine, SshAccess};

/// What is to be done. Wanting no machines is a teardown.
pub fn plan(view: &View<'_>) -> Result<CloudPlan, CloudError> {
    if view.wanted.machines.is_empty() {
        return Ok(super::teardown::plan(view.observed));
    }
    let Choice { chosen, orphans } = choose(view);
    let (mut steps, net) = network::plan(view)?;
    let mut result = CloudPlan::default();
    let mut instances = BTreeSet::new();
    let mut launches = false;
    let expires = renewal::new_expiry(view, &chosen);
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
            };
            // Too long a text is found before anything is made.
            user_data::render(
                machine,
                &view.wanted.user_key,
                &view.settings.ssh_keys,
                launch.expires,
            )?;
            let words = format!(
                "make a {} with {} GiB of disk from {}",
                launch.instance_type, view.settings.disk_gib, launch.image
            );
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
        instances.insert(instance.id.clone());
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
    let (renewal, until) = renewal::renewal(view, &chosen, launches, expires);
    steps.extend(renewal);
    result.expires = until;
    if view.wanted.prune && !orphans.is_empty() {
        let ids: BTreeSet<String> = orphans.iter().map(|instance| instance.id.clone()).collect();
        let names: Vec<&str> = orphans
            .iter()
            .map(|instance| instance.node().unwrap_or(&instance.id))
            .collect();
        let mut step = super::teardown::terminate(&orphans);
        step.loses = Some(format!("all data of {}", names.join(", ")));
        step.operation = cloud::Operation::Aws(Operation::Terminate { instances: ids });
        steps.push(step);
    }
    result.orphans = orphans
        .iter()
        .map(|instance| match instance.node() {
            Some(node) if !view.wanted.machines.contains_key(node) => node.to_owned(),
            Some(node) => format!("{node} ({}, a second one)", instance.id),
            None => instance.id.clone(),
        })
        .collect();
    result.steps = steps;
    Ok(result)
}

struct Choice<'a> {
    chosen: BTreeMap<&'a str, &'a Instance>,
    orphans: Vec<&'a Instance>,
}

/// Which machine carries which node: the noted one, else the one that was there first.
fn choose<'a>(view: &View<'a>) -> Choice<'a> {
    let mut chosen: BTreeMap<&str, &Instance> = BTreeMap::new();
    let mut orphans = Vec::new();
    let mut living: Vec<&Instance> = view
        .observed
        .instances
        .iter()
        .filter(|instance| instance.lives())
        .collect();
    living.sort_by_key(|instance| {
        let noted = instance
            .node()
            .and_then(|node| Attempt::read(&view.wanted.notes, node))
            .and_then(|attempt| attempt.instance);
        (
            noted.as_ref() != Some(&instance.id),
            instance.launched,
            instance.id.clone(),
        )
    });
    for instance in living {
        match instance.node() {
            Some(node) if view.wanted.machines.contains_key(node) && !chosen.contains_key(node) => {
                chosen.insert(node, instance);
            }
            _ => orphans.push(instance),
        }
    }
    Choice { chosen, orphans }
}

/// The machine that an instance is.
pub fn machine_of(
    wanted: &Wanted,
    settings: &Settings,
    node: &str,
    instance: &Instance,
) -> Option<Machine> {
    let private = instance.private?;
    let jump = settings
        .bastion
        .clone()
        .filter(|bastion| instance.public.is_none() && bastion != node);
    let access = SshAccess {
        address: instance.public.unwrap_or(private).to_string(),
        user: Some(settings.image.user.clone()),
        port: None,
        key: wanted.user_key_path.clone(),
        host_key: wanted
            .machines
            .get(node)
            .map(|machine| machine.host_key_public.clone()),
        jump,
    };
    let network = format!("aws {}", instance.vpc.as_deref().unwrap_or(&wanted.id));
    Some(Machine {
        node: node.into(),
        id: instance.id.clone(),
        access: Access::Ssh(access),
        networks: BTreeMap::from([(network, private.into())]),
        public: instance.public.map(Into::into),
    })
}
