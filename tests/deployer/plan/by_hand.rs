//! Components written by hand: what a plan sees of them, and no more.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use deployer::authority;
use deployer::component::zookeeper::ZookeeperSection;
use deployer::component::{
    self, Component, Context, Disk, Memory, Port, Reach, Restart, consumer, couchdb, kafka,
    producer, zookeeper,
};
use deployer::plan::Common;
use deployer::step::{Access, Action, Content, Tool};
use deployer::template::TemplateError;
use deployer::topology::{Node, Topology};

/// Whatever runs on a node, as far as a plan sees it.
struct ByHand(&'static dyn Component);

pub(super) const SECRET: &str = "hunter2";

fn zookeeper(topology: &Topology) -> u16 {
    topology.sections.get::<ZookeeperSection>().port
}

impl ByHand {
    fn config(&self, node: &Node, context: &Context<'_>) -> String {
        let topology = context.topology;
        match self.0.name() {
            zookeeper::NAME => format!("clientPort={}\n", zookeeper(topology)),
            kafka::NAME => {
                let settings = kafka::section(topology).settings.iter();
                let settings: Vec<String> = settings
                    .map(|(key, value)| format!("{key}={}\n", value.0))
                    .collect();
                format!(
                    "listeners=PLAINTEXT://0.0.0.0:{}\nlog.dirs=/var/lib/deployer/utilization/kafka\nzookeeper.connect=vm2:{}\n{}",
                    kafka::section(topology).port,
                    zookeeper(topology),
                    settings.concat()
                )
            }
            couchdb::NAME => format!("password = {SECRET}\n"),
            consumer::NAME => {
                let epochs: Vec<&str> = context
                    .receipt
                    .epochs_of(kafka::NAME)
                    .values()
                    .map(String::as_str)
                    .collect();
                format!(
                    "bootstrap = \"{}\"\nepochs = {epochs:?}\n",
                    kafka::bootstrap(topology)
                )
            }
            _ => format!(
                "count = {}\n",
                producer::client(node).map_or(0, |client| client.count)
            ),
        }
    }

    fn port(&self, node: &Node, context: &Context<'_>) -> Option<u16> {
        let ports = self.ports(node, context.topology);
        let mut members = ports.iter().filter(|port| port.reach == Reach::Members);
        members.next().map(|port| port.number)
    }
}

impl Component for ByHand {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn title(&self) -> &'static str {
        self.0.title()
    }

    fn about(&self) -> &'static str {
        self.0.about()
    }

    fn agreed_files(&self) -> &'static [&'static str] {
        self.0.agreed_files()
    }

    fn restart(&self) -> Restart {
        self.0.restart()
    }

    fn holds_data(&self) -> bool {
        self.0.holds_data()
    }

    fn memory(&self, node: &Node, topology: &Topology) -> Memory {
        self.0.memory(node, topology)
    }

    fn disk(&self) -> Disk {
        self.0.disk()
    }

    fn packages(&self, _: &Node, _: &Context<'_>) -> Vec<String> {
        match self.0.name() {
            zookeeper::NAME | kafka::NAME => vec!["java17 | java21".into()],
            _ => Vec::new(),
        }
    }

    fn ports(&self, node: &Node, topology: &Topology) -> Vec<Port> {
        self.0.ports(node, topology)
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let role = self.name();
        let user = format!("utilization-{role}");
        let data = format!("/var/lib/deployer/utilization/{role}");
        let config = Content {
            text: self.config(node, context),
            secret: self.name() == couchdb::NAME,
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
        actions.push(match self.0.name() {
            zookeeper::NAME | kafka::NAME => Action::UnpackArchive {
                artifact: "kafka".into(),
                identity: format!("kafka {}", kafka::section(context.topology).version),
                path: "/opt/deployer/utilization/kafka".into(),
                access: Access::root("root", 0o755),
                download: None,
                programs: Vec::new(),
            },
            couchdb::NAME => Action::SeedFile {
                path: "/var/lib/deployer/utilization/couchdb/own.ini".into(),
                content: Content::open(""),
                access: Access::user(&user, 0o640),
            },
            _ => Action::UploadFile {
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
                judge: None,
            },
            Action::WriteFile {
                path: format!("/etc/systemd/system/utilization-{role}.service"),
                content: Content::open(format!("[Service]\nUser={user}\n")),
                access: Access::root("root", 0o644),
                judge: None,
            },
        ]);
        if context.topology.security.is_on() && !self.0.agreed_files().is_empty() {
            actions.push(Action::CreateDirectory {
                path: format!("/etc/deployer/utilization/{role}"),
                access: Access::root(&user, 0o750),
                data: false,
            });
            let agreed = self.0.agreed_files().iter();
            actions.extend(agreed.map(|file| Action::WriteFile {
                path: format!("/etc/deployer/utilization/{role}/{file}"),
                content: Content::open(authority::certificate(context.secrets)),
                access: Access::root(&user, 0o640),
                judge: None,
            }));
        }
        Ok(actions)
    }

    fn start(
        &self,
        node: &Node,
        context: &Context<'_>,
        reads: &BTreeMap<String, String>,
    ) -> Vec<Action> {
        let role = self.name();
        let unit = format!("utilization-{role}.service");
        let state = format!("/var/lib/deployer/utilization/{role}/state.json");
        let start = Action::StartUnit {
            unit: unit.clone(),
            reads: reads.clone(),
            finishes: (role == producer::NAME).then_some(state),
            foreign: false,
        };
        let wait = self.port(node, context).map(|port| Action::WaitForPort {
            port,
            unit,
            seconds: 120,
        });
        std::iter::once(start).chain(wait).collect()
    }
}

pub(super) fn by_hand(component: &'static dyn Component) -> &'static dyn Component {
    static ALL: LazyLock<Vec<ByHand>> =
        LazyLock::new(|| component::ALL.iter().map(|one| ByHand(*one)).collect());
    let mut all = ALL.iter();
    all.find(|one| one.name() == component.name())
        .expect("a component")
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
    let topics = topology.topics.values();
    let wanted = consumer::Wanted {
        topics: topics
            .clone()
            .map(|topic| (topic.name.clone(), topic.partitions))
            .collect(),
        settings: topics
            .clone()
            .map(|topic| (topic.name.clone(), topic.config.clone()))
            .collect(),
        databases: topics.map(|topic| topic.database.clone()).collect(),
        ..consumer::Wanted::default()
    };
    let prepare = Action::CallTool {
        component: consumer::NAME.into(),
        words: format!(
            "prepare {} topics and {} databases",
            wanted.topics.len(),
            wanted.databases.len()
        ),
        arguments: vec!["prepare".into()],
        seconds: 600,
        waits: false,
        wanted: serde_json::json!(wanted),
        tool: Tool {
            program: "/opt/deployer/utilization/bin/consumer".into(),
            config: "/etc/deployer/utilization/consumer.conf".into(),
            login: None,
        },
        input: Content::secret(SECRET),
        reads: BTreeMap::new(),
    };
    Common {
        packages: nodes
            .clone()
            .map(|node| (node.clone(), vec!["nftables".into(), "procps".into()]))
            .collect(),
        install: nodes.map(|node| (node.clone(), install())).collect(),
        prepare: consumer::pipeline_node(topology).map(|node| (node.name.clone(), prepare)),
    }
}
