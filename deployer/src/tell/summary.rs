//! What `up` says at its end: what was proven, the first documents, where to look at them, and the next commands. Data, so it goes to
//! standard output.

use std::io::Write;
use std::path::Path;

use futures_util::future::try_join_all;
use serde_json::Value;

use crate::carry_out::prove::Proof;
use crate::cli::Up;
use crate::component::{self, consumer, couchdb};
use crate::documents::newest::newest;
use crate::error::CommandError;
use crate::machine::Access;
use crate::observe::{Planned, producers};
use crate::reach::connections::Connections;
use crate::report::Reporter;
use crate::run::journal;
use crate::topology::{Distribution, Topic, Topology};

/// Says them. `proof` is there when something changed; then the first documents are shown, too.
pub async fn say(
    connections: &Connections,
    planned: &Planned,
    directory: &Path,
    options: &Up,
    proof: Option<&Proof>,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let (prepared, seen) = (&planned.prepared, &planned.seen);
    let topology = &prepared.topology;
    let producers: Vec<&str> = component::producers(topology)
        .map(|node| node.name.as_str())
        .collect();
    if options.wait {
        producers::until_stored(connections, topology, &producers, reporter).await?;
    }
    if let Some(proof) = proof {
        writeln!(out, "proven:    {}", proof.words())?;
        for (client, state) in producers::progress(connections, topology, &producers).await? {
            writeln!(out, "producer:  {client} {state}")?;
        }
        if proof.documents.is_some() {
            first_documents(connections, topology, out).await?;
        }
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
    let produce = if producers.is_empty() {
        ""
    } else {
        "deployer produce · "
    };
    writeln!(
        out,
        "next:      {docs}deployer status · {produce}deployer teardown"
    )?;
    Ok(())
}

/// One document of each of the first topics, as far as there are any yet, in one line each.
async fn first_documents(
    connections: &Connections,
    topology: &Topology,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let is_shown = |topic: &&Topic| !topic.canary && topic.documented;
    let topics = topology.topics.values().filter(is_shown);
    let found = topics.take(2).map(async |topic| {
        let lines = newest(connections, topology, 1, Some(&topic.name)).await?;
        Ok::<_, CommandError>((topic, lines))
    });
    for (topic, lines) in try_join_all(found).await? {
        for line in lines.lines() {
            let document: Value = serde_json::from_str(line)?;
            let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
            let (database, id, when) = (&topic.database, text("_id"), text("timestamp"));
            writeln!(out, "document:  {database}/{id}  {when}")?;
        }
    }
    Ok(())
}
