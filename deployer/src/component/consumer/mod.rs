//! The consumer agent: the service that moves events to CouchDB, and the tool by which the deployer prepares and asks
//! the pipeline.

pub mod alerts;
pub mod sinks;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::kafka::AgentLogin;
use super::place::{self, Place};
use super::service::{self, Service};
use super::{
    Behind, Component, Context, Difference, Disk, Flow, Memory, Port, Reach, Stop, couchdb, kafka,
    mariadb,
};
use crate::inventory::{Findings, Inventory, Member, Section, TimeSpan};
use crate::receipt::Secrets;
use crate::rights::Right;
use crate::secret::Secret;
use crate::step::{Action, Content, Tool};
use crate::template::{TemplateError, render};
use crate::topology::{Node, Topology};

mod access;
mod section;
mod wanted;

pub use section::ConsumerSection;
pub use wanted::Wanted;

/// The component.
pub struct Consumer;

/// Its name.
pub const NAME: &str = "consumer";

const CONFIG: &str = "consumer.toml";
const PASSWORD: &str = "couchdb-password";
const UNIT: &str = "agent/consumer.service";
/// Seconds for CouchDB, the brokers and the replicas of all topics to be there.
const PREPARE_SECONDS: u64 = 120;

#[derive(Serialize)]
struct Settings<'a> {
    group: &'a str,
    bootstrap: String,
    login: Option<AgentLogin>,
    couchdb: Option<CouchdbSettings>,
    batch: BatchSettings,
    topics: Vec<TopicSettings<'a>>,
    sinks: Vec<SinkSettings<'a>>,
}

#[derive(Serialize)]
struct BatchSettings {
    batch_documents: u32,
    batch_bytes: u64,
    batch_age_ms: u64,
    metrics_port: u16,
}

#[derive(Serialize)]
struct CouchdbSettings {
    url: String,
    ca_file: Option<String>,
    user: &'static str,
    password_file: String,
}

#[derive(Serialize)]
struct TopicSettings<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<&'a str>,
    // A topic without one must be an error of the template, not an empty word.
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<&'a str>,
    canary: bool,
    replace: bool,
}

#[derive(Serialize)]
struct SinkSettings<'a> {
    name: &'a str,
    kind: &'static str,
    from: &'a str,
    /// The keys of its kind, each with its value as TOML, which takes JSON's texts, numbers and lists.
    of_kind: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Process {
    program: String,
    config: String,
}

