//! Which CouchDB a deployment gets: what `auto` becomes.

use std::collections::BTreeMap;

use crate::artifact::couchdb::{self as artifact, Choice};
use crate::artifact::{Attempt, DownloadError};
use crate::cloud::local;
use crate::component::couchdb::package::repository;
use crate::component::couchdb::{self, DISTRIBUTION};
use crate::error::CommandError;
use crate::machine::Machine;
use crate::prepare::couchdb_packages::{architecture, system_of_image};
use crate::prepare::prepared::Prepared;
use crate::reach::connections::Connections;
use crate::report::{Event, Reporter};
use crate::topology::{Distribution, Machines, Node};

use super::ask::systems;

/// A system as package repositories call it.
struct Wanted {
    suite: String,
    architecture: &'static str,
}

impl Prepared {
    /// The same with a decision which CouchDB it is. Of hosts of the user nobody knows yet what system they are: where `auto`
    /// hangs on that, it stays open until [`Prepared::with_couchdb_there`].
    pub async fn with_couchdb(&self, reporter: &dyn Reporter) -> Result<Self, CommandError> {
        let Some(node) = self.topology.nodes_with(couchdb::NAME).next() else {
            return Ok(self.clone());
        };
        let records = self.receipt.machines.values();
        let has_data = records
            .flat_map(|record| &record.data)
            .any(|kind| kind == couchdb::NAME);
        let undecided = self.with(|receipt| {
            if !has_data {
                receipt.choices.set(couchdb::NAME, DISTRIBUTION, None);
            }
        })?;
        let wanted = match node.cloud.kind().machines {
            _ if !undecided.couchdb_is_open() => None,
            Machines::OfTheUser => return Ok(undecided),
            Machines::OfThisBox => {
                let suite = local::release(&self.topology.clouds.local)?;
                let architecture = architecture(self.agents.consumer.machine);
                Some(Wanted {
                    suite,
                    architecture,
                })
            }
            Machines::Sold(_) => system_of_image(node, &self.topology)
                .filter(|system| !system.codename.is_empty())
                .map(|system| Wanted {
                    architecture: architecture(&system.architecture),
                    suite: system.codename,
                }),
        };
        undecided.choose(node, wanted, reporter).await
    }

    /// The same with a decision that only the system of a host of the user's could tell, where the host is there.
    pub(super) async fn with_couchdb_there(
        &self,
        connections: &Connections,
        machines: &BTreeMap<String, Machine>,
        reporter: &dyn Reporter,
    ) -> Result<Self, CommandError> {
        let node = self.topology.nodes_with(couchdb::NAME).next();
        let there = |node: &&Node| machines.contains_key(&node.name);
        let Some(node) = node.filter(|_| self.couchdb_is_open()).filter(there) else {
            return Ok(self.clone());
        };
        let systems = systems(connections, &self.topology, [node.name.as_str()]).await?;
        let wanted = systems.get(&node.name).map(|system| Wanted {
            suite: system.codename.clone(),
            architecture: architecture(&system.architecture),
        });
        self.choose(node, wanted, reporter).await
    }

    fn couchdb_chosen(&self) -> Option<&str> {
        self.receipt.choices.get(couchdb::NAME, DISTRIBUTION)
    }

    fn couchdb_is_open(&self) -> bool {
        self.topology.couchdb.distribution == Distribution::Auto && self.couchdb_chosen().is_none()
    }

    /// Chooses, by asking the repository for a system where that decides. Where the system is not known nobody is asked.
    async fn choose(
        &self,
        node: &Node,
        wanted: Option<Wanted>,
        reporter: &dyn Reporter,
    ) -> Result<Self, CommandError> {
        let repository = repository(&self.topology).to_owned();
        let mut refusal = None;
        let probe = async {
            let Some(Wanted {
                suite,
                architecture,
            }) = &wanted
            else {
                return Ok(());
            };
            let answered = artifact::repository_answers(&repository, suite, architecture).await;
            let said = |error: &DownloadError| Attempt::new(repository.as_str(), error).why;
            refusal = answered.as_ref().err().map(said);
            answered
        };
        let choice = artifact::choose(
            self.topology.couchdb.distribution,
            node.cloud.is_of_this_box(),
            self.couchdb_chosen(),
            probe,
        )
        .await?;
        if let (Choice::Pouchdb, Some(why)) = (choice, refusal) {
            reporter.event(&Event::Note(format!(
                "no packages of CouchDB from here ({why}): the stand-in takes its place"
            )));
        }
        let chosen = Some(choice.name());
        self.with(|receipt| receipt.choices.set(couchdb::NAME, DISTRIBUTION, chosen))
    }
}
