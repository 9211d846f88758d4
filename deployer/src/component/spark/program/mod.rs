//! A user's own program in the driver's place: a process of its own on the first node, which logs in as a user of its own and knows
//! nothing of what other streams remember.

mod check;
mod look;

use std::collections::BTreeMap;

use serde::Serialize;

use super::section::{STREAMS, Stream, StreamsSection};
use super::{
    BESIDE_MIB, LOGGING, Login, NAME, OPTIONS, Options, STATE, Spark, kafka_settings, read_by,
    section, streams,
};
use crate::authority;
use crate::component::artifact::Parcel;
use crate::component::place::{self, Place};
use crate::component::service::{self, AUTHORITY, Service};
use crate::component::users::PASSWORDS;
use crate::component::{Context, java, kafka};
use crate::inventory::Inventory;
use crate::rights::Right;
use crate::step::{Action, Content};
use crate::template::{TemplateError, fixed, render};
use crate::topology::{Node, Topology};

pub(super) use check::{check, check_names};
pub use look::{Fault, look};

const UNIT: &str = "spark/program.service";
/// What the process is told beside what Spark's own are.
const ARGUMENTS: &str = "program.arguments";
/// How brokers are reached, in the words of Kafka's own clients.
const KAFKA: &str = "kafka.properties";
/// What Spark tells of its queries.
const WATCHER: &str = "Progress.java";
const WATCHER_TEXT: &str = include_str!("../../../../../templates/spark/Progress.java");

/// A stream that is a program.
#[derive(Clone, Copy)]
pub(super) struct Program<'a> {
    pub(super) name: &'a str,
    pub(super) stream: &'a Stream,
    file: &'a str,
    class: &'a str,
}

/// Those of a deployment.
pub(super) fn programs(topology: &Topology) -> impl Iterator<Item = Program<'_>> {
    let all = streams(topology).iter();
    all.filter_map(|(name, stream)| Program::of(name, stream))
}

#[derive(Serialize)]
struct Told<'a> {
    state: String,
    stream: &'a str,
    class: &'a str,
    arguments: Vec<String>,
}

#[derive(Serialize)]
struct Process {
    java: String,
    software: String,
    options: String,
    arguments: String,
    watcher: String,
    /// The program's source.
    source: Option<String>,
    classes: String,
    state: String,
    kafka: String,
    checkpoints: String,
    from: String,
    to: String,
    memory_mib: u64,
}

impl<'a> Program<'a> {
    /// A stream; `None`: it is a query.
    pub(super) fn of(name: &'a str, stream: &'a Stream) -> Option<Self> {
        Some(Self {
            name,
            stream,
            file: stream.program.as_deref()?,
            class: stream.class.as_deref().unwrap_or_default(),
        })
    }

    /// As whom it logs in.
    fn user(&self) -> String {
        format!("{NAME}-{}", self.name)
    }

    /// Its places. Their names end with the component's.
    fn place(&self, topology: &Topology) -> Place {
        Place::new(topology, &format!("{}-{NAME}", self.name))
    }

    /// Its unit.
    pub(super) fn unit(&self, topology: &Topology) -> String {
        self.place(topology).unit()
    }

    /// The file in which is said what is seen of it.
    pub(super) fn state(&self, topology: &Topology) -> String {
        format!("{}/{STATE}", self.place(topology).data())
    }

    /// The file, sent as it is.
    pub(super) fn parcel(&self) -> Parcel {
        Parcel {
            key: self.key(),
            files: vec![self.file.to_owned()],
            said_at: self.said_at(),
        }
    }

    fn said_at(&self) -> String {
        format!("{STREAMS}.{}.program", self.name)
    }

    fn key(&self) -> String {
        format!("{NAME}-{}", self.name)
    }

    /// Where the file lies.
    fn directory(&self, topology: &Topology) -> String {
        format!("{}/{STREAMS}/{}", place::software(topology), self.name)
    }

    /// What it may do at brokers: read what it is from, in groups of its own, and write what it is to.
    pub(super) fn rights(&self) -> Vec<Right> {
        let user = self.user();
        let on = |topics: &[String], may: &str| -> Vec<Right> {
            let right = |topic: &String| Right::on_topic(&user, topic, may);
            topics.iter().map(right).collect()
        };
        let mut rights = on(&self.stream.from.0, "read");
        rights.extend(on(&self.stream.to.0, "write"));
        let groups = kafka::users::groups(&user);
        rights.push(Right::on_groups(&user, &groups, "read"));
        rights
    }