impl Component for Consumer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "consumer"
    }

    fn about(&self) -> &'static str {
        "Moves events from Kafka to CouchDB."
    }

    fn sections(&self) -> Vec<Section> {
        let mut sections = alerts::sections();
        sections.push(Section::of::<ConsumerSection>(NAME));
        sections
    }

    fn needs(&self) -> &'static [&'static str] {
        &[kafka::NAME, couchdb::NAME]
    }

    fn follows(&self) -> &'static [&'static str] {
        &[mariadb::NAME]
    }

    fn calls(&self) -> &'static [&'static str] {
        &[kafka::NAME, couchdb::NAME, mariadb::NAME]
    }

    /// Sinks say themselves what they need.
    fn requires(&self, inventory: &Inventory) -> Vec<&'static str> {
        let mut needed = self.needs().to_vec();
        needed.retain(|needed| inventory.sinks.is_empty() || *needed != couchdb::NAME);
        needed
    }

    fn check(&self, inventory: &Inventory, _: &[Member<'_>], findings: &mut Findings<'_>) {
        findings.check_span(
            "consumer.batch_age",
            inventory.sections.get::<ConsumerSection>().batch_age,
            TimeSpan::from_milliseconds(0),
            TimeSpan::from_seconds(60),
        );
        alerts::check(inventory, findings);
    }

    fn reads_data_of(&self) -> &'static [&'static str] {
        &[kafka::NAME]
    }

    fn memory(&self, _: &Topology) -> Memory {
        Memory {
            heap: None,
            beside: 128,
        }
    }

    fn disk(&self) -> Disk {
        Disk {
            data: 50,
            software: 0,
        }
    }

    fn differs(&self, wanted: &Value, report: Option<&Value>) -> Option<Difference> {
        wanted::differs(wanted, report)
    }

    fn ports(&self, _: &Node, topology: &Topology) -> Vec<Port> {
        vec![Port {
            number: section(topology).metrics_port,
            key: "consumer.metrics_port",
            reach: Reach::Node,
        }]
    }

    fn is_agent(&self) -> bool {
        true
    }

    /// All of them are one user, who reads each topic that was ever of the inventory, by a group for each sink.
    fn rights(&self, _: &Node, topology: &Topology) -> Vec<Right> {
        let topics = topology.topics.keys().chain(topology.former.topics.keys());
        let topics = topics.map(|topic| Right::on_topic(NAME, topic, "read"));
        let sinks = topology.sinks.keys().chain(alerts::names(topology));
        let groups = sinks.map(|sink| format!("{}-{sink}", topology.name));
        let groups = [topology.name.clone()].into_iter().chain(groups);
        topics
            .chain(groups.map(|group| Right::on_group(NAME, &group, "read")))
            .collect()
    }

    /// Those by which a relay is known.
    fn packages(&self, context: &Context<'_>) -> Vec<String> {
        let topology = context.topology;
        let is_needed = alerts::names(topology).next().is_some() && alerts::is_encrypted(topology);
        let packages = is_needed.then(|| "ca-certificates".to_owned());
        packages.into_iter().collect()
    }

    fn said_in(&self, node: &Node, topology: &Topology) -> Vec<String> {
        if alerts::is_on(node, topology) {
            alerts::states(topology)
        } else {
            Vec::new()
        }
    }

    /// An alert reads no canary: its mail of trial proves it.
    fn behind(
        &self,
        topology: &Topology,
        state: &str,
        _canary: i64,
    ) -> Option<BTreeMap<String, Behind>> {
        Some(alerts::behind(topology, state))
    }

    /// On the node that answers for the pipeline.
    fn is_tool_on(&self, node: &Node, topology: &Topology) -> bool {
        pipeline_node(topology) == Some(node) && !node.has(NAME)
    }

    fn tool_files(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let place = Place::new(context.topology, NAME);
        Ok(service::tool(&place, files(node, context)?))
    }

    /// Databases have no names of their own in the inventory: each is called after its topic.
    fn flows(&self, topology: &Topology) -> Vec<Flow> {
        if topology.nodes_with(NAME).next().is_none() {
            return Vec::new();
        }
        let has_store = topology.nodes_with(couchdb::NAME).next().is_some();
        let documented = topology.topics.values();
        let documented = documented.filter(|topic| has_store && topic.documented && !topic.canary);
        let documents = documented.map(|topic| Flow {
            from: Stop::Topic(topic.name.clone()),
            to: Stop::Sink(format!("{} {}", couchdb::NAME, topic.database)),
        });
        let named = topology.sinks.iter().map(|(name, sink)| {
            let kind = sinks::kind(sink).map_or("", |kind| kind.name());
            Flow {
                from: Stop::Topic(sink.from.clone()),
                to: Stop::Sink(format!("{kind} {name}")),
            }
        });
        let alerts = alerts::told(topology).into_iter().map(|alert| Flow {
            from: Stop::Topic(alert.from.to_owned()),
            to: Stop::Sink(format!("mail {}", alert.name)),
        });
        documents.chain(named).chain(alerts).collect()
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let mut service = Service::new(context, node, &Self);
        let topology = context.topology;
        if !topology.sinks.is_empty() || alerts::is_on(node, topology) {
            service.kept_directory();
        }
        service.extend(files(node, context)?);
        let process = Process {
            program: place::program(context.topology, NAME),
            config: service.place.file(CONFIG),
        };
        service.unit(UNIT, &process)
    }
}

fn section(topology: &Topology) -> &ConsumerSection {
    topology.sections.get()
}

