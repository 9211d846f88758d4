//! ZooKeeper, one server, from the jars in Kafka's archive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::place;
use super::{Component, Context, Count, Disk, Memory, Port, Reach, java};
use crate::inventory::Section;
use crate::step::{Action, Content};
use crate::template::{TemplateError, render};
use crate::topology::{Node, Topology};

/// The component.
pub struct Zookeeper;

/// Its name.
pub const NAME: &str = "zookeeper";

/// The component whose jars it shares: Kafka brings it along.
const JARS: &str = "kafka";

const CONFIG: &str = "zoo.cfg";
const UNIT: &str = "zookeeper/zookeeper.service";

/// ZooKeeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ZookeeperSection {
    /// Client port.
    #[schemars(range(min = 1024))]
    pub port: u16,
    /// Java heap in MiB.
    #[schemars(range(min = 64, max = 65_536))]
    pub heap_mib: u64,
}

impl Default for ZookeeperSection {
    fn default() -> Self {
        Self {
            port: 2181,
            heap_mib: 128,
        }
    }
}

fn section(topology: &Topology) -> &ZookeeperSection {
    topology.sections.get()
}

#[derive(Serialize)]
struct Settings {
    data: String,
    port: u16,
}

impl Component for Zookeeper {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "ZooKeeper"
    }

    fn about(&self) -> &'static str {
        "The ZooKeeper server."
    }

    fn sections(&self) -> Vec<Section> {
        vec![Section::of::<ZookeeperSection>(NAME)]
    }

    fn count(&self) -> Count {
        Count::One
    }

    fn holds_data(&self) -> bool {
        true
    }

    fn shows_certificate(&self) -> bool {
        true
    }

    fn memory(&self, topology: &Topology) -> Memory {
        Memory {
            heap: Some(section(topology).heap_mib),
            beside: 96,
        }
    }

    fn disk(&self) -> Disk {
        Disk {
            data: 100,
            software: java::ARCHIVE_MIB,
        }
    }

    fn packages(&self, _: &Context<'_>) -> Vec<String> {
        vec![java::PACKAGE.to_owned()]
    }

    fn ports(&self, _: &Node, topology: &Topology) -> Vec<Port> {
        vec![Port {
            number: section(topology).port,
            key: "zookeeper.port",
            reach: Reach::Members,
        }]
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let zookeeper = section(context.topology);
        let software = software(context.topology);
        let (mut service, temporary) =
            java::service(node, context, &Self, (JARS, &software), UNIT)?;
        service.file(
            CONFIG,
            Content::open(render(
                "zookeeper/zoo.cfg",
                &Settings {
                    data: service.place.data(),
                    port: zookeeper.port,
                },
            )?),
        );
        service.file(
            java::LOGGING,
            java::logging(&["org.apache.zookeeper.server.NIOServerCnxnFactory"])?,
        );
        let process = java::Process {
            java: java::command(
                node,
                context,
                zookeeper.heap_mib,
                &temporary,
                &service.place.file(java::LOGGING),
            ),
            software,
            config: service.place.file(CONFIG),
        };
        service.unit(UNIT, &process)
    }
}

/// The directory of the archive in which brokers are, too.
pub(super) fn software(topology: &Topology) -> String {
    format!("{}/kafka", place::software(topology))
}

/// `host:port` of the server.
pub fn connect(topology: &Topology) -> Option<String> {
    let node = topology.nodes_with(NAME).next()?;
    let host = topology.host_name(&node.name);
    Some(format!("{host}:{}", section(topology).port))
}
