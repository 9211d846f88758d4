//! The producer agent: the service that sends a client's events, and the tool by which canaries start.

mod bucket;
mod check;
mod client;
mod health;
mod section;
mod topic_pattern;

use std::collections::BTreeMap;

use serde::Serialize;

use super::kafka::AgentLogin;
use super::place::{self, Place};
use super::service::{self, Service};
use super::{
    Component, Context, Disk, Flow, Health, Memory, Numbers, Port, Reach, Stop, Unfit, consumer,
    kafka,
};
use crate::facts::{Facts, System};
use crate::inventory::{Findings, Inventory, Member, Section, Sections};
use crate::machine::Profile;
use crate::rights::Right;
use crate::step::{Action, Content, Tool};
use crate::template::{TemplateError, render};
use crate::topology::{CANARY_TOPIC, Node, Topology};
use topic_pattern::check_topic_pattern;

pub use bucket::{Bucket, BucketSection, KEYS as BUCKET_KEYS, OpenedBy};
pub use client::{Client, SourceFile, topic_of};
pub use health::state;
pub use section::{ProducerChange, ProducerSection, Source};

/// The component.
pub struct Producer;

/// Its name.
pub const NAME: &str = "producer";

const CONFIG: &str = "producer.toml";
const UNIT: &str = "agent/producer.service";
/// The file in which a producer says how far it came, and that it has finished.
const STATE: &str = "state.json";

#[derive(Serialize)]
struct Settings<'a> {
    client: &'a str,
    bootstrap: String,
    topic: &'a str,
    login: Option<AgentLogin>,
    source: Option<&'a Client>,
    bucket_keys: Option<String>,
    state: String,
}

#[derive(Serialize)]
struct Process<'a> {
    program: String,
    config: String,
    group: Option<&'a str>,
}

impl Component for Producer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "producer"
    }

    fn about(&self) -> &'static str {
        "Produces events."
    }

    fn sections(&self) -> Vec<Section> {
        let section = Section::of::<ProducerSection>(NAME);
        vec![section.with(&[("topic-pattern", check_topic_pattern)])]
    }

    fn node_sections(&self) -> Vec<Section> {
        vec![Section::of::<ProducerChange>(NAME)]
    }

    fn on_node(
        &self,
        inventory: &Inventory,
        member: &Member<'_>,
        number: Option<u32>,
        sections: &mut Sections,
    ) {
        if let Some(number) = number {
            sections.add(NAME, client::client(inventory, member, number));
        }
    }

    fn needs(&self) -> &'static [&'static str] {
        &[kafka::NAME]
    }

    // So that nothing is sent into the void.
    fn follows(&self) -> &'static [&'static str] {
        &[consumer::NAME]
    }

    fn numbers(&self) -> Option<Numbers> {
        Some(Numbers::KeptByRenamed)
    }

    fn check(&self, inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
        check::check(inventory, members, findings);
    }

    fn memory(&self, _: &Node, _: &Topology) -> Memory {
        Memory {
            heap: None,
            beside: 32,
        }
    }

    fn disk(&self) -> Disk {
        Disk {
            data: 50,
            software: 0,
        }
    }

    fn user_files(&self, node: &Node) -> BTreeMap<String, String> {
        let file = client(node).and_then(|client| client.file.as_ref());
        let file = file.map(|file| (file.path.clone(), file.group.clone()));
        file.into_iter().collect()
    }

    fn unfit(&self, system: &System, _: &Context<'_>) -> Vec<Unfit> {
        let closed = system.closed.iter().map(|(path, why)| Unfit {
            what: format!("the producer could not read {path}: {why}"),
            hint: "let a group read it and say `group:` beside `path:`, or name another file"
                .to_owned(),
        });
        closed.collect()
    }

    fn ports(&self, node: &Node, _: &Topology) -> Vec<Port> {
        let service = as_service(node).map(|client| Port {
            number: client.metrics_port,
            key: "producer.metrics_port",
            reach: Reach::Node,
        });
        service.into_iter().collect()
    }

    fn is_agent(&self) -> bool {
        true
    }

    /// Each node has a user of its own, who writes its topic and the canaries'.
    fn rights(&self, node: &Node, _: &Topology) -> Vec<Right> {
        let own = client(node).map(|client| client.topic.as_str());
        let topics = [CANARY_TOPIC].into_iter().chain(own);
        let user = user(node);
        let mut rights: Vec<Right> = topics
            .map(|topic| Right::on_topic(&user, topic, "write"))
            .collect();
        // Where it came to is an offset of a group of its own, and a part of its transactions. Kafka lets only who may read a topic
        // keep one for it.
        if let Some(client) = client(node).filter(|client| client.bucket.is_some()) {
            rights.push(Right::on_topic(&user, &client.topic, "read"));
            rights.push(Right::on_group(&user, &user, "read"));
            rights.push(Right::on_transactions(&user, &user, "write"));
        }
        rights
    }

    fn profile<'a>(&self, node: &'a Node) -> Option<&'a Profile> {
        match &client(node)?.bucket.as_ref()?.opened_by {
            OpenedBy::Profile(profile) => Some(profile),
            OpenedBy::File { .. } => None,
        }
    }

    /// Where canaries start without a producer: on the node that answers for the pipeline.
    fn is_tool_on(&self, node: &Node, topology: &Topology) -> bool {
        let producers = topology.nodes_with(NAME).next();
        producers.is_none() && consumer::pipeline_node(topology) == Some(node)
    }

    fn tool_files(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let place = Place::new(context.topology, NAME);
        Ok(service::tool(&place, files(node, context)?))
    }

    fn flows(&self, topology: &Topology) -> Vec<Flow> {
        let nodes = topology.nodes_with(NAME);
        let flow = |node: &Node| {
            let client = client(node)?;
            let source = match &client.file {
                Some(file) => file.path.clone(),
                None => match &client.bucket {
                    Some(bucket) => format!("bucket {}", bucket.name),
                    None => client.source.name().to_owned(),
                },
            };
            Some(Flow {
                from: Stop::Source(format!("{source} of {}", node.name)),
                to: Stop::Topic(client.topic.clone()),
            })
        };
        nodes.filter_map(flow).collect()
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let mut service = Service::new(context, node, &Self);
        service.data_directory();
        service.extend(files(node, context)?);
        let Some(client) = as_service(node) else {
            return Ok(service.without_unit());
        };
        let process = Process {
            program: place::program(context.topology, NAME),
            config: service.place.file(CONFIG),
            group: client.file.as_ref().map(|file| file.group.as_str()),
        };
        service.unit(UNIT, &process)
    }

    fn has_unit(&self, node: &Node) -> bool {
        as_service(node).is_some()
    }

    fn state_file(&self, _: &Node, topology: &Topology) -> Option<String> {
        Some(state_file(topology))
    }

    fn health(&self, _: &Node, topology: &Topology, facts: &Facts) -> Health {
        health::health(topology, facts)
    }

    fn when_left(&self) -> Option<&'static str> {
        Some("its producer still sends; that is read until `deployer up --prune`")
    }
}