/// The node that answers for the pipeline as a whole: the first consumer, else the first broker.
pub fn pipeline_node(topology: &Topology) -> Option<&Node> {
    let consumer = topology.nodes_with(NAME).next();
    consumer.or_else(|| topology.nodes_with(kafka::NAME).next())
}

/// The consumer binary on the node that answers for the pipeline; `None` where no node can. It asks as the agent itself would.
pub fn tool(topology: &Topology) -> Option<Tool> {
    pipeline_node(topology).map(|_| Tool {
        program: place::program(topology, NAME),
        config: Place::new(topology, NAME).file(CONFIG),
        login: None,
    })
}

/// The same as whom brokers refuse nothing, and to whom CouchDB says whether those who read documents are users there.
pub fn operator_tool(topology: &Topology, secrets: &Secrets) -> Option<Tool> {
    let login = kafka::login(topology, secrets).map(|kafka| {
        let mut login = json!({ "kafka": kafka });
        if !kafka::users::readers(topology).is_empty() {
            let password = secrets.get(couchdb::NAME, couchdb::ADMIN_PASSWORD);
            login["couchdb"] = json!({ "user": couchdb::ADMIN, "password": password });
        }
        Secret::new(login.to_string())
    });
    tool(topology).map(|tool| Tool { login, ..tool })
}

/// Who administers CouchDB and who writes to it, as the tool wants it on its standard input. It holds passwords.
pub fn credentials(secrets: &Secrets) -> Value {
    json!({
        "admin": couchdb::ADMIN,
        "admin_password": secrets.get(couchdb::NAME, couchdb::ADMIN_PASSWORD),
        "user": couchdb::USER,
        "user_password": secrets.get(couchdb::NAME, couchdb::USER_PASSWORD),
    })
}

/// Making databases, their users and the topics, from the node that answers for the pipeline.
pub fn pipeline(context: &Context<'_>) -> Option<Action> {
    let topology = context.topology;
    let tool = operator_tool(topology, context.secrets)?;
    let has_couchdb = couchdb::url(topology, context.choices).is_some();
    let couchdb = has_couchdb.then(|| credentials(context.secrets));
    let topics: Vec<_> = topology
        .topics
        .values()
        .map(|topic| {
            json!({
                "name": topic.name,
                "partitions": topic.partitions,
                "replication": topic.replication,
                "config": topic.config,
            })
        })
        .collect();
    let mut request = json!({
        "couchdb": couchdb,
        "brokers": topology.nodes_with(kafka::NAME).count(),
        "topics": topics,
        "timeout_seconds": PREPARE_SECONDS,
    });
    let topics = topology.topics.values();
    let mut wanted = Wanted {
        topics: topics
            .clone()
            .map(|topic| (topic.name.clone(), topic.partitions))
            .collect(),
        settings: topics
            .clone()
            .map(|topic| (topic.name.clone(), topic.config.clone()))
            .collect(),
        databases: topics
            .filter(|topic| topic.documented)
            .map(|topic| &topic.database)
            .chain(topology.former.topics.values())
            .filter(|_| has_couchdb)
            .cloned()
            .collect(),
        ..Wanted::default()
    };
    access::add(&mut request, &mut wanted, context);
    if has_couchdb {
        access::add_readers(&mut request, &mut wanted, context);
    }
    Some(Action::CallTool {
        component: NAME.to_owned(),
        words: wanted.words(),
        tool,
        arguments: vec!["prepare".to_owned()],
        input: Content::secret(request.to_string()),
        // The request has its own deadline, which is shorter.
        seconds: 5 * PREPARE_SECONDS,
        waits: false,
        wanted: json!(wanted),
        reads: has_couchdb
            .then(|| {
                let path = Place::new(topology, NAME).file(PASSWORD);
                (path, password(context.secrets).sha256())
            })
            .into_iter()
            .collect(),
    })
}

