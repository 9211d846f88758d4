//! Host keys that reached their machines by user data, where every program on the machine can read them: after the first contact
//! each machine makes one of its own. It is in the receipt before sshd shows it, and then is the only one that is accepted.
//!
//! Whenever a run dies, the next goes on: until a machine was seen to show its own key, either is accepted.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use ssh_key::PublicKey;

use crate::error::CommandError;
use crate::host::{Command, Connector, Input};
use crate::machine::{Access, Machine};
use crate::observe::Planned;
use crate::observe::observer::ObserveOptions;
use crate::reach::connections::{CONNECT_TIMEOUT_NEW, Connections};
use crate::receipt::{HostKey, Receipt};
use crate::report;
use crate::run::journal::Journal;

/// Makes a key beside the one that was given, unless that has made way already, and prints the public half.
const MAKE: &str = include_str!("host_key_make.sh");
/// Lets sshd show it, and no other.
const USE: &str = include_str!("host_key_use.sh");
/// Enough for a program of a moment.
const QUICK: Duration = Duration::from_secs(30);

/// Gives each machine whose key came by user data one of its own. What is planned knows of it from then on.
pub async fn replace(
    connections: &Connections,
    mut planned: Planned,
    looking: &ObserveOptions<'_>,
    journal: &Journal,
) -> Result<Planned, CommandError> {
    let given = given(&planned, &journal.receipt());
    if given.is_empty() {
        return Ok(planned);
    }
    let made = given.iter().map(async |(node, (machine, key))| {
        let words = "make a host key of its own";
        let making = run(connections, node, MAKE, key);
        let key = report::aloud(looking.reporter, Some(node), words, making).await?;
        let key = PublicKey::from_openssh(&key).map_err(|error| {
            CommandError::failed(format!("{node}: what it made is no host key: {error}"))
        })?;
        let own = HostKey {
            machine: machine.id.clone(),
            key: key.to_openssh().map_err(CommandError::failed)?,
            alone: false,
        };
        Ok::<_, CommandError>((node.clone(), own))
    });
    let made = try_join_all(made).await?;
    journal.change(|receipt| receipt.host_keys.extend(made))?;
    // A connection that is opened anew from here on may meet either.
    let machines = &planned.seen.machines;
    connector(&journal.receipt(), machines, looking)?;
    let used = given.keys().map(|node| run(connections, node, USE, ""));
    try_join_all(used).await?;

    let mut receipt = journal.receipt();
    for (node, own) in &mut receipt.host_keys {
        own.alone |= given.contains_key(node);
    }
    let connector = connector(&receipt, machines, looking)?;
    let machines = given.into_iter();
    let machines = machines.map(|(node, (machine, _))| (node, receipt.trusting(machine)));
    let (machines, reporter) = (machines.collect(), looking.reporter);
    // They have only just been made, and may still be busy with their start.
    let anew = Connections::connect(&connector, &machines, CONNECT_TIMEOUT_NEW, reporter).await;
    anew.require_all()?;
    anew.close(true).await?;
    let keys = receipt.host_keys;
    journal.change(|receipt| receipt.host_keys.clone_from(&keys))?;
    planned.prepared = planned.prepared.with(|receipt| receipt.host_keys = keys)?;
    Ok(planned)
}

/// The machines that were not yet seen to show a key of their own, each with the one that it was given.
fn given(planned: &Planned, receipt: &Receipt) -> BTreeMap<String, (Machine, String)> {
    let sold = planned.seen.clouds.iter();
    let sold = sold.filter(|state| state.name.is_sold());
    let machines = sold.flat_map(|state| &state.plan.machines);
    let given = machines.filter_map(|machine| match &machine.access {
        Access::Ssh(ssh) if !receipt.shows_own_key(machine) => {
            let key = ssh.host_key.clone()?;
            Some((machine.node.clone(), (machine.clone(), key)))
        }
        _ => None,
    });
    given.collect()
}

/// The ways to all machines, by the keys that a receipt accepts, written where every connection of this run looks.
fn connector(
    receipt: &Receipt,
    machines: &BTreeMap<String, Machine>,
    looking: &ObserveOptions<'_>,
) -> Result<Connector, CommandError> {
    let machines = machines.iter();
    let machines =
        machines.map(|(node, machine)| (node.clone(), receipt.trusting(machine.clone())));
    Ok(Connector::new(
        &machines.collect(),
        looking.directory,
        looking.environment.runtime_dir.as_deref(),
        &looking.environment.home,
    )?)
}

/// Runs a script as root; what it printed.
async fn run(
    connections: &Connections,
    node: &str,
    script: &str,
    argument: &str,
) -> Result<String, CommandError> {
    let arguments = ["-c", script, "host key", argument].map(str::to_owned);
    let command = Command {
        program: "sh".into(),
        arguments: arguments.into(),
        input: Input::Nothing,
        timeout: QUICK,
        root: true,
    };
    let output = connections.host(node)?.run(&command).await?;
    if output.status == 0 {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(
        CommandError::failed(format!("{node}: its host key was not replaced: {said}"))
            .hint("deployer up goes on from here"),
    )
}
