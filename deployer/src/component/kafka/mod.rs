//! A Kafka broker that finds the others by ZooKeeper. It listens on all interfaces and is found by its node's name.

mod agent_login;
mod check;
pub mod client;
pub mod jars;
mod sections;
pub mod settings;
mod tools;
mod topic_name;
pub mod topics;
pub mod users;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value, json};

use super::own_tool::OwnTool;
use super::service::{AUTHORITY, Certificates};
use super::{
    Component, Context, Difference, Disk, Memory, Numbers, Origin, Port, Reach, Restart, Tunnel,
    TunnelEnd, java, zookeeper,
};
use crate::authority::{self, OPERATOR_NAME};
use crate::inspect::Inspect;
use crate::inventory::{Findings, Inventory, Member, Section, Setting};
use crate::receipt::{Choices, Secrets};
use crate::rights::Right;
use crate::step::{Action, Content, Tool};
use crate::template::{TemplateError, render};
use crate::topology::{Node, Topology};

pub(super) use agent_login::AgentLogin;
pub use sections::{ExtraTopic, KafkaSection, TopicsSection};
pub use topic_name::{check_topic_name, no_topic};
pub use users::{User, UsersSection};

/// The component.
pub struct Kafka;

/// Its name.
pub const NAME: &str = "kafka";

/// Seconds that replicas may take to catch up after a broker's restart.
const IN_SYNC_SECONDS: u64 = 120;

const CONFIG: &str = "server.properties";
const UNIT: &str = "kafka/kafka.service";

// What is not there must not be rendered as nothing: left out, it is an error of the template.
#[derive(Serialize)]
struct Settings<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    broker_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zookeeper_connect: Option<String>,
    host: String,
    port: u16,
    security: Option<Secured>,
    data: String,
    replication: u32,
    min_insync_replicas: u32,
    more: &'a BTreeMap<String, Setting>,
}

/// What is rendered only where security is on.
#[derive(Serialize)]
struct Secured {
    brokers_port: u16,
    #[serde(flatten)]
    certificates: Certificates,
    brokers: &'static str,
    deployer: &'static str,
}

/// What its unit is rendered from.
#[derive(Serialize)]
struct Process {
    #[serde(flatten)]
    java: java::Process,
    /// What closes in ZooKeeper what older brokers left open; `None`: security is off.
    close: Option<String>,
}

