//! The consumer's configuration, and the files it names.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{CONFIG, NAME, UNIT, alerts, section, sinks};
use crate::component::kafka::AgentLogin;
use crate::component::place::Place;
use crate::component::{Context, couchdb, kafka, service};
use crate::receipt::Secrets;
use crate::step::{Action, Content};
use crate::template::{TemplateError, render};
use crate::topology::Node;

/// The file with the password by which it writes to CouchDB.
pub(super) const PASSWORD: &str = "couchdb-password";

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

/// The binary, its configuration and the password of its user.
pub(super) fn files(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
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
pub(super) fn password(secrets: &Secrets) -> Content {
    let password = secrets.get(couchdb::NAME, couchdb::USER_PASSWORD);
    Content::secret(format!("{password}\n"))
}
