//! Programs of the inventory's own: files of the user's that run as services, each as a user of its own, with a login at the brokers that
//! may do what the inventory says.

mod check;
mod environment;
mod schedule;
mod section;

use std::collections::BTreeMap;

use serde::Serialize;

use super::artifact::Parcel;
use super::kafka;
use super::place::{self, Place};
use super::service::{self, Service};
use super::{Component, Context, Disk, Flow, Memory, Stop, checksums, couchdb};
use crate::inventory::{Findings, Inventory, Member, Section, Sections};
use crate::receipt::Choices;
use crate::rights::Right;
use crate::shell::quoted;
use crate::step::{Access, Action, Content};
use crate::template::{TemplateError, render};
use crate::topology::{Node, Topology};
use environment::environment;
use schedule::calendar;
use section::{KAFKA, PROGRAMS, check_program_name, check_variable_name};

pub use check::check_topics;
pub use section::{OwnProgram, ProgramsSection};

/// The component.
pub struct Program;

/// Its name. That of a program's unit, user and directories is the program's.
pub const NAME: &str = "program";

const UNIT: &str = "program/program.service";
/// That of one that runs at times, and what starts it then.
const SCHEDULED: &str = "program/scheduled.service";
const TIMER: &str = "program/program.timer";
const RUN: &str = "run";

/// The names of the programs on a node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OnNode(pub Vec<String>);

#[derive(Serialize)]
struct Script<'a> {
    variables: BTreeMap<String, String>,
    directory: String,
    run: &'a str,
}

/// What starts a program at times.
#[derive(Serialize)]
struct Timer<'a> {
    description: String,
    calendar: Vec<String>,
    /// The checksum of the service: a change of it is one of the timer, which makes systemd read both anew.
    service: &'a str,
}

#[derive(Serialize)]
struct Process {
    timer: String,
    run: String,
    memory_mib: u64,
}

impl Component for Program {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "own programs"
    }

    fn about(&self) -> &'static str {
        "Programs of the inventory's own."
    }

    fn is_role(&self) -> bool {
        false
    }

    fn sections(&self) -> Vec<Section> {
        let section = Section::of::<ProgramsSection>(PROGRAMS);
        vec![section.with(&[
            ("program-name", check_program_name),
            ("variable-name", check_variable_name),
        ])]
    }

    fn on_node(
        &self,
        inventory: &Inventory,
        member: &Member<'_>,
        _: Option<u32>,
        sections: &mut Sections,
    ) {
        let ProgramsSection(programs) = inventory.sections.get();
        let here = programs
            .iter()
            .filter(|(_, program)| check::is_on(program, member));
        let here: Vec<String> = here.map(|(name, _)| name.clone()).collect();
        if !here.is_empty() {
            sections.add(NAME, OnNode(here));
        }
    }

    fn is_on(&self, node: &Node, _: &Topology) -> bool {
        node.sections.find::<OnNode>().is_some()
    }

    fn needs(&self) -> &'static [&'static str] {
        &[kafka::NAME, couchdb::NAME]
    }

    /// Each program says itself what it needs.
    fn requires(&self, _: &Inventory) -> Vec<&'static str> {
        Vec::new()
    }

    fn check(&self, inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
        check::check(inventory, members, findings);
    }

    /// Each program has a user of its own, wherever it runs.
    fn rights(&self, node: &Node, topology: &Topology) -> Vec<Right> {
        let mut rights = Vec::new();
        for (name, program) in on_node(node, topology) {
            let on = |topics: &[String], may: &str| -> Vec<Right> {
                let topics = topics.iter();
                let right = |topic: &String| Right::on_topic(name, topic, may);
                topics.map(right).collect()
            };
            rights.extend(on(&program.reads, "read"));
            rights.extend(on(&program.writes, "write"));
            if !program.reads.is_empty() {
                rights.push(Right::on_groups(name, &kafka::users::groups(name), "read"));
            }
        }
        rights
    }

    fn users(&self, topology: &Topology) -> Vec<String> {
        let logged_in = programs(topology).iter();
        let logged_in = logged_in.filter(|(_, program)| program.uses(KAFKA));
        logged_in.map(|(name, _)| name.clone()).collect()
    }

    fn memory(&self, node: &Node, topology: &Topology) -> Memory {
        let each = on_node(node, topology).map(|(_, program)| program.memory_mib);
        Memory {
            heap: None,
            beside: each.sum(),
        }
    }

    fn disk(&self) -> Disk {
        Disk {
            data: 50,
            software: 50,
        }
    }

    fn parcels(&self, topology: &Topology) -> Vec<Parcel> {
        let with_files = programs(topology).iter();
        let with_files = with_files.filter(|(_, program)| !program.files.0.is_empty());
        let parcel = |(name, program): (&String, &OwnProgram)| Parcel {
            key: key(name),
            files: program.files.0.clone(),
            said_at: format!("{PROGRAMS}.{name}.files"),
        };
        with_files.map(parcel).collect()
    }

    fn packages(&self, node: &Node, context: &Context<'_>) -> Vec<String> {
        let here = on_node(node, context.topology);
        here.flat_map(|(_, program)| program.packages.iter().cloned())
            .collect()
    }

    fn flows(&self, topology: &Topology) -> Vec<Flow> {
        let mut flows = Vec::new();
        for (name, program) in programs(topology) {
            let words = format!("program {name}");
            flows.extend(program.writes.iter().map(|topic| Flow {
                from: Stop::Source(words.clone()),
                to: Stop::Topic(topic.clone()),
            }));
            flows.extend(program.reads.iter().map(|topic| Flow {
                from: Stop::Topic(topic.clone()),
                to: Stop::Sink(words.clone()),
            }));
        }
        flows
    }

    fn units(&self, node: &Node, topology: &Topology, _: &Choices) -> Vec<String> {
        let here = on_node(node, topology);
        here.flat_map(|(name, program)| {
            let place = Place::new(topology, name);
            let timer = program.schedule.is_some().then(|| place.timer());
            [place.unit()].into_iter().chain(timer)
        })
        .collect()
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let mut actions = Vec::new();
        for (name, program) in on_node(node, context.topology) {
            actions.extend(install(name, program, node, context)?);
        }
        Ok(actions)
    }

    /// Each reads its own files, and none of those of its neighbours.
    fn start(
        &self,
        node: &Node,
        context: &Context<'_>,
        reads: &BTreeMap<String, String>,
    ) -> Vec<Action> {
        let start = |(name, program): (&String, &OwnProgram)| {
            let place = Place::new(context.topology, name);
            // Each run reads its files anew.
            if program.schedule.is_some() {
                return Action::StartUnit {
                    unit: place.timer(),
                    reads: BTreeMap::new(),
                    finishes: None,
                    foreign: false,
                };
            }
            let unit = place.unit();
            let own = [
                format!("{}/", place.directory()),
                format!("{}/", software(context.topology, name)),
                place::unit_file(&unit),
            ];
            let is_own = |path: &str| own.iter().any(|own| path.starts_with(own));
            let reads = reads.iter().filter(|(path, _)| is_own(path));
            Action::StartUnit {
                unit,
                reads: reads
                    .map(|(path, sum)| (path.clone(), sum.clone()))
                    .collect(),
                finishes: None,
                foreign: true,
            }
        };
        on_node(node, context.topology).map(start).collect()
    }
}

