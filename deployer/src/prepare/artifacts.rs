//! What is known, before anything is fetched, of what this box would send to nodes.

use std::path::Path;

use crate::artifact::agents::Agents;
use crate::artifact::cache::Cache;
use crate::artifact::{ArtifactError, folder, origin, parcel};
use crate::component::artifact::SOURCE;
use crate::component::{self, Artifacts, Origin};
use crate::error::CommandError;
use crate::inventory::{Inventory, Problems};
use crate::prepare::login_keys::expanded;
use crate::receipt::Choices;
use crate::topology::Topology;

/// What lies on this box already: our own binaries, the folders and files that the inventory names, whatever is recorded of them. All of
/// it is known, and what hangs on what is in it is chosen.
pub(super) async fn on_this_box(
    inventory: &Inventory,
    topology: &Topology,
    agents: &Agents,
    home: &Path,
    cache: &Cache,
    choices: &mut Choices,
) -> Result<Artifacts, CommandError> {
    let mut found = Artifacts::new();
    // Plain machines get none.
    let mut nodes = topology.nodes.values();
    if nodes.any(|node| component::has_agents(node, topology)) {
        found = agents.artifacts(cache)?;
    }
    let none = Choices::default();
    for component in component::ALL {
        let name = component.name();
        let Some(Origin::Folder(folder)) = component.artifact(topology, &none) else {
            continue;
        };
        let key = folder.key;
        let read = folder::read(folder, cache).await.map_err(|error| {
            let problem = inventory.problem(key, error.to_string(), None);
            CommandError::usage(Problems::from(problem))
        })?;
        for (choice, chosen) in read.chosen {
            choices.set(name, choice, chosen);
        }
        found.insert(name.to_owned(), read.artifact);
    }
    for component in component::ALL {
        for parcel in component.parcels(topology) {
            let files = parcel.files.iter().map(|file| expanded(file, home));
            let read = parcel::read(&parcel.key, files.collect(), cache).await;
            let read = read.map_err(|error| {
                let problem = inventory.problem(&parcel.said_at, error.to_string(), None);
                CommandError::usage(Problems::from(problem))
            })?;
            found.insert(parcel.key, read);
        }
    }
    Ok(found)
}

/// What would be sent by what is chosen.
pub(super) fn sent(
    topology: &Topology,
    choices: &Choices,
    cache: &Cache,
    on_this_box: &Artifacts,
) -> Result<Artifacts, ArtifactError> {
    let mut sent = on_this_box.clone();
    for component in component::ALL {
        let name = component.name();
        let Some(origin) = component.artifact(topology, choices) else {
            continue;
        };
        if let Some(known) = origin::known(origin, cache, choices.get(name, SOURCE))? {
            sent.insert(name.to_owned(), known);
        }
    }
    Ok(sent)
}
