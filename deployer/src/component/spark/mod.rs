//! Spark: it runs the streams, which make of the events of topics the rows of other topics.
//!
//! One process runs them all, by a driver of ours that is sent as a Java source: `java` compiles it at each start, as it is read.
//! Several nodes share the work of it. A program of the user's in its place has a process of its own.

mod attempt;
mod check;
mod cluster;
mod driver;
mod health;
pub mod jars;
mod job;
mod page;
mod program;
mod section;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::place::{self, Place};
use super::service::{self, AUTHORITY};
use super::{
    Behind, Component, Context, Count, Disk, Flow, Form, Health, KnownAs, Memory, NewSecret,
    Origin, Parcel, Port, Reach, Renewal, Stop, StreamReport, Tunnel, java, kafka,
};
use crate::facts::Facts;
use crate::inspect::Log;
use crate::inventory::{Findings, Inventory, Member, Section};
use crate::receipt::Choices;
use crate::rights::Right;
use crate::step::Action;
use crate::template::TemplateError;
use crate::topology::{CANARY_TOPIC, Node, Topology};
use program::programs;
use section::STREAMS;

pub use attempt::{Attempt, attempt, is_program, names};
pub use check::check_topics;
pub use health::{Last, Progress, State};
pub use program::{Fault, look, programs_of};
pub use section::{Mode, Parse, SparkSection, Stream, StreamsSection};

/// The component.
pub struct Spark;

/// Its name, and as whom it logs in to brokers.
pub const NAME: &str = "spark";

const UNIT: &str = "spark/spark.service";
/// That of a node that only works for the first.
const WORKER_UNIT: &str = "spark/worker.service";
const JOB: &str = "streams.json";
const STATE: &str = "state.json";
const CHECKPOINTS: &str = "checkpoints";
const DRIVER: &str = "Streams.java";
const DRIVER_TEXT: &str = include_str!("../../../../templates/spark/Streams.java");
const OPTIONS: &str = "java.options";
const LOGGING: &str = "log4j2.properties";

/// By what the processes of several nodes know each other.
const AUTHENTICATION: &str = "authentication";
const SECRETS: &[NewSecret] = &[NewSecret {
    key: AUTHENTICATION,
    form: Form::Password,
    known_as: Some(KnownAs {
        name: "authentication",
        about: "by what several nodes with Spark know each other",
        is_password: false,
        by_security: false,
        // All of them must know the same one.
        renewal: Renewal::Pausing,
    }),
}];

/// What it takes beside the heap, in MiB.
const BESIDE_MIB: u64 = 384;
/// What its jars take twice over, in MiB.
const ARCHIVE_MIB: u64 = 420;

/// The packages of Java that Spark looks into.
const OPENED: [&str; 13] = [
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "jdk.internal.ref",
    "sun.nio.ch",
    "sun.security.action",
    "sun.util.calendar",
];

#[derive(Serialize)]
struct Options<'a> {
    tuning: String,
    heap_mib: u64,
    temporary: &'a str,
    login: Option<String>,
    logging: String,
    opened: [&'static str; 13],
    software: &'a str,
    classes: Option<&'a str>,
}

#[derive(Serialize)]
struct Login<'a> {
    user: &'a str,
    password: &'a str,
}

