//! Which CouchDB a deployment gets.

use super::package::repository;
use super::{Couchdb, Distribution, NAME, TITLE, section};
use crate::component::distributions::{Choice, ChoiceError, DISTRIBUTION, Distributions};
use crate::receipt::Choices;
use crate::topology::Topology;

const APACHE: Choice = Choice {
    name: "apache",
    instead: None,
};
const ARCHIVE: Choice = Choice {
    name: "archive",
    instead: None,
};
const STAND_IN: Choice = Choice {
    name: "pouchdb",
    instead: None,
};

const NO_PACKAGES: &str = "CouchDB's package repository does not answer; `couchdb: distribution:` can be `archive` (with `archive: FILE`, a \
     CouchDB release as tar.gz), `pouchdb` (a stand-in for trying things out), or `apache` with `repository:` (a mirror)";

/// Which CouchDB the deployment has: the choice that was made, else what the inventory says.
pub fn distribution(topology: &Topology, choices: &Choices) -> Distribution {
    match choices.get(NAME, DISTRIBUTION) {
        Some("archive") => Distribution::Archive,
        Some("pouchdb") => Distribution::Pouchdb,
        Some("apache") => Distribution::Apache,
        _ => match section(topology).distribution {
            Distribution::Auto | Distribution::Apache => Distribution::Apache,
            Distribution::Archive => Distribution::Archive,
            Distribution::Pouchdb => Distribution::Pouchdb,
        },
    }
}

impl Distributions for Couchdb {
    fn asked<'a>(&self, topology: &'a Topology) -> Option<&'a str> {
        (section(topology).distribution == Distribution::Auto).then(|| repository(topology))
    }

    /// `auto` is Apache's packages if their repository has them, else, on this box only, the stand-in.
    fn choose(
        &self,
        topology: &Topology,
        on_this_box: bool,
        chosen: Option<&str>,
        has_packages: bool,
    ) -> Result<Choice, ChoiceError> {
        let wanted = match section(topology).distribution {
            Distribution::Auto => None,
            Distribution::Apache => Some(APACHE),
            Distribution::Archive => Some(ARCHIVE),
            Distribution::Pouchdb => Some(STAND_IN),
        };
        let chosen = chosen.map(known).transpose()?;
        if chosen == Some(STAND_IN) && topology.security.is_on() && !on_this_box {
            return Err(ChoiceError::InTheClear { software: TITLE });
        }
        match (chosen, wanted) {
            (Some(chosen), Some(wanted)) if chosen != wanted => Err(ChoiceError::Flipped {
                software: TITLE,
                recorded: chosen.name,
                wanted: wanted.name,
            }),
            (Some(choice), _) | (None, Some(choice)) => Ok(choice),
            (None, None) if has_packages => Ok(APACHE),
            (None, None) if on_this_box => Ok(Choice {
                instead: Some("the stand-in"),
                ..STAND_IN
            }),
            (None, None) => Err(ChoiceError::NoPackages(NO_PACKAGES)),
        }
    }
}

/// A choice by its word in the receipt.
fn known(word: &str) -> Result<Choice, ChoiceError> {
    let mut all = [APACHE, ARCHIVE, STAND_IN].into_iter();
    all.find(|choice| choice.name == word)
        .ok_or_else(|| ChoiceError::Unknown {
            software: TITLE,
            choice: word.to_owned(),
        })
}
