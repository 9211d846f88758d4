//! `logs`: the newest log lines of a node's services, or of all services of a role.

use std::io::Write;
use std::time::Duration;

use crate::cli::{Environment, Logs};
use crate::component::{self, Component};
use crate::error::CommandError;
use crate::host::{Command, Input};
use crate::reach::connections::CONNECT_TIMEOUT_RUNNING;
use crate::reach::deployment::Deployment;
use crate::report::Reporter;
use crate::topology::Node;

/// Prints the lines, node by node.
pub async fn run(
    options: &Logs,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let topology = &deployment.topology;
    let wanted: Vec<(&Node, Vec<&dyn Component>)> =
        if let Some(component) = component::named(&options.subject) {
            let nodes = topology.nodes.values();
            let with = nodes.filter(|node| component.is_on(node, topology));
            with.map(|node| (node, vec![component])).collect()
        } else {
            let node = deployment.node(&options.subject)?;
            let all = component::of_node(node, topology);
            vec![(
                node,
                all.map(|component| component as &dyn Component).collect(),
            )]
        };
    let nodes = wanted.iter().map(|(node, _)| node.name.as_str());
    let connections = deployment
        .connect(nodes, CONNECT_TIMEOUT_RUNNING, environment, reporter)
        .await?;
    for (node, components) in wanted {
        let mut arguments: Vec<String> = ["--no-pager", "--output=short-iso", "--lines"]
            .map(String::from)
            .into_iter()
            .collect();
        arguments.push(options.lines.to_string());
        for component in components {
            arguments.push("--unit".into());
            arguments.push(deployment.unit(component));
        }
        let command = Command {
            program: "journalctl".into(),
            arguments,
            input: Input::Nothing,
            timeout: Duration::from_secs(20),
            root: true,
        };
        let output = connections.host(&node.name)?.run(&command).await?;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            writeln!(out, "{}: {line}", node.name)?;
        }
        if output.status != 0 {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(CommandError::failed(format!(
                "{}: journalctl ended with exit code {}: {said}",
                node.name, output.status
            )));
        }
    }
    connections.close(true).await?;
    Ok(0)
}
