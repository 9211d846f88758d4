//! Several nodes that work on the streams together: Spark's own standalone cluster. Its master is in the process of the driver, on
//! the first node by name, as is a worker; each other node has a worker. What executors remember lies with the driver.

use serde::Serialize;

use super::{AUTHENTICATION, CHECKPOINTS, NAME, section};
use crate::component::place;
use crate::component::service::Service;
use crate::component::{Context, Port, Reach, java};
use crate::step::Content;
use crate::template::{TemplateError, render};
use crate::topology::{Node, Topology};

/// Their file of what all processes of a cluster must know.
pub(super) const PROPERTIES: &str = "cluster.properties";
/// The driver's own class for the files of checkpoints, which executors have, too.
const CLASS: &str = "Checkpoints.java";
const CLASS_TEXT: &str = include_str!("../../../../templates/spark/Checkpoints.java");

/// What listens, in the order of its ports.
#[derive(Clone, Copy)]
enum Listens {
    Master,
    Worker,
    Driver,
    DriversBlocks,
    ExecutorsBlocks,
}

impl Listens {
    fn port(self, topology: &Topology) -> u16 {
        section(topology).port.saturating_add(self as u16)
    }
}

/// What is written for them.
#[derive(Serialize)]
struct Properties<'a> {
    first: String,
    master: u16,
    worker: u16,
    driver: u16,
    drivers_blocks: u16,
    executors_blocks: u16,
    secret: &'a str,
    heap_mib: u64,
    options: String,
    classes: String,
    checkpoints: String,
}

/// How a process of a cluster is started, beside what one alone is told.
#[derive(Serialize)]
pub(super) struct Member {
    /// The file of properties.
    properties: String,
    /// The class that is compiled first.
    class: String,
    /// Where it goes.
    classes: String,
    software: String,
    temporary: String,
    /// Of a worker on its own.
    host: String,
    worker: u16,
    master: String,
    heap_mib: u64,
}

impl Member {
    /// Where the class is, as the driver needs it, too.
    pub(super) fn classes(&self) -> &str {
        &self.classes
    }
}

/// Whether several nodes share the work.
pub(super) fn is_shared(topology: &Topology) -> bool {
    topology.nodes_with(NAME).count() > 1
}

/// Whether a node runs the driver.
pub(super) fn leads(node: &Node, topology: &Topology) -> bool {
    let first = topology.nodes_with(NAME).next();
    first.is_some_and(|first| first.name == node.name)
}

/// The ports of a node at which members speak.
pub(super) fn ports(node: &Node, topology: &Topology) -> Vec<Port> {
    let all: &[Listens] = match (is_shared(topology), leads(node, topology)) {
        (false, _) => &[],
        (true, true) => &[
            Listens::Master,
            Listens::Worker,
            Listens::Driver,
            Listens::DriversBlocks,
            Listens::ExecutorsBlocks,
        ],
        (true, false) => &[Listens::Worker, Listens::ExecutorsBlocks],
    };
    let port = |listens: &Listens| Port {
        number: listens.port(topology),
        key: "spark.port",
        reach: Reach::Members,
    };
    all.iter().map(port).collect()
}

/// The port by which is seen that a process has begun.
pub(super) fn first_port(topology: &Topology) -> Option<u16> {
    is_shared(topology).then(|| Listens::Worker.port(topology))
}

/// Adds to a service what a member of a cluster has; `None`: one node works alone.
pub(super) fn join(
    service: &mut Service<'_>,
    node: &Node,
    context: &Context<'_>,
    temporary: &str,
    login: Option<&str>,
) -> Result<Option<Member>, TemplateError> {
    let topology = context.topology;
    let Some(first) = topology
        .nodes_with(NAME)
        .next()
        .filter(|_| is_shared(topology))
    else {
        return Ok(None);
    };
    let heap_mib = section(topology).heap_mib;
    let classes = format!("{temporary}/classes/");
    let mut options: Vec<String> = java::tuning(node, context)
        .iter()
        .map(|&option| option.to_owned())
        .collect();
    options.push(format!("-Djava.io.tmpdir={temporary}"));
    options.push(format!(
        "-Dlog4j2.configurationFile=file:{}",
        service.place.file(super::LOGGING)
    ));
    options.extend(login.map(|file| format!("-Djava.security.auth.login.config={file}")));
    let properties = Properties {
        first: topology.host_name(&first.name),
        master: Listens::Master.port(topology),
        worker: Listens::Worker.port(topology),
        driver: Listens::Driver.port(topology),
        drivers_blocks: Listens::DriversBlocks.port(topology),
        executors_blocks: Listens::ExecutorsBlocks.port(topology),
        secret: context.secrets.get(NAME, AUTHENTICATION),
        heap_mib,
        options: options.join(" "),
        classes: classes.clone(),
        checkpoints: format!("{}/{CHECKPOINTS}", service.place.data()),
    };
    let text = render("spark/cluster.properties", &properties)?;
    service.file(PROPERTIES, Content::secret(text));
    service.file(CLASS, Content::open(CLASS_TEXT));
    Ok(Some(Member {
        properties: service.place.file(PROPERTIES),
        class: service.place.file(CLASS),
        classes,
        software: format!("{}/{NAME}", place::software(topology)),
        temporary: temporary.to_owned(),
        host: topology.host_name(&node.name),
        worker: properties.worker,
        master: format!("spark://{}:{}", properties.first, properties.master),
        heap_mib,
    }))
}
