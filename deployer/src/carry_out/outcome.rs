//! What an `up` came to: the last of its values, after [`Prepared`](crate::prepare::prepared::Prepared),
//! [`Observed`](crate::observe::Observed) and [`Planned`].

use futures_util::future::try_join_all;
use serde_json::Value;

use super::prove::Proof;
use crate::component::pipeline;
use crate::documents::newest::newest;
use crate::error::CommandError;
use crate::observe::{Planned, senders};
use crate::reach::connections::Connections;
use crate::report::Reporter;
use crate::topology::{Topic, Topology};

/// The topics of which a document is shown.
const SHOWN: usize = 2;

/// What an `up` came to.
pub struct Outcome {
    /// What was planned, and is so now.
    pub planned: Planned,
    /// What was proven; `None`: nothing had changed, or there is nothing that carries events.
    pub proof: Option<Proof>,
    /// How far each sender is, in words, where something was proven.
    pub senders: Vec<(String, String)>,
    /// One document of each of the first topics, as far as there are any yet, where documents were proven.
    pub documents: Vec<Document>,
}

/// A document, as far as it is shown.
pub struct Document {
    /// The database it lies in.
    pub database: String,
    /// Its id.
    pub id: String,
    /// The time of its event, as the event says it.
    pub timestamp: String,
}

impl Outcome {
    /// Asks what can be shown of what was proven. `wait`: once the senders have sent all, and all is stored.
    pub async fn of(
        planned: Planned,
        proof: Option<Proof>,
        wait: bool,
        connections: &Connections,
        reporter: &dyn Reporter,
    ) -> Result<Self, CommandError> {
        let topology = &planned.prepared.topology;
        let clients: Vec<&str> = pipeline::senders(topology)
            .map(|node| node.name.as_str())
            .collect();
        if wait {
            let secrets = &planned.prepared.secrets;
            senders::until_stored(connections, topology, secrets, &clients, reporter).await?;
        }
        let senders = match &proof {
            Some(_) => senders::progress(connections, topology, &clients).await?,
            None => Vec::new(),
        };
        let stored = proof
            .as_ref()
            .is_some_and(|proof| proof.documents.is_some());
        let documents = if stored {
            first_documents(connections, topology).await?
        } else {
            Vec::new()
        };
        Ok(Self {
            planned,
            proof,
            senders,
            documents,
        })
    }
}

async fn first_documents(
    connections: &Connections,
    topology: &Topology,
) -> Result<Vec<Document>, CommandError> {
    let is_shown = |topic: &&Topic| !topic.canary && topic.documented;
    let topics = topology.topics.values().filter(is_shown);
    let found = topics.take(SHOWN).map(async |topic| {
        let lines = newest(connections, topology, 1, Some(&topic.name)).await?;
        let documents = lines.lines().map(|line| {
            let document: Value = serde_json::from_str(line)?;
            let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
            Ok::<_, CommandError>(Document {
                database: topic.database.clone(),
                id: text("_id"),
                timestamp: text("timestamp"),
            })
        });
        documents.collect::<Result<Vec<_>, _>>()
    });
    Ok(try_join_all(found).await?.into_iter().flatten().collect())
}
