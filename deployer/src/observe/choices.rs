//! Which distribution of a component a deployment gets: what the inventory leaves open.

use std::collections::BTreeMap;

use crate::artifact::repository::repository_answers;
use crate::artifact::{ArtifactError, Attempt};
use crate::cloud::local;
use crate::component::distributions::{ChoiceError, DISTRIBUTION, Distributions};
use crate::component::{self, Component};
use crate::error::CommandError;
use crate::machine::Machine;
use crate::prepare::images::{architecture, system_of_image};
use crate::prepare::prepared::Prepared;
use crate::reach::connections::Connections;
use crate::report::{Event, Reporter};
use crate::topology::{Machines, Node};

use super::ask::systems;

/// A component to be chosen, and its node.
struct Open<'a> {
    component: &'static dyn Component,
    distributions: &'static dyn Distributions,
    node: &'a Node,
}

/// A system as package repositories call it.
struct Wanted {
    suite: String,
    architecture: &'static str,
}

impl Prepared {
    /// The same with a decision on each component of which there are several distributions. Of hosts of the user nobody knows
    /// yet what system they are: what hangs on that stays open until [`Prepared::with_choices_there`].
    pub async fn with_choices(&self, reporter: &dyn Reporter) -> Result<Self, CommandError> {
        let mut decided = self.clone();
        for open in of_several(self) {
            let records = decided.receipt.machines.values();
            let has_data = records
                .flat_map(|record| &record.data)
                .any(|kind| kind == open.component.name());
            if !has_data {
                decided = decided.with(|receipt| {
                    receipt
                        .choices
                        .set(open.component.name(), DISTRIBUTION, None);
                })?;
            }
            let wanted = match open.node.cloud.kind().machines {
                _ if !decided.is_open(&open) => None,
                Machines::OfTheUser => continue,
                Machines::OfThisBox => {
                    let suite = local::release(&self.topology.clouds.local)?;
                    let architecture = architecture(self.agents.machine());
                    Some(Wanted {
                        suite,
                        architecture,
                    })
                }
                Machines::Sold(_) => system_of_image(open.node, &self.topology)
                    .filter(|system| !system.codename.is_empty())
                    .map(|system| Wanted {
                        architecture: architecture(&system.architecture),
                        suite: system.codename,
                    }),
            };
            decided = decided.choose(&open, wanted, reporter).await?;
        }
        Ok(decided)
    }

    /// The same with decisions that only the system of a host of the user's could tell, where the host is there.
    pub(super) async fn with_choices_there(
        &self,
        connections: &Connections,
        machines: &BTreeMap<String, Machine>,
        reporter: &dyn Reporter,
    ) -> Result<Self, CommandError> {
        let mut decided = self.clone();
        let there = |open: &Open<'_>| self.is_open(open) && machines.contains_key(&open.node.name);
        for open in of_several(self).filter(there) {
            let name = &open.node.name;
            let systems = systems(connections, &self.topology, [name.as_str()]).await?;
            let wanted = systems.get(name).map(|system| Wanted {
                suite: system.codename.clone(),
                architecture: architecture(&system.architecture),
            });
            decided = decided.choose(&open, wanted, reporter).await?;
        }
        Ok(decided)
    }

    fn is_open(&self, open: &Open<'_>) -> bool {
        self.chosen(open).is_none() && open.distributions.asked(&self.topology).is_some()
    }

    fn chosen(&self, open: &Open<'_>) -> Option<&str> {
        self.receipt
            .choices
            .get(open.component.name(), DISTRIBUTION)
    }

    /// Chooses, by asking the repository for a system where that decides. Where the system is not known nobody is asked.
    async fn choose(
        &self,
        open: &Open<'_>,
        wanted: Option<Wanted>,
        reporter: &dyn Reporter,
    ) -> Result<Self, CommandError> {
        let distributions = open.distributions;
        let asked = distributions.asked(&self.topology).zip(wanted);
        let refusal = match asked.filter(|_| self.is_open(open)) {
            None => None,
            Some((repository, wanted)) => {
                let answered =
                    repository_answers(repository, &wanted.suite, wanted.architecture).await;
                answered.err().map(|error| (repository, error))
            }
        };
        let choice = distributions.choose(
            &self.topology,
            open.node.cloud.is_of_this_box(),
            self.chosen(open),
            refusal.is_none(),
        );
        let choice = match (choice, refusal) {
            (Ok(choice), refusal) => {
                if let (Some(instead), Some((repository, error))) = (choice.instead, refusal) {
                    let (title, why) =
                        (open.component.title(), Attempt::new(repository, &error).why);
                    reporter.event(&Event::Note(format!(
                        "no packages of {title} from here ({why}): {instead} takes its place"
                    )));
                }
                choice
            }
            (Err(ChoiceError::NoPackages(cure)), Some((_, source))) => {
                return Err(ArtifactError::NoPackages { cure, source }.into());
            }
            (Err(error), _) => return Err(error.into()),
        };
        self.with(|receipt| {
            let choices = &mut receipt.choices;
            choices.set(open.component.name(), DISTRIBUTION, Some(choice.name));
        })
    }
}

/// The components of a deployment of which there are several distributions.
fn of_several(prepared: &Prepared) -> impl Iterator<Item = Open<'_>> {
    component::ALL.iter().filter_map(|component| {
        let mut nodes = prepared.topology.nodes.values();
        Some(Open {
            component: *component,
            distributions: component.distributions()?,
            node: nodes.find(|node| component.is_on(node, &prepared.topology))?,
        })
    })
}
