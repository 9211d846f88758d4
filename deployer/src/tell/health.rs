//! How a deployment is: asks all nodes at the same time; a dead one costs three seconds at most.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;

use crate::cli::Environment;
use crate::cloud::ends::POWER_OFF_FILE;
use crate::component;
use crate::error::CommandError;
use crate::facts::{Facts, Patience, Query};
use crate::machine::Access;
use crate::plan::{self, Desired};
use crate::prepare::recorded;
use crate::reach::connections::Connections;
use crate::reach::deployment::Deployment;
use crate::report::Reporter;
use crate::run::Executor as _;
use crate::step::Action;
use crate::topology::End;

use super::lease_end;
use super::status_report::{Heard, Report};

/// How long a node may take to let us in.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long all answers may take together.
const DEADLINE: Duration = Duration::from_millis(2_900);

/// Asks everybody.
pub async fn look(
    deployment: &Deployment,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<Report, CommandError> {
    let machines = deployment.machines();
    let desired = desired(deployment)?;
    let connector = deployment.connector(environment)?;
    let answers = join_all(machines.values().map(|machine| {
        let (connector, desired, node) = (&connector, &desired, machine.node.clone());
        async move {
            let heard = tokio::time::timeout(DEADLINE, async {
                let alone = [(node.clone(), machine.clone())].into();
                let connections = Connections::connect(connector, &alone, TIMEOUT, reporter).await;
                if let Some(error) = connections.unreachable.get(&node) {
                    return Heard::Nothing(error.to_string());
                }
                let answer = connections
                    .executor()
                    .ask(&node, &question(deployment, desired, &node))
                    .await;
                // A connection that cannot be kept is opened anew next time.
                let _ = connections.close(true).await;
                match answer {
                    Ok(facts) => Heard::Facts(Box::new(facts)),
                    Err(error) => Heard::Nothing(error.to_string()),
                }
            })
            .await;
            let late =
                || Heard::Nothing(format!("no answer within {:.0} s", DEADLINE.as_secs_f64()));
            (node, heard.unwrap_or_else(|_| late()))
        }
    }))
    .await;
    let mut heard: BTreeMap<String, Heard> = answers.into_iter().collect();
    let mut drift = BTreeMap::new();
    let known = addresses_of(&heard);
    for (node, heard) in &mut heard {
        if let Heard::Facts(facts) = heard {
            // From where a member speaks that says nothing is not known, so neither is what the firewall should be.
            let told = |action: &&Action| match action {
                Action::WriteFirewall { members, .. } => {
                    let mut others = members.keys().filter(|member| *member != plan::OPERATOR);
                    others.all(|member| known.contains_key(member))
                }
                _ => true,
            };
            let actions = desired.actions(node).filter(told);
            let actions: Vec<Action> = actions
                .map(|action| plan::of_all_addresses(action, &known))
                .collect();
            drift.insert(node.clone(), plan::drift(&actions, facts));
            // Only services have a state that is shown.
            let services = services(deployment, node);
            facts.units.retain(|unit, _| services.contains(unit));
        }
    }
    let addresses = machines.into_iter().map(|(node, machine)| {
        let address = match machine.access {
            Access::Here => "this machine".into(),
            Access::Ssh(ssh) => ssh.address,
        };
        (node, address)
    });
    let (id, now) = (&deployment.receipt.id, jiff::Timestamp::now());
    let mut report = Report::new(&deployment.topology, id, &heard, &addresses.collect(), now);
    for (node, changed) in &drift {
        report.set_drift(node, changed);
    }
    report.set_plain_text(&deployment.topology, &deployment.receipt.choices);
    if let Some(end) = lease_end::of(&deployment.receipt) {
        let mut leased = deployment.topology.nodes.values();
        let answers = leased.any(|node| {
            node.cloud.end() == End::Lease && matches!(heard.get(&node.name), Some(Heard::Facts(_)))
        });
        report.set_lease_end(end, now, answers);
    }
    Ok(report)
}

/// What the last `up` was to put on the nodes.
pub fn desired(deployment: &Deployment) -> Result<Desired, CommandError> {
    let secrets = deployment.secrets()?;
    let (receipt, machines) = (&deployment.receipt, deployment.machines());
    recorded::of_receipt(receipt, &deployment.topology, &secrets, &machines)
}

/// The units of a node's roles; of one that was left alone, those by which it may still take part.
fn services(deployment: &Deployment, node: &str) -> BTreeSet<String> {
    let Some(node) = deployment.topology.nodes.get(node) else {
        let all = component::ALL.iter().copied();
        let left = all.filter(|component| component.when_left().is_some());
        return left.map(|component| deployment.unit(component)).collect();
    };
    component::of_node(node, &deployment.topology)
        .filter(|component| component.has_unit(node))
        .flat_map(|component| deployment.units(component, node))
        .collect()
}

/// What the nodes that answered say of their addresses.
fn addresses_of(heard: &BTreeMap<String, Heard>) -> BTreeMap<String, Facts> {
    let known = heard.iter().filter_map(|(node, heard)| match heard {
        Heard::Facts(facts) => {
            let addresses = facts.addresses.clone();
            let facts = Facts {
                addresses,
                ..Facts::default()
            };
            Some((node.clone(), facts))
        }
        Heard::Nothing(_) => None,
    });
    known.collect()
}

/// What status wants to know of a node.
fn question(deployment: &Deployment, desired: &Desired, node: &str) -> Query {
    let topology = &deployment.topology;
    let mut query = plan::query(&topology.name, desired.actions(node));
    query.addresses = true;
    query.patience = Patience::Short;
    // Whether the binaries are those that were sent is not known here, so there is no use in reading them.
    for action in desired.actions(node) {
        if let Action::UploadFile { path, .. } = action {
            query.files.remove(path);
            query.unread.insert(path.clone());
        }
    }
    query.units.extend(services(deployment, node));
    let Some(node) = topology.nodes.get(node) else {
        return query;
    };
    query.figures = component::metrics_ports(node, topology)
        .into_values()
        .collect();
    let states = component::of_node(node, topology).flat_map(|component| {
        let own = component.state_file(node, topology).into_iter();
        own.chain(component.said_in(node, topology))
    });
    query.files.extend(states.map(|state| (state, true)));
    if node.cloud.end() == End::PowerOff {
        query.files.insert(POWER_OFF_FILE.into(), true);
    }
    query
}
