//! What the clouds have, and connections to the machines that are there.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::cloud::{CloudError, Wanted};
use crate::component;
use crate::error::CommandError;
use crate::host::{Connector, HostError};
use crate::machine::Machine;
use crate::preflight::{self, Obstacle};
use crate::prepare::prepared::Prepared;
use crate::reach::clouds;
use crate::reach::connections::{CONNECT_TIMEOUT_NEW, CONNECT_TIMEOUT_RUNNING, Connections};
use crate::report::{Event, Reporter, aloud};
use crate::run::keys;

use super::buckets;
use super::observer::ObserveOptions;
use super::{CloudState, lost};

/// Refuses what the inventory says of hosts and cannot be so.
pub(super) fn none_of(obstacles: &[Obstacle]) -> Result<(), CommandError> {
    if obstacles.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
    Err(CommandError::usage(format!(
        "the hosts are not as the inventory says; nothing was changed:\n    {}",
        lines.join("\n    ")
    )))
}

/// Looks at the clouds and connects to the machines that are there, as far as they answer.
pub async fn connect(
    prepared: &Prepared,
    observe_options: &ObserveOptions<'_>,
) -> Result<(Vec<CloudState>, BTreeMap<String, Machine>, Connections), CommandError> {
    if !observe_options.made {
        buckets::look(prepared, observe_options.reporter).await?;
    }
    let clouds = look_at_clouds(prepared, observe_options).await?;
    if !observe_options.made {
        prepared.check_machines(&lost(&clouds))?;
    }
    let mut machines = BTreeMap::new();
    for state in &clouds {
        for machine in &state.plan.machines {
            let machine = prepared.receipt.trusting(machine.clone());
            machines.insert(machine.node.clone(), machine);
        }
    }
    none_of(&preflight::mistaken_addresses(&machines))?;
    let environment = observe_options.environment;
    let prepare = if observe_options.locked {
        Connector::new
    } else {
        Connector::reading
    };
    let connector = prepare(
        &machines,
        observe_options.directory,
        environment.runtime_dir.as_deref(),
        &environment.home,
    )?;
    let connect_timeout = if observe_options.made {
        CONNECT_TIMEOUT_NEW
    } else {
        CONNECT_TIMEOUT_RUNNING
    };
    let connections = Connections::connect(
        &connector,
        &machines,
        connect_timeout,
        observe_options.reporter,
    )
    .await;
    explain_silence(&clouds, &connections, observe_options.reporter).await;
    Ok((clouds, machines, connections))
}

async fn look_at_clouds(
    prepared: &Prepared,
    observe_options: &ObserveOptions<'_>,
) -> Result<Vec<CloudState>, CommandError> {
    let context = prepared.context();
    let mut looks = Vec::new();
    for name in clouds::names(&prepared.topology, &prepared.receipt) {
        let cloud = observe_options.clouds.get(name)?;
        let nodes = prepared
            .topology
            .nodes
            .values()
            .filter(|node| node.cloud == name);
        let packages = nodes.flat_map(|node| component::packages(node, &context));
        let key = keys::user_path(observe_options.directory);
        let mut wanted = Wanted {
            packages: packages.collect(),
            user_key_path: Some(key.display().to_string()),
            prune: observe_options.change.prune,
            architecture: prepared.architecture_on(name),
            ..clouds::wanted(
                name,
                &prepared.topology,
                &prepared.receipt,
                observe_options.keys,
                observe_options.environment,
            )?
        };
        // Hosts of the user's own are not removed, so they are not forgotten either.
        if wanted.prune && !name.is_of_the_user() {
            let kept = |node: &&String| !wanted.machines.contains_key(*node);
            wanted.remove = wanted.made.iter().filter(kept).cloned().collect();
        }
        looks.push((name, cloud, wanted));
    }
    let plans = join_all(looks.iter().map(|(name, cloud, wanted)| async move {
        let words = format!("look at what is there on {name}");
        aloud(observe_options.reporter, None, &words, cloud.plan(wanted)).await
    }))
    .await;
    let looks = looks.into_iter().zip(plans);
    looks
        .map(|((name, cloud, wanted), plan)| {
            Ok(CloudState {
                name,
                cloud,
                wanted,
                plan: plan.map_err(|error| placed(error, prepared))?,
            })
        })
        .collect()
}

/// What only the cloud could know to be wrong with the inventory, with its line.
fn placed(error: CloudError, prepared: &Prepared) -> CommandError {
    match error {
        CloudError::Inventory { key, message } => {
            let problem = prepared.source.inventory.problem(key, message, None);
            CommandError::usage(problem.to_string())
        }
        error => error.into(),
    }
}

/// Where a machine does not answer at all, its cloud's own rules may be why.
async fn explain_silence(
    clouds: &[CloudState],
    connections: &Connections,
    reporter: &dyn Reporter,
) {
    for state in clouds {
        let silent = connections.unreachable.iter().any(|(node, error)| {
            state.wanted.machines.contains_key(node) && matches!(error, HostError::Timeout { .. })
        });
        if !silent {
            continue;
        }
        let warning = match state.cloud.why_no_ssh(&state.wanted.id).await {
            Ok(why) => why,
            Err(error) => Some(format!(
                "whether the rules of {} let this box in is not known: {error}",
                state.name
            )),
        };
        if let Some(warning) = warning {
            reporter.event(&Event::Warning(warning));
        }
    }
}
