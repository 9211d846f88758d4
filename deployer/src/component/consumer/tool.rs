//! The tool by which the deployer prepares and asks the pipeline.

use serde_json::{Value, json};

use super::configuration::{self, PASSWORD};
use super::{CONFIG, NAME, Wanted, access, tables};
use crate::component::place::{self, Place};
use crate::component::{Context, couchdb, kafka};
use crate::receipt::Secrets;
use crate::secret::Secret;
use crate::step::{Action, Content, Tool};
use crate::topology::{Node, Topology};

/// Seconds for CouchDB, the brokers and the replicas of all topics to be there.
const PREPARE_SECONDS: u64 = 120;

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
        tables: tables::wanted(topology),
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
                (path, configuration::password(context.secrets).sha256())
            })
            .into_iter()
            .collect(),
    })
}