impl Component for Kafka {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "Kafka"
    }

    fn about(&self) -> &'static str {
        "A Kafka broker."
    }

    fn sections(&self) -> Vec<Section> {
        sections::all()
    }

    fn needs(&self) -> &'static [&'static str] {
        &[zookeeper::NAME]
    }

    fn calls(&self) -> &'static [&'static str] {
        &[zookeeper::NAME, NAME]
    }

    fn holds_data(&self) -> bool {
        true
    }

    fn numbers(&self) -> Option<Numbers> {
        Some(Numbers::NewForRenamed)
    }

    fn one(&self) -> &'static str {
        "broker"
    }

    // A broker refuses to start with another cluster's data.
    fn data_rest_on(&self) -> Option<&'static dyn Component> {
        Some(&zookeeper::Zookeeper)
    }

    fn shows_certificate(&self) -> bool {
        true
    }

    fn tunnel(&self) -> Option<&'static dyn Tunnel> {
        Some(&Self)
    }

    /// Those whom the inventory names.
    fn rights(&self, _: &Node, topology: &Topology) -> Vec<Right> {
        users::rights(topology)
    }

    fn users(&self, topology: &Topology) -> Vec<String> {
        client::users(topology).map(str::to_owned).collect()
    }

    fn own_tool(
        &self,
        name: &str,
        arguments: &[String],
        directory: &str,
        topology: &Topology,
        secrets: &Secrets,
    ) -> Option<OwnTool> {
        tools::call(name, arguments, directory, topology, secrets)
    }

    fn outside_port(&self, topology: &Topology) -> Option<u16> {
        Some(section(topology).port)
    }

    fn when_left(&self) -> Option<&'static str> {
        Some("its broker still serves")
    }

    fn restart(&self) -> Restart {
        Restart::OneByOne
    }

    fn agreed_files(&self) -> &'static [&'static str] {
        &[AUTHORITY, java::LOGIN]
    }

    fn check(&self, inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
        check::check(inventory, members, findings);
    }

    fn memory(&self, _: &Node, topology: &Topology) -> Memory {
        Memory {
            heap: Some(section(topology).heap_mib),
            beside: 256,
        }
    }

    fn disk(&self) -> Disk {
        Disk {
            data: 1_000,
            software: java::ARCHIVE_MIB,
        }
    }

    fn differs(&self, wanted: &Value, report: Option<&Value>) -> Option<Difference> {
        let in_sync = || {
            let brokers = usize::try_from(wanted["brokers"].as_u64()?).ok()?;
            Some(report.and_then(Inspect::read)?.in_sync(brokers))
        };
        (in_sync() != Some(true)).then(|| Difference::of("not in sync"))
    }

    fn serves(&self, host: &str, report: &Value) -> Option<bool> {
        let kafka = Inspect::read(report)?.log;
        let joined = || kafka.brokers.iter().any(|broker| broker.host == host);
        kafka.reachable.then(joined)
    }

    /// Waits until every partition has its full set of in-sync replicas.
    fn in_sync(&self, tool: Tool, nodes: usize) -> Option<Action> {
        let (seconds, brokers) = (IN_SYNC_SECONDS.to_string(), nodes.to_string());
        let arguments = ["wait-in-sync", "--timeout", &seconds, "--brokers", &brokers];
        let words = match nodes {
            1 => "1 broker is".to_owned(),
            several => format!("{several} brokers are"),
        };
        Some(Action::CallTool {
            component: NAME.to_owned(),
            words: format!("wait until {words} in sync"),
            tool,
            arguments: arguments.map(str::to_owned).into(),
            input: Content::open(""),
            seconds: IN_SYNC_SECONDS + 60,
            waits: true,
            wanted: json!({ "brokers": nodes }),
            reads: BTreeMap::new(),
        })
    }

    fn artifact(&self, topology: &Topology, _: &Choices) -> Option<Origin> {
        Some(Origin::Jars(jars::jars(section(topology))))
    }

    fn packages(&self, _: &Node, _: &Context<'_>) -> Vec<String> {
        vec![java::PACKAGE.to_owned()]
    }

    fn ports(&self, _: &Node, topology: &Topology) -> Vec<Port> {
        let kafka = section(topology);
        let port = |number, key| Port {
            number,
            key,
            reach: Reach::Members,
        };
        let clients = port(kafka.port, "kafka.port");
        let brokers = port(kafka.brokers_port, "kafka.brokers_port");
        let brokers = topology.security.is_on().then_some(brokers);
        [clients].into_iter().chain(brokers).collect()
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let topology = context.topology;
        let kafka = section(topology);
        let software = zookeeper::software(topology);
        let (mut service, temporary) =
            java::service(node, context, &Self, (NAME, &software), UNIT)?;
        let mut security = None;
        let mut login = None;
        if topology.security.is_on() {
            security = Some(Secured {
                brokers_port: kafka.brokers_port,
                certificates: service.certificates(),
                brokers: NAME,
                deployer: OPERATOR_NAME,
            });
            service.file(java::LOGIN, zookeeper::client_login(context.secrets)?);
            login = Some(service.place.file(java::LOGIN));
        }
        service.file(
            CONFIG,
            Content::open(render(
                "kafka/server.properties",
                &Settings {
                    broker_id: node.number(NAME),
                    zookeeper_connect: zookeeper::connect(topology),
                    host: topology.host_name(&node.name),
                    port: kafka.port,
                    security,
                    data: service.place.data(),
                    replication: kafka.replication,
                    min_insync_replicas: kafka.min_insync_replicas,
                    more: &kafka.settings,
                },
            )?),
        );
        service.file(
            java::LOGGING,
            java::logging(&[
                "kafka.server.KafkaServer",
                "kafka.controller.KafkaController",
            ])?,
        );
        let java = java::command(
            node,
            context,
            kafka.heap_mib,
            &temporary,
            &service.place.file(java::LOGGING),
            login.as_deref(),
        );
        let config = service.place.file(CONFIG);
        let connect = zookeeper::connect(topology).filter(|_| topology.security.is_on());
        let close = connect.map(|connect| {
            let tool = "kafka.admin.ZkSecurityMigrator --zookeeper.acl=secure";
            let to = format!("--zookeeper.connect={connect} --zk-tls-config-file={config}");
            format!("{java} -cp \"{software}/libs/*\" {tool} {to}")
        });
        let java = java::Process {
            java,
            software,
            config,
        };
        service.unit(UNIT, &Process { java, close })
    }
}

impl Tunnel for Kafka {
    fn leads_by_name(&self) -> bool {
        true
    }

    fn names(&self, ends: &[TunnelEnd], topology: &Topology) -> BTreeMap<String, Option<IpAddr>> {
        let names = ends.iter().map(|end| {
            let host = topology.host_name(&end.node);
            (host, end.address.parse().ok())
        });
        names.collect()
    }

    fn words(&self, ends: &[TunnelEnd], topology: &Topology, _: &str, named: bool) -> Vec<String> {
        if named {
            return vec![format!(
                "Kafka: bootstrap servers {}, for as long as this runs",
                bootstrap(topology)
            )];
        }
        let first = "Kafka: brokers answer by the names they advertise; put these lines into /etc/hosts of this box:";
        let names = ends.iter().map(|end| {
            let host = topology.host_name(&end.node);
            format!("    {} {host}", end.address)
        });
        let last = format!(
            "then: bootstrap servers {}, for as long as this runs; take the lines out again afterwards",
            bootstrap(topology)
        );
        [first.to_owned()]
            .into_iter()
            .chain(names)
            .chain([last])
            .collect()
    }

    fn hint(&self) -> &'static str {
        "is the local port taken (`ss -tlnp`), perhaps by another `deployer open kafka`?"
    }
}

/// What the inventory says of the brokers.
pub fn section(topology: &Topology) -> &KafkaSection {
    topology.sections.get()
}

/// `host:port,…` of the brokers, for clients.
pub fn bootstrap(topology: &Topology) -> String {
    at(section(topology).port, topology)
}

/// As whom the deployer asks brokers: where they ask each other, by a certificate of its own. `None`: nobody asks who it is.
pub fn login(topology: &Topology, secrets: &Secrets) -> Option<Value> {
    topology.security.is_on().then(|| {
        let (key, certificate) = authority::of_operator(secrets);
        json!({
            "bootstrap": at(section(topology).brokers_port, topology),
            "ca": authority::certificate(secrets),
            "certificate": certificate,
            "key": key,
        })
    })
}

fn at(port: u16, topology: &Topology) -> String {
    let brokers: Vec<String> = topology
        .nodes_with(NAME)
        .map(|node| format!("{}:{port}", topology.host_name(&node.name)))
        .collect();
    brokers.join(",")
}
