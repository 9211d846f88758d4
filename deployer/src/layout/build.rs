//! From an inventory to a topology.

use std::collections::BTreeMap;

use super::members::members;
use super::rules::read;
use super::{check, hosts, memory, state_copy};
use crate::component::{self, pipeline};
use crate::inventory::{Findings, Inventory, Member, Problems, Sections, check_deployment_name};
use crate::topology::{Former, Ids, Node, Options, Topology};

impl Topology {
    /// Reads an inventory of which all problems are to be said at once: those of the text, and those of how its parts fit
    /// together as far as they are certain.
    ///
    /// # Errors
    /// All problems of a text that is not good by itself.
    pub fn read(bytes: &[u8], file: &str, options: &Options) -> Result<Inventory, Problems> {
        let reading = read(bytes, file);
        let mut problems = reading.problems;
        match reading.inventory {
            Some(inventory) if problems.is_empty() => return Ok(inventory),
            Some(inventory) => {
                let mut findings = Findings::new(&inventory);
                look(&inventory, options, &Ids::default(), &mut findings);
                problems.extend(findings.certain());
            }
            None => {}
        }
        Err(Problems::from_all(problems))
    }

    /// Fills in defaults, names and ids. Those of `ids` (from the receipt) are kept; the returned ones are to be stored.
    ///
    /// # Errors
    /// All that does not fit together.
    pub fn new(
        inventory: &Inventory,
        options: &Options,
        ids: &Ids,
    ) -> Result<(Self, Ids), Problems> {
        let mut findings = Findings::new(inventory);
        let (topology, ids) = look(inventory, options, ids, &mut findings);
        findings.check()?;
        Ok((topology, ids))
    }
}

/// Fills in the topology, and looks at how the parts of an inventory fit together: without findings it is good.
fn look(
    inventory: &Inventory,
    options: &Options,
    ids: &Ids,
    findings: &mut Findings<'_>,
) -> (Topology, Ids) {
    if let Some(name) = &options.name
        && let Err(reason) = check_deployment_name(name)
    {
        findings.option("--name", format!("`{name}` {reason}"));
    }
    let members = members(inventory, options, findings);
    let ids = ids.extended(&members);
    let bare = Topology {
        name: options
            .name
            .clone()
            .unwrap_or_else(|| inventory.name.clone()),
        cloud: options.cloud.unwrap_or(inventory.cloud),
        security: inventory.security,
        state_copy: inventory.state_copy.clone(),
        nodes: members
            .iter()
            .map(|member| (member.name.clone(), node(inventory, member, &ids)))
            .collect(),
        former: Former::default(),
        topics: BTreeMap::new(),
        sections: inventory.sections.clone(),
        sinks: BTreeMap::new(),
        clouds: inventory.clouds.clone(),
    };
    check::check(inventory, &members, &bare, findings);
    memory::check(inventory, &members, &bare, findings);
    hosts::check(inventory, &members, findings);
    state_copy::check(inventory, findings);
    let mut topics = pipeline::topics(inventory, &members, &ids, findings);
    let sinks = pipeline::sinks(inventory, &members, &mut topics, findings);
    pipeline::check_readers(inventory, &members, &topics, findings);
    let topology = Topology {
        nodes: memory::filled(inventory, &members, &bare),
        former: ids.former(&members, &topics),
        topics,
        sinks,
        ..bare
    };
    (topology, ids)
}

/// A node, but for its memory, which hangs on what is on it.
fn node(inventory: &Inventory, member: &Member<'_>, ids: &Ids) -> Node {
    let host = member
        .cloud
        .is_of_the_user()
        .then(|| inventory.clouds.existing.hosts.get(&member.name))
        .flatten();
    let all = component::ALL.iter();
    let own = all.filter(|one| member.has(one.name()) || !one.is_role());
    let (mut numbers, mut sections) = (BTreeMap::new(), Sections::default());
    for component in own {
        let name = component.name();
        let number = ids.of(name).get(&member.name).copied();
        numbers.extend(number.map(|number| (name.to_owned(), number)));
        component.on_node(inventory, member, number, &mut sections);
    }
    let address = |text: Option<&String>| text.and_then(|text| text.parse().ok());
    Node {
        name: member.name.clone(),
        roles: member.entry.roles.clone(),
        cloud: member.cloud,
        memory_mib: 0,
        numbers,
        sections,
        access: host.map(hosts::access),
        private_address: address(host.and_then(|host| host.private_address.as_ref())),
        public_address: address(host.and_then(|host| host.public_address.as_ref())),
    }
}
