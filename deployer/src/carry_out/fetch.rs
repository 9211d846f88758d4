//! Fetching what a plan will send to nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::artifact::program::Program;
use crate::artifact::{couchdb, kafka};
use crate::component::couchdb::Distribution;
use crate::component::{self, artifact_key};
use crate::error::CommandError;
use crate::observe::Planned;
use crate::report::{Event, Reporter};
use crate::run::apply::Relays;
use crate::step::Action;

/// The files of this box that artifacts are, by key.
pub type Paths = BTreeMap<String, PathBuf>;

/// Fetches what the plan will send. Kafka's source is decided by it.
pub async fn fetch(
    planned: &Planned,
    reporter: &dyn Reporter,
) -> Result<(Paths, Option<kafka::Source>), CommandError> {
    let prepared = &planned.prepared;
    let line = |line: &str| {
        reporter.event(&Event::StepOutput {
            node: None,
            line: line.into(),
        });
    };
    let needs = |key: &str| {
        planned.plan.actions().any(|action| match action {
            Action::UnpackArchive { artifact, .. } | Action::UploadFile { artifact, .. } => {
                artifact == key
            }
            _ => false,
        })
    };
    let agents = prepared.agents.each();
    let paths = agents.map(|(key, agent)| (key.to_owned(), agent.path.clone()));
    let mut paths = Paths::from(paths);
    let mut source = None;
    if needs(artifact_key::KAFKA) {
        let settings = kafka::Settings::of(component::kafka::section(&prepared.topology))?;
        let recorded = &prepared.receipt.choices;
        let recorded = recorded.get(component::kafka::NAME, component::kafka::SOURCE);
        let (from, path) = kafka::fetch(&prepared.cache, &settings, recorded, &line).await?;
        paths.insert(artifact_key::KAFKA.into(), path);
        source = Some(from);
    }
    if needs(artifact_key::COUCHDB) {
        let path = match (
            prepared.couchdb(),
            &component::couchdb::section(&prepared.topology).archive,
        ) {
            (Distribution::Archive, Some(file)) => file.into(),
            _ => couchdb::fetch_stand_in(&prepared.cache, &Program::npm(), &line).await?,
        };
        paths.insert(artifact_key::COUCHDB.into(), path);
    }
    Ok((paths, source))
}

/// Which nodes give what to each other: those of clouds that are far from this box, where several need the same.
pub fn relays(planned: &Planned) -> Relays {
    let (prepared, seen) = (&planned.prepared, &planned.seen);
    let far = |node: &String| {
        let node = prepared.topology.nodes.get(node);
        node.is_some_and(|node| node.cloud.is_sold())
    };
    let machines = seen.machines.iter().filter(|(node, _)| far(node));
    let addresses: BTreeMap<_, _> = machines
        .filter_map(|(node, machine)| {
            let (network, address) = machine.networks.iter().next()?;
            Some((node.clone(), (network.clone(), *address)))
        })
        .collect();
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for change in planned.plan.changes() {
        let (node, action) = (&change.step.node, &change.step.action);
        if let Action::UnpackArchive { artifact, .. } | Action::UploadFile { artifact, .. } = action
            && addresses.contains_key(node)
        {
            needs.entry(artifact).or_default().insert(node);
        }
    }
    needs.retain(|_, nodes| nodes.len() > 1);
    let artifacts = needs.into_keys().map(str::to_owned).collect();
    Relays {
        addresses,
        artifacts,
    }
}
