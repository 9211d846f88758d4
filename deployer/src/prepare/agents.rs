//! Which of our own binaries are sent.

use std::env::consts::ARCH;
use std::path::Path;

use crate::artifact::agents::{self, Agents};
use crate::cloud::registry;
use crate::component;
use crate::error::CommandError;
use crate::receipt::Receipt;
use crate::report::Event;
use crate::topology::{CloudName, Topology};

/// Whether agents go onto machines of a cloud.
pub(super) fn go_to(cloud: CloudName, topology: &Topology) -> bool {
    let mut nodes = topology.nodes.values();
    nodes.any(|node| node.cloud == cloud && component::has_agents(node, topology))
}

/// The agents that were named, else those named at an earlier `up`, else those beside the deployer.
pub(super) fn choose(
    named: Option<&Path>,
    topology: &Topology,
    receipt: &mut Receipt,
    remarks: &mut Vec<Event>,
) -> Result<Agents, CommandError> {
    let executable = std::env::current_exe()?;
    // What machines of other clouds are is seen when they are there.
    let mut said = CloudName::all().filter_map(|cloud| {
        let provider = registry::provider(cloud).ok()?;
        let machine = provider.architecture(&topology.clouds)?;
        go_to(cloud, topology).then_some(machine)
    });
    let machine = said.next().unwrap_or(ARCH);
    let find = |directory: Option<&Path>| agents::find(directory, &executable, machine);
    if let Some(directory) = named {
        let agents = find(Some(directory)).map_err(CommandError::usage)?;
        let usual = find(None).is_ok_and(|usual| usual == agents);
        let directory = std::path::absolute(directory)?;
        receipt.agents = (!usual).then(|| directory.display().to_string());
        return Ok(agents);
    }
    if let Some(directory) = receipt.agents.clone() {
        match find(Some(Path::new(&directory))) {
            Ok(agents) => {
                remarks.push(Event::Note(format!(
                    "agents: those of {directory}, which `--agents` named at an earlier up"
                )));
                return Ok(agents);
            }
            Err(error) => remarks.push(Event::Warning(format!(
                "the agents that `--agents` named at an earlier up are gone, those beside the deployer are used: {error}"
            ))),
        }
        receipt.agents = None;
    }
    find(None).map_err(CommandError::usage)
}
