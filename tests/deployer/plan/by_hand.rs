//! Components written by hand: what a plan sees of them, and no more.

use std::collections::BTreeMap;

use deployer::component::{Component, Context};
use deployer::plan::Common;
use deployer::step::{Access, Action, Content, Tool};
use deployer::template::TemplateError;
use deployer::topology::{Node, Role, Topology};

/// Whatever runs on a node, as far as a plan sees it.
struct ByHand(Role);

pub(super) const SECRET: &str = "hunter2";

impl ByHand {
    fn config(&self, node: &Node, context: &Context<'_>) -> String {
        let topology = context.topology;
        match self.0 {
            Role::Zookeeper => format!("clientPort={}\n", topology.zookeeper.port),
            Role::Kafka => {
                let settings = topology.kafka.settings.iter();
                let settings: Vec<String> = settings
                    .map(|(key, value)| format!("{key}={value}\n"))
                    .collect();
                format!(
                    "listeners=PLAINTEXT://0.0.0.0:{}\nlog.dirs=/var/lib/deployer/utilization/kafka\nzookeeper.connect=vm2:{}\n{}",
                    topology.kafka.port,
                    topology.zookeeper.port,
                    settings.concat()
                )
            }
            Role::Couchdb => format!("password = {SECRET}\n"),
            Role::Consumer => {
                let epochs: Vec<&str> = context
                    .receipt
                    .epochs
                    .values()
                    .map(String::as_str)
                    .collect();
                format!(
                    "bootstrap = \"{}\"\nepochs = {epochs:?}\n",
                    topology.kafka_bootstrap()
                )
            }
            Role::Producer => format!(
                "count = {}\n",
                node.producer.as_ref().map_or(0, |producer| producer.count)
            ),
        }
    }

    fn port(&self, context: &Context<'_>) -> Option<u16> {
        match self.0 {
            Role::Zookeeper => Some(context.topology.zookeeper.port),
            Role::Kafka => Some(context.topology.kafka.port),
            Role::Couchdb => Some(context.topology.couchdb.port),
            Role::Consumer | Role::Producer => None,
        }
    }
}

impl Component for ByHand {
    fn role(&self) -> Role {
        self.0
    }

    fn packages(&self, _: &Context<'_>) -> Vec<String> {
        match self.0 {
            Role::Zookeeper | Role::Kafka => vec!["java17 | java21".into()],
            _ => Vec::new(),
        }
    }

    fn ports(&self, _: &Node, context: &Context<'_>) -> Vec<u16> {
        self.port(context).into_iter().collect()
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let role = self.0.name();
        let user = format!("utilization-{role}");
        let data = format!("/var/lib/deployer/utilization/{role}");
        let config = Content {
            text: self.config(node, context),
            secret: self.0 == Role::Couchdb,
        };
        let mut actions = vec![
            Action::CreateUser {
                user: user.clone(),
                home: data.clone(),
                packaged: false,
            },
            Action::CreateDirectory {
                path: data,
                access: Access::user(&user, 0o750),
                data: self.0.holds_data(),
            },
        ];
        actions.push(match self.0 {
            Role::Zookeeper | Role::Kafka => Action::UnpackArchive {
                artifact: "kafka".into(),
                identity: format!("kafka {}", context.topology.kafka.version),
                path: "/opt/deployer/utilization/kafka".into(),
                access: Access::root("root", 0o755),
                download: None,
                programs: Vec::new(),
            },
            Role::Couchdb => Action::SeedFile {
                path: "/var/lib/deployer/utilization/couchdb/own.ini".into(),
                content: Content::open(""),
                access: Access::user(&user, 0o640),
            },
            Role::Consumer | Role::Producer => Action::UploadFile {
                artifact: role.into(),
                sha256: context.artifacts[role].sha256.clone().unwrap_or_default(),
                path: format!("/opt/deployer/utilization/bin/{role}"),
                access: Access::root("root", 0o755),
            },
        });
        actions.extend([
            Action::WriteFile {
                path: format!("/etc/deployer/utilization/{role}.conf"),
                content: config,
                access: Access::root(&user, 0o640),
            },
            Action::WriteFile {
                path: format!("/etc/systemd/system/utilization-{role}.service"),
                content: Content::open(format!("[Service]\nUser={user}\n")),
                access: Access::root("root", 0o644),
            },
        ]);
        Ok(actions)
    }

    fn start(
        &self,
        _: &Node,
        context: &Context<'_>,
        reads: &BTreeMap<String, String>,
    ) -> Vec<Action> {
        let role = self.0.name();
        let unit = format!("utilization-{role}.service");
        let state = format!("/var/lib/deployer/utilization/{role}/state.json");
        let start = Action::StartUnit {
            unit: unit.clone(),
            reads: reads.clone(),
            finishes: (self.0 == Role::Producer).then_some(state),
        };
        let wait = self.port(context).map(|port| Action::WaitForPort {
            port,
            unit,
            seconds: 120,
        });
        std::iter::once(start).chain(wait).collect()
    }
}

pub(super) fn by_hand(role: Role) -> &'static dyn Component {
    match role {
        Role::Zookeeper => &ByHand(Role::Zookeeper),
        Role::Kafka => &ByHand(Role::Kafka),
        Role::Couchdb => &ByHand(Role::Couchdb),
        Role::Consumer => &ByHand(Role::Consumer),
        Role::Producer => &ByHand(Role::Producer),
    }
}

pub(super) fn common(topology: &Topology) -> Common {
    let everywhere = |path: &str| Action::CreateDirectory {
        path: path.into(),
        access: Access::root("root", 0o755),
        data: false,
    };
    let install = || {
        vec![
            everywhere("/etc/deployer/utilization"),
            everywhere("/opt/deployer/utilization"),
        ]
    };
    let nodes = topology.nodes.keys();
    let prepare = Action::PreparePipeline {
        tool: Tool {
            program: "/opt/deployer/utilization/bin/consumer".into(),
            config: "/etc/deployer/utilization/consumer.conf".into(),
        },
        request: Content::secret(SECRET),
        topics: topology
            .topics
            .values()
            .map(|topic| (topic.name.clone(), topic.partitions))
            .collect(),
        settings: topology
            .topics
            .values()
            .map(|topic| (topic.name.clone(), topic.config.clone()))
            .collect(),
        databases: topology
            .topics
            .values()
            .map(|topic| topic.database.clone())
            .collect(),
        reads: BTreeMap::new(),
    };
    Common {
        packages: nodes
            .clone()
            .map(|node| (node.clone(), vec!["procps".into()]))
            .collect(),
        install: nodes.map(|node| (node.clone(), install())).collect(),
        prepare: topology
            .pipeline_node()
            .map(|node| (node.name.clone(), prepare)),
    }
}
