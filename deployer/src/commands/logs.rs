//! `logs`: the newest log lines of a node's services, or of all services of a role or a program.

use std::io::Write;
use std::time::Duration;

use crate::cli::{Environment, Logs};
use crate::component;
use crate::component::place::Place;
use crate::error::CommandError;
use crate::host::{Command, Input};
use crate::reach::connections::CONNECT_TIMEOUT_RUNNING;
use crate::reach::deployment::Deployment;
use crate::receipt::Secrets;
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
    let wanted = wanted(&deployment, &options.subject)?;
    let secrets = deployment.secrets()?;
    let hidden = hidden(&secrets);
    let nodes = wanted.iter().map(|(node, _)| node.name.as_str());
    let connections = deployment
        .connect(nodes, CONNECT_TIMEOUT_RUNNING, environment, reporter)
        .await?;
    for (node, units) in wanted {
        let mut arguments: Vec<String> = ["--no-pager", "--output=short-iso", "--lines"]
            .map(String::from)
            .into_iter()
            .collect();
        arguments.push(options.lines.to_string());
        for unit in units {
            arguments.extend(["--unit".into(), unit]);
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
            writeln!(out, "{}: {}", node.name, without(line, &hidden))?;
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

/// The nodes, and of each the units whose lines are wanted.
fn wanted<'a>(
    deployment: &'a Deployment,
    subject: &str,
) -> Result<Vec<(&'a Node, Vec<String>)>, CommandError> {
    let topology = &deployment.topology;
    let units = |node: &'a Node, named: &dyn Fn(&str, &str) -> bool| -> Vec<String> {
        let all = component::of_node(node, topology);
        let all = all.flat_map(|component| {
            let units = deployment.units(component, node).into_iter();
            units.map(|unit| (component.name(), unit))
        });
        all.filter(|(component, unit)| named(component, unit))
            .map(|(_, unit)| unit)
            .collect()
    };
    let own = Place::new(topology, subject).unit();
    let named = |component: &str, unit: &str| component == subject || unit == own;
    let nodes = topology.nodes.values();
    let mut wanted: Vec<_> = nodes.map(|node| (node, units(node, &named))).collect();
    wanted.retain(|(_, units)| !units.is_empty());
    if wanted.is_empty() && component::named(subject).is_none() {
        let node = deployment.node(subject)?;
        wanted.push((node, units(node, &|_, _| true)));
    }
    Ok(wanted)
}

/// Shorter lines of secrets are words that anybody may say.
const SHORTEST: usize = 12;

/// What no line shows: each line of all secrets. Whoever has a login may print it by mistake.
fn hidden(secrets: &Secrets) -> Vec<&str> {
    let all = secrets.all().chain(secrets.all_former());
    let lines = all.flat_map(|(_, _, secret)| secret.expose().lines());
    lines
        .map(str::trim)
        .filter(|line| line.len() >= SHORTEST && !line.starts_with("-----"))
        .collect()
}

/// A line without them.
fn without(line: &str, hidden: &[&str]) -> String {
    let mut line = line.to_owned();
    for secret in hidden {
        if line.contains(secret) {
            line = line.replace(secret, "<secret>");
        }
    }
    line
}
