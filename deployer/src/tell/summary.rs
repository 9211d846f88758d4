//! What `up` says at its end: what was proven, the first documents, where to look at them, and the next commands. Data, so it goes to
//! standard output.

use std::io::{self, Write};
use std::path::Path;

use crate::carry_out::outcome::Outcome;
use crate::component::{self, consumer, couchdb};
use crate::machine::Access;
use crate::run::journal;
use crate::topology::Distribution;

/// Says them. `directory` is the deployment's own, where its secrets are.
pub fn say(outcome: &Outcome, directory: &Path, out: &mut dyn Write) -> io::Result<()> {
    let (prepared, seen) = (&outcome.planned.prepared, &outcome.planned.seen);
    let topology = &prepared.topology;
    if let Some(proof) = &outcome.proof {
        writeln!(out, "proven:    {}", proof.words())?;
    }
    for (client, state) in &outcome.producers {
        writeln!(out, "producer:  {client} {state}")?;
    }
    for document in &outcome.documents {
        writeln!(
            out,
            "document:  {}/{}  {}",
            document.database, document.id, document.timestamp
        )?;
    }
    if let Some(node) = topology.nodes_with(couchdb::NAME).next() {
        let port = topology.couchdb.port;
        let kind = match prepared.couchdb() {
            Distribution::Pouchdb => " (PouchDB Server, a stand-in for trying things out)",
            _ => "",
        };
        match seen.machines.get(&node.name).map(|machine| &machine.access) {
            // The firewall there keeps this box out, too.
            Some(Access::Ssh(_)) if !node.cloud.is_of_this_box() => {
                writeln!(
                    out,
                    "documents: by the tunnel of `deployer open couchdb`{kind}"
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
        let admin = couchdb::ADMIN;
        writeln!(
            out,
            "           login {admin}, password in {}",
            secrets.display()
        )?;
    }
    for state in &seen.clouds {
        if let Some(lifetime) = state.cloud.lifetime(&state.plan) {
            writeln!(out, "machines:  {lifetime}")?;
        }
    }
    let stored = topology.nodes_with(consumer::NAME).next().is_some();
    let docs = if stored { "deployer docs · " } else { "" };
    let produce = if component::producers(topology).next().is_none() {
        ""
    } else {
        "deployer produce · "
    };
    writeln!(
        out,
        "next:      {docs}deployer status · {produce}deployer teardown"
    )
}
