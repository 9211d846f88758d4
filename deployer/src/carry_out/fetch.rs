//! Fetching what a plan will send to nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::artifact::{origin, parcel};
use crate::component;
use crate::component::artifact::SOURCE;
use crate::error::CommandError;
use crate::observe::Planned;
use crate::report::{Event, Reporter};
use crate::run::apply::Relays;
use crate::step::Action;

/// The files of this box that artifacts are, by component.
pub type Paths = BTreeMap<String, PathBuf>;

/// What was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The files of this box that artifacts are, by component.
    pub paths: Paths,
    /// Component → which kind of source gave its artifact, where there are several.
    pub sources: BTreeMap<&'static str, &'static str>,
}

/// Fetches what the plan will send. Which source gives it is decided by that.
pub async fn fetch(planned: &Planned, reporter: &dyn Reporter) -> Result<Fetched, CommandError> {
    let prepared = &planned.prepared;
    let line = |line: &str| {
        reporter.event(&Event::StepOutput {
            node: None,
            line: line.into(),
        });
    };
    let needs = |name: &str| {
        planned.plan.actions().any(|action| match action {
            Action::UnpackArchive { artifact, .. } | Action::UploadFile { artifact, .. } => {
                artifact == name
            }
            _ => false,
        })
    };
    let agents = prepared.agents.each();
    let paths = agents.map(|agent| (agent.name.to_owned(), agent.path.clone()));
    let mut fetched = Fetched {
        paths: paths.collect(),
        ..Fetched::default()
    };
    for component in component::ALL {
        for component::Parcel { key, .. } in component.parcels(&prepared.topology) {
            let known = prepared.artifacts.get(&key);
            let path = known.and_then(|artifact| parcel::path(&key, artifact, &prepared.cache));
            fetched.paths.extend(path.map(|path| (key, path)));
        }
    }
    let choices = &prepared.receipt.choices;
    for component in component::ALL {
        let name = component.name();
        let origin = component.artifact(&prepared.topology, choices);
        let Some(origin) = origin.filter(|_| needs(name)) else {
            continue;
        };
        let recorded = choices.get(name, SOURCE);
        let (path, source) = origin::fetch(origin, &prepared.cache, recorded, &line).await?;
        fetched.paths.insert(name.to_owned(), path);
        fetched.sources.extend(source.map(|source| (name, source)));
    }
    Ok(fetched)
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