/// Where a producer keeps its state on its node.
pub fn state_file(topology: &Topology) -> String {
    format!("{}/{STATE}", Place::new(topology, NAME).data())
}

/// Whether what a node sends has no end.
pub fn sends_for_ever(node: &Node) -> bool {
    client(node).is_some_and(|client| client.count == 0 || client.schedule.is_some())
}

/// The nodes where canaries start, with the binary: all producers, else the node that answers for the pipeline.
pub fn tools(topology: &Topology) -> BTreeMap<String, Tool> {
    let tool = Tool {
        program: place::program(topology, NAME),
        config: Place::new(topology, NAME).file(CONFIG),
        login: None,
    };
    topology
        .nodes
        .values()
        .filter(|node| node.has(NAME) || Producer.is_tool_on(node, topology))
        .map(|node| (node.name.clone(), tool.clone()))
        .collect()
}

/// What the producer of a node does; `None`: it has none.
pub fn client(node: &Node) -> Option<&Client> {
    node.sections.find()
}

/// The nodes that read a bucket, and which.
pub fn buckets(topology: &Topology) -> Vec<(&Node, &Bucket)> {
    let nodes = topology.nodes.values();
    let reads = nodes.filter_map(|node| Some((node, client(node)?.bucket.as_ref()?)));
    reads.collect()
}

/// The file with the keys of each node that reads a bucket by some, and the key of the inventory that says it.
pub fn bucket_keys_files<'a>(topology: &'a Topology) -> Vec<(&'a str, &'a str, &'a str)> {
    let nodes = topology.nodes.values();
    let reads = |node: &'a Node| match &client(node)?.bucket.as_ref()?.opened_by {
        OpenedBy::File { path, key } => Some((node.name.as_str(), key.as_str(), path.as_str())),
        OpenedBy::Profile(_) => None,
    };
    nodes.filter_map(reads).collect()
}

/// The same as a service; `None`: it is none. Lines come from whoever runs the binary.
fn as_service(node: &Node) -> Option<&Client> {
    client(node).filter(|client| client.source != Source::Stdin)
}

/// The binary and its configuration.
fn files(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    let topology = context.topology;
    let place = Place::new(topology, NAME);
    let group = service::group(topology, node, NAME);
    let source = client(node);
    let login = AgentLogin::of(&place, user(node), topology);
    let mut read = vec![service::upload(context, NAME, UNIT)?];
    if let Some(login) = &login {
        read.extend(login.files(&place, &group, context));
    }
    let bucket = source.and_then(|client| client.bucket.as_ref());
    let has_keys = bucket.is_some_and(Bucket::has_keys);
    if has_keys {
        let keys = bucket::keys(node, context.secrets);
        read.push(service::configuration_file(
            &place,
            &group,
            bucket::FILE,
            keys,
        ));
    }
    let settings = Settings {
        client: &node.name,
        bootstrap: kafka::bootstrap(topology),
        topic: source.map_or(CANARY_TOPIC, |client| &client.topic),
        login,
        source,
        bucket_keys: has_keys.then(|| place.file(bucket::FILE)),
        state: place.data(),
    };
    let config = Content::open(render("agent/producer.toml", &settings)?);
    read.push(service::configuration_file(&place, &group, CONFIG, config));
    Ok(read)
}

/// As whom the producer of a node logs in.
fn user(node: &Node) -> String {
    format!("{NAME}-{}", node.name)
}