/// The programs of a deployment, by name.
fn programs(topology: &Topology) -> &BTreeMap<String, OwnProgram> {
    let ProgramsSection(programs) = topology.sections.get();
    programs
}

/// Those on a node.
fn on_node<'a>(
    node: &'a Node,
    topology: &'a Topology,
) -> impl Iterator<Item = (&'a String, &'a OwnProgram)> {
    let here = node.sections.find::<OnNode>();
    let here = here.into_iter().flat_map(|OnNode(names)| names);
    here.filter_map(|name| programs(topology).get_key_value(name))
}

/// The key of a program's files among the artifacts.
fn key(name: &str) -> String {
    format!("{NAME}-{name}")
}

/// Where a program's files lie.
fn software(topology: &Topology, name: &str) -> String {
    format!("{}/{PROGRAMS}/{name}", place::software(topology))
}

fn install(
    name: &str,
    program: &OwnProgram,
    node: &Node,
    context: &Context<'_>,
) -> Result<Vec<Action>, TemplateError> {
    let topology = context.topology;
    let place = Place::new(topology, name);
    let mut service = Service::named(context, node, &Program, place.clone());
    service.data_directory();
    let mut directory = place.data();
    if !program.files.0.is_empty() {
        directory = software(topology, name);
        let unpack = service::unpack(context, node, &key(name), directory.clone(), UNIT)?;
        service.add(unpack);
    }
    let script = Script {
        variables: environment(name, program, node, context, &mut service),
        directory: quoted(&directory),
        run: &program.run,
    };
    service.file(RUN, Content::open(render("program/run", &script)?));
    let process = Process {
        timer: place.timer(),
        run: place.file(RUN),
        memory_mib: program.memory_mib,
    };
    let Some(schedule) = &program.schedule else {
        return service.unit(UNIT, &process);
    };
    let mut actions = service.unit(SCHEDULED, &process)?;
    let unit = place::unit_file(&place.unit());
    let sums = checksums(&actions);
    let timer = Timer {
        description: format!("{name} of the deployment {}", topology.name),
        calendar: calendar(schedule).unwrap_or_default(),
        service: sums.get(&unit).map_or("", String::as_str),
    };
    let text = render(TIMER, &timer)?;
    actions.push(Action::WriteFile {
        path: place::unit_file(&place.timer()),
        content: Content::open(text),
        access: Access::root("root", 0o644),
        judge: None,
    });
    Ok(actions)
}