impl Component for Spark {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "Spark"
    }

    fn about(&self) -> &'static str {
        "Runs the streams: queries whose rows go from topic to topic."
    }

    fn sections(&self) -> Vec<Section> {
        section::all()
    }

    fn needs(&self) -> &'static [&'static str] {
        &[kafka::NAME]
    }

    fn count(&self) -> Count {
        Count::Together
    }

    fn check(&self, inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
        check::check(inventory, members, findings);
    }

    fn reads_data_of(&self) -> &'static [&'static str] {
        &[kafka::NAME]
    }

    /// It reads and writes what its streams do, and the canaries, by which is seen how far it is. A program does so as itself.
    fn rights(&self, _: &Node, topology: &Topology) -> Vec<Right> {
        let mut rights = Vec::new();
        if has_driver(topology) {
            rights.push(Right::on_topic(NAME, CANARY_TOPIC, "read"));
        }
        for (name, stream) in queries(topology) {
            let read = stream.from.0.iter();
            let read = read.map(|topic| Right::on_topic(NAME, topic, "read"));
            let write = stream.writes(name);
            let write = write.map(|topic| Right::on_topic(NAME, &topic, "write"));
            for right in read.chain(write) {
                if !rights.contains(&right) {
                    rights.push(right);
                }
            }
        }
        rights.extend(programs(topology).flat_map(|program| program.rights()));
        rights
    }

    /// Beside a driver are what works for it and programs; on other nodes is what takes no more than those two.
    fn memory(&self, node: &Node, topology: &Topology) -> Memory {
        let mut processes = process_count(topology);
        if cluster::leads(node, topology) {
            processes += programs(topology).map(|_| 1).sum::<u64>();
        }
        memory(processes, topology)
    }

    fn secrets(&self) -> &'static [NewSecret] {
        SECRETS
    }

    fn disk(&self) -> Disk {
        Disk {
            data: 200,
            software: ARCHIVE_MIB,
        }
    }

    fn ports(&self, node: &Node, topology: &Topology) -> Vec<Port> {
        let mut ports = cluster::ports(node, topology);
        if cluster::leads(node, topology) {
            ports.push(Port {
                number: section(topology).ui_port,
                key: "spark.ui_port",
                reach: Reach::Node,
            });
        }
        ports
    }

    fn tunnel(&self) -> Option<&'static dyn Tunnel> {
        Some(&Self)
    }

    fn artifact(&self, _: &Topology, _: &Choices) -> Option<Origin> {
        Some(Origin::Jars(jars::jars()))
    }

    fn parcels(&self, topology: &Topology) -> Vec<Parcel> {
        programs(topology).map(|program| program.parcel()).collect()
    }

    fn units(&self, node: &Node, topology: &Topology, choices: &Choices) -> Vec<String> {
        let leads = cluster::leads(node, topology);
        let own = (!leads || has_driver(topology)).then(|| self.unit(topology, choices));
        let programs = programs(topology).filter(|_| leads);
        let programs = programs.map(|program| program.unit(topology));
        own.into_iter().chain(programs).collect()
    }

    fn packages(&self, _: &Node, _: &Context<'_>) -> Vec<String> {
        vec![java::PACKAGE.to_owned()]
    }

    fn state_file(&self, node: &Node, topology: &Topology) -> Option<String> {
        let leads = cluster::leads(node, topology) && has_driver(topology);
        leads.then(|| state(topology))
    }

    fn said_in(&self, node: &Node, topology: &Topology) -> Vec<String> {
        let programs = programs(topology).filter(|_| cluster::leads(node, topology));
        let programs = programs.map(|program| program.state(topology));
        let own = self.state_file(node, topology);
        own.into_iter().chain(programs).collect()
    }

    fn health(&self, node: &Node, topology: &Topology, facts: &Facts) -> Health {
        if cluster::leads(node, topology) {
            health::health(topology, facts)
        } else {
            Health::default()
        }
    }

    fn remarks(&self, topology: &Topology) -> Vec<String> {
        check::remarks(topology)
    }

    fn flows(&self, topology: &Topology) -> Vec<Flow> {
        let mut flows = Vec::new();
        for (name, stream) in streams(topology) {
            let query = Stop::Stream(name.clone());
            flows.extend(stream.from.0.iter().map(|topic| Flow {
                from: Stop::Topic(topic.clone()),
                to: query.clone(),
            }));
            flows.extend(stream.writes(name).map(|topic| Flow {
                from: query.clone(),
                to: Stop::Topic(topic),
            }));
        }
        flows
    }

    fn streams(
        &self,
        node: &Node,
        topology: &Topology,
        facts: &Facts,
        log: &Log,
        now: Timestamp,
    ) -> BTreeMap<String, StreamReport> {
        if cluster::leads(node, topology) {
            health::reports(topology, facts, log, now)
        } else {
            BTreeMap::new()
        }
    }

    fn behind(
        &self,
        topology: &Topology,
        state: &str,
        canary: i64,
    ) -> Option<BTreeMap<String, Behind>> {
        Some(health::behind(topology, state, canary))
    }

    /// The driver begins with the name of each stream that it refuses.
    fn meant(&self, said: &str) -> Vec<String> {
        let refused = said.split("stream `").skip(1);
        let named = refused.filter_map(|one| one.split_once("`: "));
        named
            .map(|(name, why)| {
                let key = if why.starts_with("`parse`") {
                    "parse"
                } else {
                    "sql"
                };
                format!("{STREAMS}.{name}.{key}")
            })
            .collect()
    }

    fn when_left(&self) -> Option<&'static str> {
        Some("its streams still run")
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let topology = context.topology;
        let leads = cluster::leads(node, topology);
        let mut actions = Vec::new();
        if !leads || has_driver(topology) {
            actions.extend(driver::install(node, context)?);
        }
        for program in programs(topology).filter(|_| leads) {
            for action in program.install(node, context)? {
                // The software is of all of them.
                if !actions.contains(&action) {
                    actions.push(action);
                }
            }
        }
        Ok(actions)
    }

    /// It never ends by itself, and one node alone opens no port that a member waits for.
    fn start(
        &self,
        node: &Node,
        context: &Context<'_>,
        reads: &BTreeMap<String, String>,
    ) -> Vec<Action> {
        let topology = context.topology;
        let leads = cluster::leads(node, topology);
        let mut actions = Vec::new();
        if !leads || has_driver(topology) {
            actions = service::start(
                &self.unit(topology, context.choices),
                // What a program reads concerns nobody else.
                &read_by(&Place::new(topology, NAME), &[], topology, reads),
                None,
                cluster::first_port(topology).as_slice(),
            );
        }
        let programs = programs(topology).filter(|_| leads);
        actions.extend(programs.map(|program| program.start(topology, reads)));
        actions
    }
}

