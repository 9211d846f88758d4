//! From an inventory to a topology.

use std::collections::BTreeMap;

use super::members::members;
use super::rules::read;
use super::{check, hosts, memory};
use crate::component;
use crate::component::consumer::sinks;
use crate::component::kafka::topics;
use crate::inventory::{
    self, Findings, Inventory, Member, Problems, Source, check_deployment_name, texts,
};
use crate::topology::{
    Consumer, Couchdb, Former, Ids, Kafka, Node, Options, Producer, SourceFile, Topology,
};

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
        nodes: members
            .iter()
            .map(|member| (member.name.clone(), node(inventory, member, &ids)))
            .collect(),
        kafka: kafka(&inventory.kafka),
        couchdb: couchdb(&inventory.couchdb),
        consumer: Consumer {
            batch_documents: inventory.consumer.batch_documents,
            batch_bytes: inventory.consumer.batch_bytes,
            batch_age_ms: inventory.consumer.batch_age.milliseconds(),
            metrics_port: inventory.consumer.metrics_port,
        },
        former: Former::default(),
        topics: BTreeMap::new(),
        sections: inventory.sections.clone(),
        sinks: BTreeMap::new(),
        clouds: inventory.clouds.clone(),
    };
    check::check(inventory, &members, &bare, findings);
    memory::check(inventory, &members, &bare, findings);
    hosts::check(inventory, &members, findings);
    let mut topics = topics::topics(inventory, &members, &ids, findings);
    let sinks = sinks::sinks(inventory, &members, &mut topics, findings);
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
    let address = |text: Option<&String>| text.and_then(|text| text.parse().ok());
    Node {
        name: member.name.clone(),
        roles: member.entry.roles.clone(),
        cloud: member.cloud,
        memory_mib: 0,
        broker_id: member
            .has(component::kafka::NAME)
            .then(|| ids.of(component::kafka::NAME).get(&member.name).copied())
            .flatten(),
        producer: member
            .has(component::producer::NAME)
            .then(|| producer(inventory, member, ids))
            .flatten(),
        access: host.map(hosts::access),
        private_address: address(host.and_then(|host| host.private_address.as_ref())),
        public_address: address(host.and_then(|host| host.public_address.as_ref())),
    }
}

fn producer(inventory: &Inventory, member: &Member<'_>, ids: &Ids) -> Option<Producer> {
    let number = *ids.of(component::producer::NAME).get(&member.name)?;
    let all = &inventory.producer;
    let own = &member.entry.producer;
    let source = own.source.unwrap_or(all.source);
    Some(Producer {
        number,
        topic: topics::topic_of(inventory, member, number),
        source: source.name().to_owned(),
        file: own
            .path
            .as_ref()
            .or(all.path.as_ref())
            .filter(|_| source == Source::File)
            .map(|path| SourceFile {
                path: path.clone(),
                group: own.group.as_ref().unwrap_or(&all.group).clone(),
            }),
        count: own.count.unwrap_or(all.count),
        interval_ms: own.interval.unwrap_or(all.interval).milliseconds(),
        raw: own.raw.unwrap_or(all.raw),
        metrics_port: all.metrics_port,
    })
}

fn kafka(kafka: &inventory::Kafka) -> Kafka {
    Kafka {
        version: kafka.version.clone(),
        port: kafka.port,
        heap_mib: kafka.heap_mib,
        replication: kafka.replication,
        min_insync_replicas: kafka.min_insync_replicas,
        mirror: kafka.mirror.clone(),
        settings: texts(&kafka.settings),
    }
}

fn couchdb(couchdb: &inventory::Couchdb) -> Couchdb {
    Couchdb {
        port: couchdb.port,
        distribution: couchdb.distribution,
        archive: couchdb.archive.clone(),
        repository: couchdb.repository.clone(),
        repository_key: couchdb.repository_key.clone(),
        settings: couchdb
            .settings
            .iter()
            .map(|(section, settings)| (section.clone(), texts(settings)))
            .collect(),
    }
}
