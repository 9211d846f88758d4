//! `open`: tunnels to a component, with the words how to use them.

use std::io::Write;

use crate::cli::{Environment, Open};
use crate::component::{self, Component, Tunnel, TunnelEnd};
use crate::error::CommandError;
use crate::facts::{Query, UnitFact};
use crate::machine::Access;
use crate::reach::connections::CONNECT_TIMEOUT_RUNNING;
use crate::reach::deployment::Deployment;
use crate::reach::lent_names::LentNames;
use crate::reach::ssh_line::{not_begun, program, ssh_arguments};
use crate::report::{Event, Reporter};
use crate::run::Executor as _;
use crate::run::runner::Stop;

/// Keeps the tunnels open until interrupted, and the names that lead to them for as long in this box's hosts table, where we may
/// change that.
pub async fn run(
    options: &Open,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let topology = &deployment.topology;
    let role = options.service.name();
    let offered =
        component::named(role).and_then(|component| Some((component, component.tunnel()?)));
    let (component, tunnel) = offered
        .ok_or_else(|| CommandError::usage(format!("there is no tunnel to a node's {role}")))?;
    let nodes = topology.nodes.values();
    let nodes = nodes.filter(|node| component.is_on(node, topology));
    let ends = nodes.filter(|node| tunnel.ends_at(node, topology));
    let ports = ends.filter_map(|node| {
        let port = component::tunnel_port(component, node, topology)?;
        Some((node, port.number))
    });
    let forwards: Vec<(TunnelEnd, u16)> = ports
        .enumerate()
        .map(|(index, (node, port))| {
            let address = if tunnel.leads_by_name() {
                format!("127.0.0.{}", index + 2)
            } else {
                "127.0.0.1".into()
            };
            let end = TunnelEnd {
                node: node.name.clone(),
                address,
                port: options.port.unwrap_or(port),
            };
            (end, port)
        })
        .collect();
    if tunnel.leads_by_name()
        && let Some((_, port)) = forwards.iter().find(|(end, port)| end.port != *port)
    {
        return Err(CommandError::usage(format!(
            "--port: {}s send each client to port {port}, so a tunnel at another port leads nowhere",
            component.one()
        ))
        .hint(format!(
            "leave --port out: each {} gets a loopback address of its own, where that port is seldom taken",
            component.one()
        )));
    }
    if forwards.is_empty() {
        let missing = if component.is_role() {
            format!("node with the role {role}")
        } else {
            component.title().to_owned()
        };
        return Err(CommandError::usage(format!(
            "this deployment has no {missing}"
        )));
    }
    require_running(&deployment, component, &forwards, environment, reporter).await?;
    let stop = Stop::on_interrupt();
    let ends: Vec<TunnelEnd> = forwards.iter().map(|(end, _)| end.clone()).collect();
    let names = tunnel.names(&ends, topology);
    let machines = deployment.machines();
    let is_here = |end: &TunnelEnd| {
        let machine = machines.get(&end.node);
        machine.is_some_and(|machine| matches!(machine.access, Access::Here))
    };
    // A box that is one of the nodes has the names of all, and leads them to the nodes themselves.
    let lent = if names.is_empty() || ends.iter().any(is_here) {
        None
    } else {
        let block = format!("{} tunnel", topology.name);
        match LentNames::put(block, &names, reporter).await {
            Ok(lent) => Some(lent),
            Err(error) => {
                let words = format!("/etc/hosts stays as it is: {}", error.cause);
                reporter.event(&Event::Note(words));
                None
            }
        }
    };
    let ended = keep_open(
        &deployment,
        tunnel,
        (&forwards, lent.is_some()),
        environment,
        &stop,
        out,
    );
    let ended = ended.await;
    if let Some(lent) = lent {
        lent.take_out().await?;
    }
    ended
}

/// Refuses tunnels to what runs on none of the nodes, and names those on which it does not.
async fn require_running(
    deployment: &Deployment,
    component: &dyn Component,
    forwards: &[(TunnelEnd, u16)],
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    let nodes = || forwards.iter().map(|(end, _)| end.node.as_str());
    let connections = deployment
        .connect(nodes(), CONNECT_TIMEOUT_RUNNING, environment, reporter)
        .await?;
    connections.require_all()?;
    let unit = deployment.unit(component);
    let query = Query {
        units: [unit.clone()].into(),
        ..Query::default()
    };
    let mut silent = Vec::new();
    for node in nodes() {
        let facts = connections.executor().ask(node, &query).await?;
        if !facts.units.get(&unit).is_some_and(UnitFact::runs) {
            silent.push(node);
        }
    }
    connections.close(true).await?;
    if silent.is_empty() {
        return Ok(());
    }
    let words = format!(
        "{} does not run on {}",
        component.title(),
        silent.join(", ")
    );
    if silent.len() < forwards.len() {
        reporter.event(&Event::Note(words));
        return Ok(());
    }
    Err(CommandError::failed(words).hint(format!(
        "`deployer logs {}` says why; `deployer up` starts it",
        component.name()
    )))
}

/// Opens the tunnels and says how they are used, until one of them ends or somebody interrupts.
async fn keep_open(
    deployment: &Deployment,
    tunnel: &dyn Tunnel,
    (forwards, named): (&[(TunnelEnd, u16)], bool),
    environment: &Environment,
    stop: &Stop,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let connector = deployment.connector(environment)?;
    let mut tunnels = Vec::new();
    for (end, port) in forwards {
        let TunnelEnd {
            node,
            address,
            port: local_port,
        } = end;
        if matches!(deployment.machine(node)?.access, Access::Here) {
            writeln!(out, "{node} is this machine: port {port} is here already")?;
            continue;
        }
        // The configuration clears all forwardings, this one included, unless the command line was first to say otherwise.
        let mut arguments: Vec<String> = [
            "-N",
            "-o",
            "ClearAllForwardings=no",
            "-o",
            "ExitOnForwardFailure=yes",
            "-L",
        ]
        .map(String::from)
        .into();
        arguments.push(format!("{address}:{local_port}:127.0.0.1:{port}"));
        arguments.extend(ssh_arguments(&connector, node)?);
        let child = program("ssh", &arguments).spawn();
        tunnels.push((node, child.map_err(|error| not_begun(&error))?));
    }
    let ends: Vec<TunnelEnd> = forwards.iter().map(|(end, _)| end.clone()).collect();
    let secrets = deployment.secrets_file();
    let secrets = secrets.display().to_string();
    for line in tunnel.words(&ends, &deployment.topology, &secrets, named) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "Ctrl-C closes the tunnel.")?;
    out.flush()?;
    // All tunnels run at the same time; the first that ends, ends the command.
    let ends = tunnels
        .into_iter()
        .map(|(node, mut child)| Box::pin(async move { (node, child.wait().await) }));
    let ends: Vec<_> = ends.collect();
    if ends.is_empty() {
        return Ok(0);
    }
    let first = futures_util::future::select_all(ends);
    // Whatever ends the command, Ctrl-C or SIGTERM, ends its tunnels: they go with `first`.
    match stop.unless(1, first).await {
        Some(((node, status), _, _)) => Err(CommandError::failed(format!(
            "the tunnel to {node} ended: {}",
            status?
        ))
        .hint(tunnel.hint())),
        None => Ok(0),
    }
}