/// The binary, its configuration and the password of its user.
fn files(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    let topology = context.topology;
    let place = Place::new(topology, NAME);
    let group = service::group(topology, node, NAME);
    let epochs = context.receipt.epochs_of(kafka::NAME);
    let epoch = |topic: &str| epochs.get(topic).map(String::as_str);
    let wanted = topology.topics.values().map(|topic| TopicSettings {
        name: &topic.name,
        database: topic.documented.then_some(&topic.database),
        epoch: epoch(&topic.name),
        canary: topic.canary,
        replace: topic.replaced,
    });
    let former = topology.former.topics.iter();
    let former = former.map(|(name, database)| TopicSettings {
        name,
        database: Some(database),
        epoch: epoch(name),
        canary: false,
        replace: topology.former.replaced.contains(name),
    });
    // In the order of their names, so that one that leaves the inventory changes nothing.
    let mut topics: Vec<TopicSettings<'_>> = wanted.chain(former).collect();
    topics.sort_by_key(|topic| topic.name);
    let section = section(topology);
    let told = |(key, value): (&'static str, Value)| (key, value.to_string());
    // Whoever only asks writes to none.
    let sinks = topology.sinks.iter().filter(|_| node.has(NAME));
    let sinks = sinks.filter_map(|(name, sink)| {
        let kind = sinks::kind(sink)?;
        let own = sinks::Told {
            name,
            directory: format!("{}/{name}", place.data()),
            place: &place,
            topology,
        };
        let settings = kind.settings(sink, &own);
        Some(SinkSettings {
            name,
            kind: kind.name(),
            from: &sink.from,
            of_kind: settings.into_iter().map(told).collect(),
        })
    });
    let sends = alerts::is_on(node, topology);
    let alerts = sends.then(|| alerts::told(topology)).into_iter().flatten();
    let alerts = alerts.map(|alert| SinkSettings {
        name: alert.name,
        kind: "alert",
        from: alert.from,
        of_kind: alert.of_kind.into_iter().map(told).collect(),
    });
    let settings = Settings {
        group: &topology.name,
        bootstrap: kafka::bootstrap(topology),
        login: AgentLogin::of(&place, NAME.to_owned(), topology),
        couchdb: couchdb::url(topology, context.choices).map(|url| CouchdbSettings {
            ca_file: url
                .starts_with("https:")
                .then(|| place.file(service::AUTHORITY)),
            url,
            user: couchdb::USER,
            password_file: place.file(PASSWORD),
        }),
        batch: BatchSettings {
            batch_documents: section.batch_documents,
            batch_bytes: section.batch_bytes,
            batch_age_ms: section.batch_age.milliseconds(),
            metrics_port: section.metrics_port,
        },
        topics,
        sinks: sinks.chain(alerts).collect(),
    };
    let config = Content::open(render("agent/consumer.toml", &settings)?);
    let mut actions = vec![
        service::upload(context, NAME, UNIT)?,
        service::configuration_file(&place, &group, CONFIG, config),
    ];
    if let Some(login) = &settings.login {
        actions.extend(login.files(&place, &group, context));
    }
    for kind in sinks::KINDS {
        let mut named = settings.sinks.iter().map(|sink| sink.kind);
        let Some((component, key)) = kind
            .password()
            .filter(|_| named.any(|it| it == kind.name()))
        else {
            continue;
        };
        let password = Content::secret(format!("{}\n", context.secrets.get(component, key)));
        let name = sinks::password_file(*kind);
        actions.push(service::configuration_file(&place, &group, &name, password));
    }
    if settings.couchdb.is_some() {
        actions.push(service::configuration_file(
            &place,
            &group,
            PASSWORD,
            password(context.secrets),
        ));
    }
    if let Some(password) = alerts::password(topology, context.secrets).filter(|_| sends) {
        actions.push(service::configuration_file(
            &place,
            &group,
            alerts::PASSWORD,
            password,
        ));
    }
    Ok(actions)
}

/// Nothing but the password: the agent reads the whole file.
fn password(secrets: &Secrets) -> Content {
    let password = secrets.get(couchdb::NAME, couchdb::USER_PASSWORD);
    Content::secret(format!("{password}\n"))
}
