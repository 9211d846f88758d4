//! What must be asked of a node before its actions can be checked.

use std::collections::BTreeMap;

use crate::facts::Query;
use crate::step::{self, Action, StateMark};
use crate::{firewall, hosts_table};

use super::Desired;

/// The one question for each node: all that [`super::check`] and [`super::compare()`] look at.
pub fn queries(desired: &Desired) -> BTreeMap<String, Query> {
    let guarded = |action: &Action| matches!(action, Action::WriteFirewall { .. });
    let nodes = desired.nodes();
    let firewalls = nodes.iter().any(|node| desired.actions(node).any(guarded));
    nodes
        .into_iter()
        .map(|node| {
            let mut question = query(&desired.deployment, desired.actions(node));
            question.addresses = firewalls;
            if let Some((_, tool)) = desired.pipeline.as_ref().filter(|(at, _)| at == node) {
                question.pipeline = Some(tool.clone());
            }
            (node.to_owned(), question)
        })
        .collect()
}

/// The question for some actions on one node.
pub fn query<'a>(deployment: &str, actions: impl IntoIterator<Item = &'a Action>) -> Query {
    let mut query = Query {
        deployment: deployment.into(),
        ..Query::default()
    };
    for action in actions {
        add(&mut query, action);
    }
    query
}

/// Where services keep what they write.
const SERVICES: &str = "/var/lib/deployer/";

#[deny(clippy::wildcard_enum_match_arm)]
fn add(query: &mut Query, action: &Action) {
    let mut file = |path: &str, shown: bool| {
        query.files.insert(path.to_owned(), shown);
    };
    match action {
        Action::InstallPackages { packages } => {
            let names = packages.iter().flat_map(|entry| alternatives(entry));
            query.packages.extend(names.map(str::to_owned));
        }
        Action::InstallFromRepository(wanted) => {
            file(&wanted.keyring(), false);
            file(&wanted.sources(), true);
            file(&step::archive_marker(&wanted.place), false);
            query.packages.insert(wanted.package.clone());
        }
        Action::CreateUser { user, .. } | Action::RemoveUser { user } => {
            query.users.insert(user.clone());
        }
        Action::WriteFile { path, content, .. } => file(path, !content.secret),
        Action::OpenDirectories { paths } => paths.iter().for_each(|path| file(path, false)),
        Action::CreateDirectory { path, data, .. } => {
            file(path, false);
            if *data || path.starts_with(SERVICES) {
                query.disks.insert(path.clone());
            }
        }
        Action::LinkFile { path, .. }
        | Action::SeedFile { path, .. }
        | Action::UploadFile { path, .. }
        | Action::RemoveFile { path }
        | Action::RemoveDirectory { path, .. }
        | Action::RemoveEmptyDirectory { path } => file(path, false),
        Action::UnpackArchive { path, .. } => {
            file(path, false);
            file(&step::archive_marker(path), false);
            query.archives.insert(path.clone());
        }
        Action::WriteFirewall { table, .. } | Action::RemoveFirewall { table } => {
            file(&firewall::rules_path(table), true);
            file(&firewall::unit_path(table), true);
            query.tables.insert(table.clone());
            query.units.insert(firewall::unit(table));
        }
        Action::StartUnit { unit, finishes, .. } => {
            if let Some(state) = finishes {
                file(state, true);
            }
            query.units.insert(unit.clone());
        }
        Action::WriteStateCopy { deployment, .. } => {
            file(&StateMark::copy_path(deployment), false);
            file(&StateMark::path(deployment), true);
        }
        Action::StopUnit { unit } => {
            query.units.insert(unit.clone());
        }
        Action::CallTool { tool, .. } => {
            query.pipeline = Some(tool.clone());
        }
        Action::WriteHostsTable { block, .. } | Action::RemoveHostsTable { block } => {
            file(&hosts_table::kept_path(block), true);
            file(&hosts_table::unit_path(block), true);
            query.units.insert(hosts_table::unit(block));
        }
        // The manifest, the hosts block and the ports are part of every answer.
        Action::WriteManifest { .. } | Action::WaitForPort { .. } => {}
    }
}

/// The package names of one entry: `openjdk-17-jre-headless | openjdk-21-jre-headless` is satisfied by either.
pub(super) fn alternatives(entry: &str) -> impl Iterator<Item = &str> {
    entry.split('|').map(str::trim)
}
