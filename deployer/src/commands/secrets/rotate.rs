//! `secrets rotate`: which secrets others shall follow. What there is to do for it is a plan of `up`.

use super::unknown;
use crate::cli::{Change, Environment, Rotate, Target, Up};
use crate::component::Renewal;
use crate::component::pipeline;
use crate::component::secrets::{named, rolling};
use crate::error::CommandError;
use crate::prepare::target;
use crate::reach::deployment::Deployment;
use crate::report::{Event, Reporter};
use crate::topology::CloudName;

/// What `up` is to do: with the inventory of the last one, so that nothing else changes.
pub(super) fn up(
    options: &Rotate,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<Up, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let (topology, secrets) = (&deployment.topology, deployment.secrets()?);
    let all = named(topology, &secrets);
    for name in &options.users {
        match all.iter().find(|one| one.name == *name) {
            None => {
                let known = all.iter();
                let known =
                    known.filter(|one| matches!(one.renewal, Renewal::Rolling | Renewal::Pausing));
                return Err(unknown(name, known));
            }
            Some(one) => match one.renewal {
                Renewal::Rolling | Renewal::Pausing => {}
                Renewal::With(other) => {
                    let error = CommandError::usage(format!("{name} changes with {other} alone"));
                    return Err(error.hint(format!("deployer secrets rotate {other}")));
                }
                Renewal::Never => {
                    return Err(CommandError::usage(format!(
                        "{name} cannot be changed: {}",
                        one.about
                    )));
                }
            },
        }
    }
    let names = match options.users.as_slice() {
        [] => rolling(&all).map(|one| one.name.clone()).collect(),
        named => named.to_vec(),
    };
    let holders: Vec<String> = pipeline::users(topology)
        .filter(|user| names.iter().any(|name| name == user))
        .map(|user| format!("deployer client-config {user}"))
        .collect();
    if !holders.is_empty() {
        reporter.event(&Event::Note(format!(
            "programs of these users need their files anew, into another directory: {}",
            holders.join(", ")
        )));
    }
    let entry = &deployment.entry;
    let target = Target {
        inventory: None,
        name: Some(entry.name.clone()),
        cloud: CloudName::find(&entry.cloud),
        text: Some(deployment.receipt.inventory.clone()),
        ..options.target.clone()
    };
    let means = target::read_inventory(&target)?.inventory.security;
    if means.is_on() != topology.security.is_on() {
        return Err(CommandError::failed(format!(
            "the last `up` of {} was an older deployer's: its inventory says nothing of `security`, which meant `off` then, so nothing \
             was done",
            entry.name
        ))
        .hint("deployer plan shows what that key brings; deployer up brings it, and then there are passwords"));
    }
    Ok(Up {
        target,
        change: Change::default(),
        yes: options.yes,
        wait: false,
        forget: Vec::new(),
        renew: names,
    })
}
