//! Which CouchDB a deployment gets: what `auto` becomes.

use crate::artifact::couchdb::{self as artifact, Choice};
use crate::artifact::{Attempt, DownloadError};
use crate::cloud::local;
use crate::component::couchdb::repository;
use crate::error::CommandError;
use crate::facts::System;
use crate::prepare::couchdb_packages::{architecture, system_of_image};
use crate::prepare::prepared::Prepared;
use crate::report::{Event, Reporter};
use crate::topology::{CloudName, Distribution, Node, Role};

/// A system as package repositories call it.
struct Wanted {
    suite: String,
    architecture: &'static str,
}

impl Prepared {
    /// Decides which CouchDB it is. Of hosts of the user nobody knows yet what system they are: where `auto` hangs on that, it
    /// stays open until [`Prepared::choose_couchdb_for`].
    pub async fn choose_couchdb(&mut self, reporter: &dyn Reporter) -> Result<(), CommandError> {
        let Some(node) = self.topology.nodes_with(Role::Couchdb).next().cloned() else {
            return Ok(());
        };
        let records = self.receipt.machines.values();
        let has_data = records
            .flat_map(|record| &record.data)
            .any(|kind| kind == Role::Couchdb.name());
        if !has_data {
            self.receipt.choices.couchdb_distribution = None;
        }
        let wanted = match node.cloud {
            _ if !self.couchdb_is_open() => None,
            CloudName::Existing => return Ok(()),
            CloudName::Local => {
                let suite = local::release(&self.topology.local)?;
                let architecture = architecture(self.agents.consumer.machine);
                Some(Wanted {
                    suite,
                    architecture,
                })
            }
            CloudName::Aws | CloudName::Chameleon => system_of_image(&node, &self.topology)
                .filter(|system| !system.codename.is_empty())
                .map(|system| Wanted {
                    architecture: architecture(&system.architecture),
                    suite: system.codename,
                }),
        };
        self.choose(&node, wanted, reporter).await
    }

    /// The node whose system has to be known before it is decided which CouchDB it gets.
    pub fn undecided_couchdb(&self) -> Option<&Node> {
        let node = self.topology.nodes_with(Role::Couchdb).next()?;
        self.couchdb_is_open().then_some(node)
    }

    /// Decides which CouchDB a host of this system gets.
    pub async fn choose_couchdb_for(
        &mut self,
        system: &System,
        reporter: &dyn Reporter,
    ) -> Result<(), CommandError> {
        let Some(node) = self.undecided_couchdb().cloned() else {
            return Ok(());
        };
        let wanted = Wanted {
            suite: system.codename.clone(),
            architecture: architecture(&system.architecture),
        };
        self.choose(&node, Some(wanted), reporter).await
    }

    fn couchdb_is_open(&self) -> bool {
        self.topology.couchdb.distribution == Distribution::Auto
            && self.receipt.choices.couchdb_distribution.is_none()
    }

    /// Chooses, by asking the repository for a system where that decides. Where the system is not known nobody is asked.
    async fn choose(
        &mut self,
        node: &Node,
        wanted: Option<Wanted>,
        reporter: &dyn Reporter,
    ) -> Result<(), CommandError> {
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
            node.cloud == CloudName::Local,
            self.receipt.choices.couchdb_distribution.as_deref(),
            probe,
        )
        .await?;
        if let (Choice::Pouchdb, Some(why)) = (choice, refusal) {
            reporter.event(&Event::Note(format!(
                "no packages of CouchDB from here ({why}): the stand-in takes its place"
            )));
        }
        self.receipt.choices.couchdb_distribution = Some(choice.name().into());
        self.refresh_artifacts().await
    }
}
