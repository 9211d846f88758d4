//! What `up` says at its end: what was proven, the first documents, where to look at them, and the next commands. Data, so it goes to
//! standard output.

use std::io::{self, Write};
use std::path::Path;

use crate::carry_out::outcome::Outcome;
use crate::component::pipeline::{self, LOG, MOVER, SENDER, STORE};
use crate::component::{self, Port, Reach};
use crate::machine::Access;
use crate::run::journal;

/// Says them. `directory` is the deployment's own, where its secrets are.
pub fn say(outcome: &Outcome, directory: &Path, out: &mut dyn Write) -> io::Result<()> {
    let (prepared, seen) = (&outcome.planned.prepared, &outcome.planned.seen);
    let topology = &prepared.topology;
    if let Some(proof) = &outcome.proof {
        writeln!(out, "proven:    {}", proof.words())?;
    }
    let label = format!("{}:", SENDER.title());
    for (client, state) in &outcome.senders {
        writeln!(out, "{label:<11}{client} {state}")?;
    }
    for document in &outcome.documents {
        // Not every document has one.
        let line = format!(
            "document:  {}/{}  {}",
            document.database, document.id, document.timestamp
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    let store = topology.nodes_with(STORE.name()).next();
    let port = store.and_then(|node| component::tunnel_port(STORE, node, topology));
    if let (
        Some(node),
        Some(Port {
            number: port,
            reach,
            ..
        }),
    ) = (store, port)
    {
        let kind = STORE.stand_in(topology, &prepared.receipt.choices);
        let kind = kind.map_or(String::new(), |name| {
            format!(" ({name}, a stand-in for trying things out)")
        });
        match seen.machines.get(&node.name).map(|machine| &machine.access) {
            // The firewall there keeps this box out, too, and from a port that its node alone reaches everybody is.
            Some(Access::Ssh(_)) if !node.cloud.is_of_this_box() || reach == Reach::Node => {
                writeln!(
                    out,
                    "documents: by the tunnel of `deployer open {}`{kind}",
                    STORE.name()
                )?;
            }
            Some(Access::Ssh(access)) => {
                writeln!(
                    out,
                    "documents: http://{}:{port}/_utils{kind}",
                    access.address
                )?;
            }
            _ => writeln!(out, "documents: http://127.0.0.1:{port}/_utils{kind}")?,
        }
        let secrets = directory.join(journal::SECRETS_FILE);
        let admin = pipeline::ADMIN;
        writeln!(
            out,
            "           login {admin}, password in {}",
            secrets.display()
        )?;
    }
    for component in component::ALL {
        let is_told = [STORE.name(), LOG.name()].contains(&component.name());
        let is_there = topology
            .nodes
            .values()
            .any(|node| component.is_on(node, topology));
        if is_there && !is_told && component.tunnel().is_some() {
            let (label, name) = (format!("{}:", component.title()), component.name());
            writeln!(out, "{label:<10} by the tunnel of `deployer open {name}`")?;
        }
    }
    for state in &seen.clouds {
        if let Some(lifetime) = state.cloud.lifetime(&state.plan) {
            writeln!(out, "machines:  {lifetime}")?;
        }
    }
    let stored = topology.nodes_with(MOVER.name()).next().is_some();
    let docs = if stored { "deployer docs · " } else { "" };
    let produce = if pipeline::senders(topology).next().is_none() {
        ""
    } else {
        "deployer produce · "
    };
    writeln!(
        out,
        "next:      {docs}deployer status · {produce}deployer teardown"
    )
}
