//! Spark: it runs the streams, which make of the events of topics the rows of other topics.
//!
//! One process runs them all, by a driver of ours that is sent as a Java source: `java` compiles it at each start, as it is read.
//! Several nodes share the work of it.

mod attempt;
mod check;
mod cluster;
mod health;
pub mod jars;
mod job;
mod page;
mod section;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::place::{self, Place};
use super::service::{self, AUTHORITY};
use super::users::PASSWORDS;
use super::{
    Behind, Component, Context, Count, Disk, Flow, Form, Health, KnownAs, Memory, NewSecret,
    Origin, Port, Reach, Renewal, Stop, StreamReport, Tunnel, java, kafka,
};
use crate::authority;
use crate::facts::Facts;
use crate::inspect::Log;
use crate::inventory::{Findings, Inventory, Member, Section};
use crate::receipt::Choices;
use crate::rights::Right;
use crate::step::{Action, Content};
use crate::template::{TemplateError, fixed, render};
use crate::topology::{CANARY_TOPIC, Node, Topology};
use job::Job;
use section::STREAMS;

pub use attempt::{Attempt, attempt, names};
pub use check::check_topics;
pub use health::{Last, Progress, State};
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
    user: &'static str,
    password: &'a str,
}

#[derive(Serialize)]
struct Process {
    java: String,
    options: String,
    driver: String,
    job: String,
    memory_mib: u64,
    ui_port: u16,
    member: Option<cluster::Member>,
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

    /// It reads and writes what its streams do, and the canaries, by which is seen how far it is.
    fn rights(&self, _: &Node, topology: &Topology) -> Vec<Right> {
        let mut rights = vec![Right::on_topic(NAME, CANARY_TOPIC, "read")];
        for (name, stream) in streams(topology) {
            let write = stream.writes(name);
            let write = write.map(|topic| Right::on_topic(NAME, &topic, "write"));
            let read = Right::on_topic(NAME, &stream.from, "read");
            for right in [read].into_iter().chain(write) {
                if !rights.contains(&right) {
                    rights.push(right);
                }
            }
        }
        rights
    }

    /// Beside a driver is what works for it, and on other nodes what takes no more.
    fn memory(&self, _: &Node, topology: &Topology) -> Memory {
        let processes = if cluster::is_shared(topology) { 2 } else { 1 };
        Memory {
            heap: Some(section(topology).heap_mib.saturating_mul(processes)),
            beside: BESIDE_MIB * processes,
        }
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

    fn packages(&self, _: &Node, _: &Context<'_>) -> Vec<String> {
        vec![java::PACKAGE.to_owned()]
    }

    fn state_file(&self, node: &Node, topology: &Topology) -> Option<String> {
        cluster::leads(node, topology).then(|| state(topology))
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
            flows.push(Flow {
                from: Stop::Topic(stream.from.clone()),
                to: query.clone(),
            });
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
        let software = format!("{}/{NAME}", place::software(topology));
        let leads = cluster::leads(node, topology);
        let unit = if leads { UNIT } else { WORKER_UNIT };
        let (mut service, temporary) =
            java::service(node, context, &Self, (NAME, &software), unit)?;
        let mut login = None;
        if topology.security.is_on() {
            let known = authority::certificate(context.secrets);
            service.file(AUTHORITY, Content::open(known));
            let password = context.secrets.get(PASSWORDS, NAME);
            let text = render(
                "spark/login.conf",
                &Login {
                    user: NAME,
                    password,
                },
            )?;
            service.file(java::LOGIN, Content::secret(text));
            login = Some(service.place.file(java::LOGIN));
        }
        service.file(LOGGING, Content::open(fixed("spark/log4j2.properties")?));
        let member = cluster::join(&mut service, node, context, &temporary, login.as_deref())?;
        let heap_mib = section(topology).heap_mib;
        let options = Options {
            tuning: java::tuning(node, context).join("\n"),
            heap_mib,
            temporary: &temporary,
            login,
            logging: service.place.file(LOGGING),
            opened: OPENED,
            software: &software,
            classes: member.as_ref().map(cluster::Member::classes),
        };
        service.file(
            OPTIONS,
            Content::open(render("spark/java.options", &options)?),
        );
        let Memory { heap, beside } = self.memory(node, topology);
        let process = Process {
            java: place::java(topology),
            options: service.place.file(OPTIONS),
            driver: service.place.file(DRIVER),
            job: service.place.file(JOB),
            memory_mib: heap.unwrap_or(0).saturating_add(beside),
            ui_port: section(topology).ui_port,
            member,
        };
        if leads {
            service.file(DRIVER, Content::open(DRIVER_TEXT));
            service.judged_file(JOB, Job::of(context).content()?, judge(&process));
        }
        service.unit(unit, &process)
    }

    /// It never ends by itself, and one node alone opens no port that a member waits for.
    fn start(
        &self,
        _: &Node,
        context: &Context<'_>,
        reads: &BTreeMap<String, String>,
    ) -> Vec<Action> {
        service::start(
            &self.unit(context.topology, context.choices),
            reads,
            None,
            cluster::first_port(context.topology).as_slice(),
        )
    }
}

/// The driver itself looks at a new job, beside the one that runs.
fn judge(process: &Process) -> Vec<String> {
    let Process {
        java,
        options,
        driver,
        ..
    } = process;
    let command = [
        java,
        &format!("@{options}"),
        // It ends before a better compiler would be worth its time.
        "-XX:TieredStopAtLevel=1",
        driver,
        "check",
    ];
    command.map(str::to_owned).into()
}

fn section(topology: &Topology) -> &SparkSection {
    topology.sections.get()
}

/// The streams of a deployment, by name.
pub fn streams(topology: &Topology) -> &BTreeMap<String, Stream> {
    let StreamsSection(streams) = topology.sections.get();
    streams
}

/// The file in which the driver says how far it is.
pub fn state(topology: &Topology) -> String {
    format!("{}/{STATE}", Place::new(topology, NAME).data())
}
