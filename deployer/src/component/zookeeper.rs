//! ZooKeeper, one server, from the jars in Kafka's archive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::place;
use super::service::{AUTHORITY, Certificates};
use super::{
    Component, Context, Count, Disk, Form, KnownAs, Memory, NewSecret, Port, Reach, Renewal, java,
};
use crate::inventory::Section;
use crate::receipt::Secrets;
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

/// What its own client is told at the first start.
const CLOSE: &str = "close";
/// The znodes that nobody closes otherwise.
const OPEN: &[&str] = &["/", "/consumers", "/zookeeper", "/zookeeper/quota"];

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

/// The secret by which brokers log in.
const PASSWORD: &str = "password";
const SECRETS: &[NewSecret] = &[NewSecret {
    key: PASSWORD,
    form: Form::Password,
    known_as: Some(KnownAs {
        name: "kafka",
        about: "the brokers' user in ZooKeeper",
        is_password: true,
        by_security: true,
        // ZooKeeper knows one password of a user, and asks for it at each new connection.
        renewal: Renewal::Pausing,
    }),
}];

#[derive(Serialize)]
struct Settings {
    data: String,
    port: u16,
    security: Option<Certificates>,
}

/// What its unit is rendered from.
#[derive(Serialize)]
struct Process {
    #[serde(flatten)]
    java: java::Process,
    /// `None`: security is off.
    close: Option<Close>,
}

/// What its own client needs to close the znodes that are open in a new ZooKeeper.
#[derive(Serialize)]
struct Close {
    /// The server, as brokers reach it.
    server: String,
    authority: String,
    commands: String,
    /// How many znodes these close.
    count: usize,
}

/// What the commands are rendered from.
#[derive(Serialize)]
struct Open {
    znodes: &'static [&'static str],
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

    fn secrets(&self) -> &'static [NewSecret] {
        SECRETS
    }

    fn shows_certificate(&self) -> bool {
        true
    }

    fn memory(&self, _: &Node, topology: &Topology) -> Memory {
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

    fn packages(&self, _: &Node, _: &Context<'_>) -> Vec<String> {
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
        let mut security = None;
        let mut login = None;
        if context.topology.security.is_on() {
            security = Some(service.certificates());
            service.file(java::LOGIN, self::login(true, context.secrets)?);
            login = Some(service.place.file(java::LOGIN));
            service.file(
                CLOSE,
                Content::open(render("zookeeper/close", &Open { znodes: OPEN })?),
            );
        }
        service.file(
            CONFIG,
            Content::open(render(
                "zookeeper/zoo.cfg",
                &Settings {
                    data: service.place.data(),
                    port: zookeeper.port,
                    security,
                },
            )?),
        );
        service.file(
            java::LOGGING,
            java::logging(&["org.apache.zookeeper.server.NIOServerCnxnFactory"])?,
        );
        let java = java::command(
            node,
            context,
            zookeeper.heap_mib,
            &temporary,
            &service.place.file(java::LOGGING),
            login.as_deref(),
        );
        let secured = connect(context.topology).filter(|_| context.topology.security.is_on());
        let close = secured.map(|server| Close {
            server,
            authority: service.place.file(AUTHORITY),
            commands: service.place.file(CLOSE),
            count: OPEN.len(),
        });
        let java = java::Process {
            java,
            software,
            config: service.place.file(CONFIG),
        };
        service.unit(UNIT, &Process { java, close })
    }
}

/// The file by which a client logs in, and by which the server knows who does.
fn login(server: bool, secrets: &Secrets) -> Result<Content, TemplateError> {
    #[derive(Serialize)]
    struct Login<'a> {
        server: bool,
        password: &'a str,
    }
    let login = Login {
        server,
        password: secrets.get(NAME, PASSWORD),
    };
    Ok(Content::secret(render("zookeeper/login.conf", &login)?))
}

/// The file by which a client logs in.
pub(super) fn client_login(secrets: &Secrets) -> Result<Content, TemplateError> {
    login(false, secrets)
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
