//! Hosts that are dead for ever: what is known of them is forgotten, after saying what stays on them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::Environment;
use crate::error::CommandError;
use crate::prepare::recorded;
use crate::reach::user_hosts::{connect, hosts_of_the_user};
use crate::receipt::{Receipt, Secrets};
use crate::report::Reporter;
use crate::step::Item;
use crate::topology::CloudName;

/// Refuses to forget what is no host of the user's, or what answers: that can be cleaned.
pub async fn may_forget(
    nodes: &[String],
    receipt: &Receipt,
    directory: &Path,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    let mut hosts = BTreeMap::new();
    let known = hosts_of_the_user(receipt);
    for node in nodes {
        let Some(record) = receipt.machines.get(node) else {
            let names: Vec<&str> = receipt.machines.keys().map(String::as_str).collect();
            return Err(CommandError::usage(format!(
                "--forget {node}: {} has no such node; it has {}",
                receipt.name,
                names.join(", ")
            )));
        };
        if !CloudName::is_of_the_user_by_name(&record.cloud) {
            return Err(CommandError::usage(format!(
                "--forget {node}: its machine is one of the cloud `{}`, which knows it and gives it back",
                record.cloud
            )));
        }
        hosts.extend(
            known
                .get_key_value(node)
                .map(|(node, machine)| (node.clone(), machine.clone())),
        );
    }
    if hosts.is_empty() {
        return Ok(());
    }
    let connections = connect(&hosts, directory, environment, reporter).await?;
    let answering: Vec<String> = connections.nodes().into_iter().map(str::to_owned).collect();
    connections.close(false).await?;
    if answering.is_empty() {
        return Ok(());
    }
    let list = answering.join(", ");
    Err(CommandError::usage(format!(
        "--forget: {list} answers, so nothing needs to be forgotten"
    ))
    .hint("deployer teardown cleans it; only a host that is dead for ever is to be forgotten"))
}

/// What stays on a host that is forgotten, in words, should it ever come back.
pub fn stays(node: &str, receipt: &Receipt) -> String {
    let name = &receipt.name;
    let mut things = Vec::new();
    if let Ok(topology) = recorded::topology(receipt) {
        let machines = recorded::machines(receipt);
        let desired = recorded::of_receipt(receipt, &topology, &Secrets::placeholders(), &machines);
        for item in desired.map_or(Vec::new(), |desired| desired.items(node)) {
            match item {
                Item::Unit { unit } => things.push(unit),
                Item::Firewall { table } => things.push(format!("firewall table {table}")),
                Item::Directory { path, data: true } => things.push(format!("data in {path}")),
                Item::User { user } => things.push(format!("user {user}")),
                Item::File { .. } | Item::Directory { .. } | Item::HostsTable { .. } => {}
            }
        }
    }
    things.push(format!(
        "/etc/deployer/{name}, /opt/deployer/{name}, /var/lib/deployer/{name}"
    ));
    format!("{node}: {}", things.join("; "))
}