fn section(topology: &Topology) -> &SparkSection {
    topology.sections.get()
}

/// The streams of a deployment, by name.
pub fn streams(topology: &Topology) -> &BTreeMap<String, Stream> {
    let StreamsSection(streams) = topology.sections.get();
    streams
}

/// What one process reads of all files of the component on a node: its own, those in more directories, and Spark.
fn read_by(
    place: &Place,
    more: &[String],
    topology: &Topology,
    reads: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut own = vec![
        format!("{}/", place.directory()),
        format!("{}/{NAME}/", place::software(topology)),
        place::unit_file(&place.unit()),
    ];
    own.extend(more.iter().map(|directory| format!("{directory}/")));
    let is_own = |path: &str| own.iter().any(|own| path.starts_with(own));
    let reads = reads.iter().filter(|(path, _)| is_own(path));
    reads
        .map(|(path, sum)| (path.clone(), sum.clone()))
        .collect()
}

/// Those that are queries, which the driver runs.
fn queries(topology: &Topology) -> impl Iterator<Item = (&String, &Stream)> {
    let all = streams(topology).iter();
    all.filter(|(_, stream)| stream.program.is_none())
}

/// Whether there is anything for the driver to do.
fn has_driver(topology: &Topology) -> bool {
    queries(topology).next().is_some() || cluster::is_shared(topology)
}

/// How many processes the driver and what works for it are on the first node.
fn process_count(topology: &Topology) -> u64 {
    u64::from(has_driver(topology)) + u64::from(cluster::is_shared(topology))
}

/// What so many processes take.
fn memory(processes: u64, topology: &Topology) -> Memory {
    Memory {
        heap: Some(section(topology).heap_mib.saturating_mul(processes)),
        beside: BESIDE_MIB * processes,
    }
}

/// How brokers are reached, in the words of Kafka's own clients. By which password is in the file of logins.
fn kafka_settings(topology: &Topology, place: &Place) -> BTreeMap<&'static str, String> {
    let mut settings = BTreeMap::from([("bootstrap.servers", kafka::bootstrap(topology))]);
    if topology.security.is_on() {
        settings.extend([
            ("security.protocol", "SASL_SSL".to_owned()),
            ("sasl.mechanism", "SCRAM-SHA-512".to_owned()),
            ("ssl.truststore.type", "PEM".to_owned()),
            ("ssl.truststore.location", place.file(AUTHORITY)),
        ]);
    }
    settings
}

/// The file in which the driver says how far it is.
pub fn state(topology: &Topology) -> String {
    format!("{}/{STATE}", Place::new(topology, NAME).data())
}
