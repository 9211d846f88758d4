//! The producer agent: the service that sends a client's events, and the tool by which canaries start.

use std::collections::BTreeMap;

use serde::Serialize;

use super::place::{self, Place};
use super::service::{self, Service};
use super::{Component, Context, artifact_key};
use crate::step::{Action, Content, Tool};
use crate::template::{TemplateError, render};
use crate::topology::{self, CANARY_TOPIC, Node, Role, Topology};

/// The component of [`Role::Producer`].
pub struct Producer;

const CONFIG: &str = "producer.toml";
const UNIT: &str = "agent/producer.service";
/// The file in which a producer says how far it came, and that it has finished.
const STATE: &str = "state.json";
/// The source that somebody else feeds: no unit can.
const STANDARD_INPUT: &str = "stdin";

#[derive(Serialize)]
struct Settings<'a> {
    client: &'a str,
    bootstrap: String,
    topic: &'a str,
    source: Option<&'a topology::Producer>,
    state: String,
}

#[derive(Serialize)]
struct Process {
    program: String,
    config: String,
}

impl Component for Producer {
    fn role(&self) -> Role {
        Role::Producer
    }

    fn packages(&self, _: &Context<'_>) -> Vec<String> {
        Vec::new()
    }

    fn ports(&self, _: &Node, _: &Context<'_>) -> Vec<u16> {
        Vec::new()
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let mut service = Service::new(context, node, Role::Producer);
        service.data_directory();
        service.extend(files(node, context)?);
        if as_service(node).is_none() {
            return Ok(service.without_unit());
        }
        let process = Process {
            program: place::program(context.topology, artifact_key::PRODUCER),
            config: service.place.file(CONFIG),
        };
        service.unit(UNIT, &process)
    }

    fn start(
        &self,
        node: &Node,
        context: &Context<'_>,
        reads: &BTreeMap<String, String>,
    ) -> Vec<Action> {
        if as_service(node).is_none() {
            return Vec::new();
        }
        vec![Action::StartUnit {
            unit: Place::new(context.topology, Role::Producer).unit(),
            reads: reads.clone(),
            finishes: Some(state_file(context.topology)),
        }]
    }
}

/// Where a producer keeps its state on its node.
pub fn state_file(topology: &Topology) -> String {
    format!("{}/{STATE}", Place::new(topology, Role::Producer).data())
}

/// The nodes where canaries start, with the binary: all producers, else the node that answers for the pipeline.
pub fn tools(topology: &Topology) -> BTreeMap<String, Tool> {
    let tool = Tool {
        program: place::program(topology, artifact_key::PRODUCER),
        config: Place::new(topology, Role::Producer).file(CONFIG),
    };
    topology
        .nodes
        .values()
        .filter(|node| node.has(Role::Producer) || starts_canaries_instead(node, topology))
        .map(|node| (node.name.clone(), tool.clone()))
        .collect()
}

/// The tool's files for a node that starts canaries without being a producer.
pub(super) fn tool_files(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    if !starts_canaries_instead(node, context.topology) {
        return Ok(Vec::new());
    }
    let place = Place::new(context.topology, Role::Producer);
    let mut actions = vec![service::configuration_directory(&place, "root")];
    actions.extend(files(node, context)?);
    Ok(actions)
}

fn starts_canaries_instead(node: &Node, topology: &Topology) -> bool {
    topology.nodes_with(Role::Producer).next().is_none() && topology.pipeline_node() == Some(node)
}

/// What the producer does as a service; `None`: it is none. Lines come from whoever runs the binary.
pub(super) fn as_service(node: &Node) -> Option<&topology::Producer> {
    let producer = node.producer.as_ref()?;
    (producer.source != STANDARD_INPUT).then_some(producer)
}

/// The binary and its configuration.
fn files(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    let topology = context.topology;
    let place = Place::new(topology, Role::Producer);
    let group = service::group(topology, node, Role::Producer);
    let producer = node.producer.as_ref();
    let settings = Settings {
        client: &node.name,
        bootstrap: topology.kafka_bootstrap(),
        topic: producer.map_or(CANARY_TOPIC, |producer| &producer.topic),
        source: producer,
        state: place.data(),
    };
    let config = Content::open(render("agent/producer.toml", &settings)?);
    Ok(vec![
        service::upload(context, artifact_key::PRODUCER, UNIT)?,
        service::configuration_file(&place, &group, CONFIG, config),
    ])
}
