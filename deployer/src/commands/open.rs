//! `open`: a tunnel to CouchDB or to the brokers, with the words how to use it.

use std::io::Write;

use crate::cli::{Environment, Open, Service};
use crate::component::{couchdb, kafka};
use crate::error::CommandError;
use crate::machine::Access;
use crate::reach::deployment::Deployment;
use crate::reach::ssh_line::{not_begun, program, ssh_arguments};
use crate::run::runner::Stop;

/// One end of the tunnel to the other.
struct Forward {
    node: String,
    local: String,
    local_port: u16,
    port: u16,
}

/// Keeps the tunnels open until interrupted.
pub async fn run(
    options: &Open,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let topology = &deployment.topology;
    let (role, port) = match options.service {
        Service::Couchdb => (couchdb::NAME, topology.couchdb.port),
        Service::Kafka => (kafka::NAME, topology.kafka.port),
    };
    if options.service == Service::Kafka && options.port.is_some_and(|own| own != port) {
        return Err(CommandError::usage(format!(
            "--port: brokers send each client to port {port}, so a tunnel at another port leads nowhere"
        ))
        .hint("leave --port out: each broker gets a loopback address of its own, where that port is seldom taken"));
    }
    let forwards: Vec<Forward> = topology
        .nodes_with(role)
        .enumerate()
        .map(|(index, node)| Forward {
            node: node.name.clone(),
            // Brokers advertise name and port, and all have the same port: each gets a loopback address of its own.
            local: if role == kafka::NAME {
                format!("127.0.0.{}", index + 2)
            } else {
                "127.0.0.1".into()
            },
            local_port: options.port.unwrap_or(port),
            port,
        })
        .collect();
    if forwards.is_empty() {
        return Err(CommandError::usage(format!(
            "this deployment has no node with the role {role}"
        )));
    }
    let connector = deployment.connector(environment)?;
    let mut tunnels = Vec::new();
    for forward in &forwards {
        let Forward {
            node,
            local,
            local_port,
            port,
        } = forward;
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
        arguments.push(format!("{local}:{local_port}:127.0.0.1:{port}"));
        arguments.extend(ssh_arguments(&connector, node)?);
        let child = program("ssh", &arguments).spawn();
        tunnels.push((node, child.map_err(|error| not_begun(&error))?));
    }
    match options.service {
        Service::Couchdb => {
            let local_port = options.port.unwrap_or(port);
            writeln!(
                out,
                "CouchDB: http://127.0.0.1:{local_port}/_utils  (stand-in: http://127.0.0.1:{local_port}/)"
            )?;
            writeln!(out, "login:   {}", couchdb::ADMIN)?;
            writeln!(out, "password: in {}", deployment.secrets_file().display())?;
        }
        Service::Kafka => {
            let names: Vec<String> = forwards
                .iter()
                .map(|forward| format!("{} {}", forward.local, topology.host_name(&forward.node)))
                .collect();
            writeln!(
                out,
                "Kafka: brokers answer by the names they advertise; put these lines into /etc/hosts of this box:"
            )?;
            for line in names {
                writeln!(out, "    {line}")?;
            }
            writeln!(
                out,
                "then: bootstrap servers {}, for as long as this runs; take the lines out again afterwards",
                kafka::bootstrap(topology)
            )?;
        }
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
    match Stop::on_interrupt().unless(1, first).await {
        Some(((node, status), _, _)) => {
            let hint = match options.service {
                Service::Couchdb => "is the local port taken? choose another with --port",
                Service::Kafka => {
                    "is the local port taken (`ss -tlnp`), perhaps by another `deployer open kafka`?"
                }
            };
            Err(CommandError::failed(format!("the tunnel to {node} ended: {}", status?)).hint(hint))
        }
        None => Ok(0),
    }
}
