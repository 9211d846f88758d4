//! Prometheus' node exporter: Debian's package on every node where the inventory asks for it. It tells members how the machine is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::service::Service;
use super::{Component, Context, Disk, Memory, Port, Reach};
use crate::inventory::Section;
use crate::receipt::Choices;
use crate::step::Action;
use crate::template::TemplateError;
use crate::topology::{Node, Topology};

/// The component.
pub struct NodeExporter;

/// Its name.
pub const NAME: &str = "node-exporter";

const SECTION: &str = "monitoring";
const PACKAGE: &str = "prometheus-node-exporter";
/// The unit that the package brings.
const UNIT: &str = "prometheus-node-exporter.service";

/// What watches machines and services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("additionalProperties" = false))]
struct Monitoring {
    /// Prometheus' node exporter on every node: Debian's package.
    node_exporter: bool,
    /// The port at which members of the deployment ask it.
    #[schemars(range(min = 1024))]
    node_exporter_port: u16,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            node_exporter: false,
            node_exporter_port: 9100,
        }
    }
}

#[derive(Serialize)]
struct Process {
    listen: String,
}

fn monitoring(topology: &Topology) -> &Monitoring {
    topology.sections.get()
}

impl Component for NodeExporter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "node exporter"
    }

    fn about(&self) -> &'static str {
        "Tells how its machine is."
    }

    fn is_role(&self) -> bool {
        false
    }

    fn sections(&self) -> Vec<Section> {
        vec![Section::of::<Monitoring>(SECTION)]
    }

    fn is_on(&self, _: &Node, topology: &Topology) -> bool {
        monitoring(topology).node_exporter
    }

    fn memory(&self, _: &Topology) -> Memory {
        Memory {
            heap: None,
            beside: 24,
        }
    }

    fn disk(&self) -> Disk {
        Disk {
            data: 0,
            software: 0,
        }
    }

    fn ports(&self, _: &Node, topology: &Topology) -> Vec<Port> {
        vec![Port {
            number: monitoring(topology).node_exporter_port,
            key: "monitoring.node_exporter_port",
            reach: Reach::Members,
        }]
    }

    fn unit(&self, _: &Topology, _: &Choices) -> String {
        UNIT.to_owned()
    }

    /// The package last: it starts its service at once, which must listen where we say.
    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let port = monitoring(context.topology).node_exporter_port;
        let address = match context.everywhere() {
            "::" => "[::]",
            all => all,
        };
        let process = Process {
            listen: format!("{address}:{port}"),
        };
        let service = Service::of_package(context, node, &Self);
        let mut actions = service.drop_in("node-exporter/package.conf", &process, UNIT)?;
        actions.push(Action::InstallPackages {
            packages: vec![PACKAGE.to_owned()],
        });
        Ok(actions)
    }
}
