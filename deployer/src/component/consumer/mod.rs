//! The consumer agent: the service that moves events to CouchDB, and the tool by which the deployer prepares and asks
//! the pipeline.

pub mod alerts;
pub mod sinks;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::place::{self, Place};
use super::service::{self, Service};
use super::{
    Behind, Component, Context, Contrary, Difference, Disk, Flow, Memory, Port, Reach, Stop,
    couchdb, kafka, mariadb,
};
use crate::inventory::{Findings, Inventory, Member, Section, TimeSpan};
use crate::rights::Right;
use crate::step::Action;
use crate::template::TemplateError;
use crate::topology::{Node, Topology};

mod access;
mod configuration;
mod section;
mod tables;
mod tool;
mod wanted;

pub use section::ConsumerSection;
pub use tool::{credentials, operator_tool, pipeline, pipeline_node, tool};
pub use wanted::Wanted;

/// The component.
pub struct Consumer;

/// Its name.
pub const NAME: &str = "consumer";

const CONFIG: &str = "consumer.toml";
const UNIT: &str = "agent/consumer.service";

#[derive(Serialize)]
struct Process {
    program: String,
    config: String,
}

impl Component for Consumer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "consumer"
    }

    fn about(&self) -> &'static str {
        "Moves events from Kafka to CouchDB."
    }

    fn sections(&self) -> Vec<Section> {
        let mut sections = alerts::sections();
        sections.push(Section::of::<ConsumerSection>(NAME));
        sections
    }

    fn needs(&self) -> &'static [&'static str] {
        &[kafka::NAME, couchdb::NAME]
    }

    fn follows(&self) -> &'static [&'static str] {
        &[mariadb::NAME]
    }

    fn calls(&self) -> &'static [&'static str] {
        &[kafka::NAME, couchdb::NAME, mariadb::NAME]
    }

    /// Sinks say themselves what they need.
    fn requires(&self, inventory: &Inventory) -> Vec<&'static str> {
        let mut needed = self.needs().to_vec();
        needed.retain(|needed| inventory.sinks.is_empty() || *needed != couchdb::NAME);
        needed
    }

    fn check(&self, inventory: &Inventory, _: &[Member<'_>], findings: &mut Findings<'_>) {
        findings.check_span(
            "consumer.batch_age",
            inventory.sections.get::<ConsumerSection>().batch_age,
            TimeSpan::from_milliseconds(0),
            TimeSpan::from_seconds(60),
        );
        alerts::check(inventory, findings);
    }

    fn reads_data_of(&self) -> &'static [&'static str] {
        &[kafka::NAME]
    }

    fn memory(&self, _: &Node, _: &Topology) -> Memory {
        Memory {
            heap: None,
            beside: 128,
        }
    }

    fn disk(&self) -> Disk {
        Disk {
            data: 50,
            software: 0,
        }
    }

    fn differs(&self, wanted: &Value, report: Option<&Value>) -> Option<Difference> {
        wanted::differs(wanted, report)
    }

    fn contraries(&self, wanted: &Value, report: &Value) -> Vec<Contrary> {
        tables::contraries(wanted, report)
    }

    fn ports(&self, _: &Node, topology: &Topology) -> Vec<Port> {
        vec![Port {
            number: section(topology).metrics_port,
            key: "consumer.metrics_port",
            reach: Reach::Node,
        }]
    }

    fn is_agent(&self) -> bool {
        true
    }

    /// All of them are one user, who reads each topic that was ever of the inventory, by a group for each sink.
    fn rights(&self, _: &Node, topology: &Topology) -> Vec<Right> {
        let topics = topology.topics.keys().chain(topology.former.topics.keys());
        let topics = topics.map(|topic| Right::on_topic(NAME, topic, "read"));
        let sinks = topology.sinks.keys().chain(alerts::names(topology));
        let groups = sinks.map(|sink| format!("{}-{sink}", topology.name));
        let groups = [topology.name.clone()].into_iter().chain(groups);
        topics
            .chain(groups.map(|group| Right::on_group(NAME, &group, "read")))
            .collect()
    }

    /// Those by which a relay is known.
    fn packages(&self, _: &Node, context: &Context<'_>) -> Vec<String> {
        let topology = context.topology;
        let is_needed = alerts::names(topology).next().is_some() && alerts::is_encrypted(topology);
        let packages = is_needed.then(|| "ca-certificates".to_owned());
        packages.into_iter().collect()
    }

    fn said_in(&self, node: &Node, topology: &Topology) -> Vec<String> {
        if alerts::is_on(node, topology) {
            alerts::states(topology)
        } else {
            Vec::new()
        }
    }

    /// An alert reads no canary: its mail of trial proves it.
    fn behind(
        &self,
        topology: &Topology,
        state: &str,
        _canary: i64,
    ) -> Option<BTreeMap<String, Behind>> {
        Some(alerts::behind(topology, state))
    }

    /// On the node that answers for the pipeline.
    fn is_tool_on(&self, node: &Node, topology: &Topology) -> bool {
        pipeline_node(topology) == Some(node) && !node.has(NAME)
    }

    fn tool_files(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let place = Place::new(context.topology, NAME);
        Ok(service::tool(&place, configuration::files(node, context)?))
    }

    /// Databases have no names of their own in the inventory: each is called after its topic.
    fn flows(&self, topology: &Topology) -> Vec<Flow> {
        if topology.nodes_with(NAME).next().is_none() {
            return Vec::new();
        }
        let has_store = topology.nodes_with(couchdb::NAME).next().is_some();
        let documented = topology.topics.values();
        let documented = documented.filter(|topic| has_store && topic.documented && !topic.canary);
        let documents = documented.map(|topic| Flow {
            from: Stop::Topic(topic.name.clone()),
            to: Stop::Sink(format!("{} {}", couchdb::NAME, topic.database)),
        });
        let named = topology.sinks.iter().map(|(name, sink)| {
            let kind = sinks::kind(sink).map_or("", |kind| kind.name());
            Flow {
                from: Stop::Topic(sink.from.clone()),
                to: Stop::Sink(format!("{kind} {name}")),
            }
        });
        let alerts = alerts::told(topology).into_iter().map(|alert| Flow {
            from: Stop::Topic(alert.from.to_owned()),
            to: Stop::Sink(format!("mail {}", alert.name)),
        });
        documents.chain(named).chain(alerts).collect()
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let mut service = Service::new(context, node, &Self);
        let topology = context.topology;
        if !topology.sinks.is_empty() || alerts::is_on(node, topology) {
            service.kept_directory();
        }
        service.extend(configuration::files(node, context)?);
        let process = Process {
            program: place::program(context.topology, NAME),
            config: service.place.file(CONFIG),
        };
        service.unit(UNIT, &process)
    }
}

fn section(topology: &Topology) -> &ConsumerSection {
    topology.sections.get()
}