    /// Its user, files and unit.
    pub(super) fn install(
        &self,
        node: &Node,
        context: &Context<'_>,
    ) -> Result<Vec<Action>, TemplateError> {
        let topology = context.topology;
        let place = self.place(topology);
        let software = format!("{}/{NAME}", place::software(topology));
        let mut service = Service::named(context, node, &Spark, place.clone());
        service.data_directory();
        let temporary = service.temporary_directory();
        service.add(java::link(context));
        service.add(service::unpack(
            context,
            node,
            NAME,
            software.clone(),
            UNIT,
        )?);
        let directory = self.directory(topology);
        service.add(service::unpack(
            context,
            node,
            &self.key(),
            directory.clone(),
            UNIT,
        )?);
        let mut login = None;
        if topology.security.is_on() {
            let known = authority::certificate(context.secrets);
            service.file(AUTHORITY, Content::open(known));
            let user = self.user();
            let password = context.secrets.get(PASSWORDS, &user);
            let text = render(
                "spark/login.conf",
                &Login {
                    user: &user,
                    password,
                },
            )?;
            service.file(java::LOGIN, Content::secret(text));
            login = Some(place.file(java::LOGIN));
        }
        let settings = kafka_settings(topology, &place);
        let lines = settings
            .iter()
            .map(|(key, value)| format!("{key}={value}\n"));
        service.file(KAFKA, Content::open(lines.collect::<String>()));
        service.file(LOGGING, Content::open(fixed("spark/log4j2.properties")?));
        service.file(WATCHER, Content::open(WATCHER_TEXT));
        let name = self.file.rsplit('/').next().unwrap_or(self.file);
        let file = format!("{directory}/{name}");
        let is_source = look::is_source(name);
        let classes = format!("{temporary}/classes/");
        let with_jar = format!("{classes}:{file}");
        let heap_mib = section(topology).heap_mib;
        let options = Options {
            tuning: java::tuning(node, context).join("\n"),
            heap_mib,
            temporary: &temporary,
            login,
            logging: place.file(LOGGING),
            opened: super::OPENED,
            software: &software,
            classes: Some(if is_source { &classes } else { &with_jar }),
        };
        let options = render("spark/java.options", &options)?;
        service.file(OPTIONS, Content::open(options));
        let state = self.state(topology);
        let words = self.stream.arguments.iter();
        let told = Told {
            state: state.clone(),
            stream: self.name,
            class: self.class,
            arguments: words.map(|word| quoted(word)).collect(),
        };
        let arguments = render("spark/program.arguments", &told)?;
        service.file(ARGUMENTS, Content::open(arguments));
        let process = Process {
            java: place::java(topology),
            software,
            options: place.file(OPTIONS),
            arguments: place.file(ARGUMENTS),
            watcher: place.file(WATCHER),
            source: is_source.then_some(file),
            classes,
            state,
            kafka: place.file(KAFKA),
            checkpoints: format!("{}/{}", place.data(), super::CHECKPOINTS),
            from: self.stream.from.0.join(","),
            to: self.stream.to.0.join(","),
            memory_mib: heap_mib.saturating_add(BESIDE_MIB),
        };
        service.unit(UNIT, &process)
    }

    /// Starts it; `reads` are all that is there for the component.
    pub(super) fn start(&self, topology: &Topology, reads: &BTreeMap<String, String>) -> Action {
        let place = self.place(topology);
        let more = [self.directory(topology)];
        Action::StartUnit {
            unit: place.unit(),
            reads: read_by(&place, &more, topology, reads),
            finishes: None,
            foreign: true,
        }
    }
}

/// The files of an inventory's programs → of each the key that names it, and the class that must be in it.
pub fn programs_of(inventory: &Inventory) -> Vec<(&str, String, &str)> {
    let StreamsSection(all) = inventory.sections.get();
    let programs = all
        .iter()
        .filter_map(|(name, stream)| Program::of(name, stream));
    programs
        .map(|program| (program.file, program.said_at(), program.class))
        .collect()
}

/// A word as `java` reads it in a file of arguments.
fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('\n', "\\n"))
}
