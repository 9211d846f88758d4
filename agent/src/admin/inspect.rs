//! `inspect`: Kafka and `CouchDB` at one moment, everything asked at once and nothing waited for beyond the deadline.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all, join3, join4};
use rdkafka::admin::AdminClient;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::AdminError;
use super::access::{self, Access, Known};
use super::couchdb_setup::{Vendor, take_own, user_path};
use super::metadata::{self, Broker, Client, Cluster, Partition, fetch_async};
use super::offsets::{Committed, Ends};
use super::readers::{self, GUARD, access_rules, guard};
use super::rights::Right;
use super::settings::{self, Settings};
use super::users::Marks;
use crate::config::{Connection, ConsumerConfig, SinkOf, Topic};
use crate::deadline::left;
use crate::kafka::Keeping;
use crate::sink::Later;
use crate::sink::asked::{Asked, Holding};
use crate::sink::couchdb::Trouble;
use crate::sink::couchdb::{Couchdb, OpenError, Server, path_of};

/// How many questions `CouchDB` is asked at once.
const TURNS: usize = 4;

/// What `inspect` prints.
#[derive(Debug, Serialize)]
pub struct Inspection {
    kafka: KafkaView,
    couchdb: CouchdbView,
    sinks: Vec<SinkView>,
}

#[derive(Debug, Default, Serialize)]
struct KafkaView {
    reachable: bool,
    error: Option<String>,
    brokers: Vec<Broker>,
    topics: Vec<TopicView>,
    /// Topics that the configuration does not name, Kafka's own ones too.
    other_topics: Vec<metadata::Topic>,
    /// Who logs in by a password, each with its mark; asked only by a login of the deployer's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Marks>,
    /// What they may do, asked as the users are.
    #[serde(skip_serializing_if = "Option::is_none")]
    rights: Option<Vec<Right>>,
}

#[derive(Debug, Serialize)]
struct TopicView {
    name: String,
    partitions: Vec<Partition>,
    messages: Option<i64>,
    /// Where its partitions end, as far as that is known.
    ends: BTreeMap<i32, i64>,
    lag: Option<i64>,
    /// Events that Kafka has deleted and the group had not read, where the consumer did not write that down.
    deleted: Option<i64>,
    /// The settings it has of its own.
    config: Option<Settings>,
}

#[derive(Debug, Default, Serialize)]
struct CouchdbView {
    reachable: bool,
    error: Option<String>,
    vendor: Option<String>,
    databases: Vec<DatabaseView>,
}

#[derive(Debug, Serialize)]
struct DatabaseView {
    name: String,
    topic: String,
    documents: Option<u64>,
    newest: Option<String>,
    dead_letters: Option<u64>,
    /// Events that Kafka deleted before they were read, by the letters that say so.
    lost_events: Option<u64>,
    /// Dead letters that were put away; they are not in `dead_letters`.
    put_away: Option<u64>,
    /// Whether its access rules, and those of its dead letters, are those that were made with it; `None`: not known.
    access_kept: Option<bool>,
    /// Whom its access rules let in beside the agents' user, where they are users.
    readers: Vec<String>,
    /// Whether what refuses their writes is there; `None`: there are none, or it is not known.
    guarded: Option<bool>,
    /// Why nothing is known of it, where it is not missing.
    error: Option<String>,
}

/// Topic → events that did not come to a sink yet.
type Lags = HashMap<String, i64>;

/// What a sink with a name holds of a topic.
#[derive(Debug, Serialize)]
struct SinkView {
    name: String,
    topic: String,
    #[serde(flatten)]
    holding: Holding,
    /// Events that did not come there yet.
    lag: Option<i64>,
    /// Why nothing is known of it.
    error: Option<String>,
}

/// Looks at Kafka and `CouchDB`; what does not answer within the timeout is shown as away.
///
/// # Errors
/// Only when no client could be made.
pub async fn inspect(config: &ConsumerConfig, timeout: Duration) -> Result<Inspection, AdminError> {
    let deadline = Instant::now() + timeout;
    let client = metadata::client(config)?;
    let connection = Connection::of_consumer(config)?;
    let couchdb = async {
        let Some(settings) = &config.couchdb else {
            return CouchdbView::default();
        };
        let topics = config.documented();
        match Couchdb::open(settings).map(|server| server.with_turns(TURNS)) {
            Ok(server) => {
                let mut view = inspect_couchdb(&server, &settings.user, &topics, deadline).await;
                if let Some(login) = &config.couchdb_login {
                    let administrator = Server::of(settings).map_err(OpenError::from);
                    let administrator =
                        administrator.and_then(|server| server.login(&login.user, &login.password));
                    match administrator {
                        Ok(administrator) => keep_users(&mut view, &administrator, deadline).await,
                        Err(error) => view.error = Some(crate::error::chain(&error)),
                    }
                }
                view
            }
            Err(error) => CouchdbView {
                error: Some(crate::error::chain(&error)),
                ..CouchdbView::default()
            },
        }
    };
    // One for all of its questions: each connection costs a broker the proof of who it is.
    let admin = access::client(&connection)?;
    let settings = settings::ask(&admin, &config.topics, deadline);
    let all_sinks = config.all_sinks();
    let named: Vec<_> = all_sinks
        .iter()
        .filter_map(|sink| Some((sink.name?, sink)))
        .collect();
    let kafka = inspect_kafka(&client, config, &named, deadline);
    let kafka = join(kafka, inspect_access(config, &admin, deadline));
    let sinks = join_all(
        named
            .iter()
            .map(|(name, sink)| inspect_sink(name, sink, deadline)),
    );
    let (kafka, settings, couchdb, sinks) = join4(kafka, settings, couchdb, sinks).await;
    let (((mut kafka, lags), access), mut settings) = (kafka, settings);
    match access {
        Some(Ok(Known { users, rights })) => {
            (kafka.users, kafka.rights) = (Some(users), Some(rights));
        }
        Some(Err(error)) => {
            // Where it does not answer at all, that is said already.
            kafka.error.get_or_insert(crate::error::chain(&error));
        }
        None => {}
    }
    for topic in &mut kafka.topics {
        topic.config = settings.remove(&topic.name);
    }
    let mut sinks: Vec<SinkView> = sinks.into_iter().flatten().collect();
    for sink in &mut sinks {
        let lags = lags.get(sink.name.as_str());
        sink.lag = lags.and_then(|lags| lags.get(&sink.topic).copied());
    }
    // Dropping clients takes a while and frees nothing that the end of the process does not.
    std::mem::forget((client, admin));
    Ok(Inspection {
        kafka,
        couchdb,
        sinks,
    })
}

/// Looks at Kafka, and returns with it how many events of each topic did not come to each sink with a name yet.
async fn inspect_kafka<'a>(
    client: &Client,
    config: &ConsumerConfig,
    named: &[(&'a str, &SinkOf<'_>)],
    deadline: Instant,
) -> (KafkaView, HashMap<&'a str, Lags>) {
    let topics = &config.topics;
    // The group is the one that writes to CouchDB; what others read they tell themselves.
    let is_read = |topic: &&Topic| config.couchdb.is_some() && topic.has_database();
    let cluster = match fetch_async(client, left(deadline)).await {
        Ok(cluster) => cluster,
        Err(error) => {
            let away = KafkaView {
                error: Some(crate::error::chain(&error)),
                ..KafkaView::default()
            };
            return (away, HashMap::new());
        }
    };
    let ends = Ends::ask(client, &cluster, topics, deadline);
    let read = topics.iter().filter(is_read);
    let group = Committed::ask(client, &cluster, read, deadline);
    let others = named.iter().map(async |(name, sink)| {
        let committed = committed(config, sink, &cluster, deadline).await;
        (*name, *sink, committed)
    });
    let (ends, group, others) = join3(ends, group, join_all(others)).await;
    let lags = others.into_iter().map(|(name, sink, group)| {
        let lag = |topic: &&Topic| {
            let lag = ends.lag(cluster.topic(&topic.name)?, group.as_ref()?)?;
            Some((topic.name.clone(), lag))
        };
        (name, sink.topics.iter().filter_map(lag).collect())
    });
    let lags = lags.collect();
    let view = |topic: &Topic| {
        let present = cluster.topic(&topic.name)?;
        let is_read = is_read(&topic);
        Some(TopicView {
            name: topic.name.clone(),
            partitions: present.partitions.clone(),
            messages: ends.messages(present),
            ends: ends.of(present),
            lag: ends.lag(present, &group).filter(|_| is_read),
            deleted: ends.deleted(present, &group).filter(|_| is_read),
            config: None,
        })
    };
    let is_ours = |name: &str| topics.iter().any(|topic| topic.name == name);
    let view = KafkaView {
        reachable: true,
        error: None,
        topics: topics.iter().filter_map(view).collect(),
        other_topics: cluster
            .topics
            .iter()
            .filter(|topic| !is_ours(&topic.name))
            .cloned()
            .collect(),
        brokers: cluster.brokers,
        users: None,
        rights: None,
    };
    (view, lags)
}

/// Asks how far the group of a sink with a name came, by a client of that group.
async fn committed(
    config: &ConsumerConfig,
    sink: &SinkOf<'_>,
    cluster: &Cluster,
    deadline: Instant,
) -> Option<Committed> {
    // Why there is none is said once, where Kafka is asked for all.
    let client = metadata::client_of(config, &sink.group).ok()?;
    let topics = sink.topics.iter().copied();
    let committed = Committed::ask(&client, cluster, topics, deadline).await;
    std::mem::forget(client);
    Some(committed)
}

/// Asks who may use Kafka, where the deployer's own login is there to ask.
async fn inspect_access(
    config: &ConsumerConfig,
    admin: &Arc<AdminClient<Keeping>>,
    deadline: Instant,
) -> Option<Result<Known, AdminError>> {
    config.kafka.login.as_ref()?;
    let access = Access::new(Arc::clone(admin), deadline);
    Some(access.known().await)
}

async fn inspect_couchdb(
    server: &Couchdb,
    user: &str,
    topics: &[&Topic],
    deadline: Instant,
) -> CouchdbView {
    let greeting = server.get_json("", &[], left(deadline));
    let databases = join_all(
        topics
            .iter()
            .map(|topic| inspect_database(server, topic, user, deadline)),
    );
    let (greeting, databases) = join(greeting, databases).await;
    // What all say is said once.
    let failed = databases
        .iter()
        .map(|database| database.as_ref().err().map(ToString::to_string))
        .reduce(|one, other| one.filter(|one| other.as_ref() == Some(one)))
        .flatten();
    // A database that did not answer in time is not one that is missing.
    let silent = databases
        .iter()
        .any(|database| matches!(database, Err(Later::Away(_))));
    match greeting {
        Ok(greeting) => CouchdbView {
            reachable: !silent,
            error: failed,
            vendor: Some(Vendor::of(&greeting).to_string()),
            databases: databases
                .into_iter()
                .zip(topics)
                .map(|(view, topic)| view.unwrap_or_else(|trouble| unknown(topic, Some(trouble))))
                .collect(),
        },
        // A server that answers at all is there, even when it lets us not in.
        Err(trouble) => CouchdbView {
            reachable: !matches!(trouble, Trouble::Away(_)),
            error: Some(trouble.to_string()),
            ..CouchdbView::default()
        },
    }
}

/// Leaves out whom rules let in and who is no user there any more. Who is not told stays: that the administrator is refused is said
/// where something hangs on it.
async fn keep_users(view: &mut CouchdbView, administrator: &Couchdb, deadline: Instant) {
    let readers = view.databases.iter().flat_map(|database| &database.readers);
    let readers: BTreeSet<String> = readers.cloned().collect();
    let gone = join_all(readers.into_iter().map(async |name| {
        let path = user_path(&name);
        let asked = administrator.request(Method::GET, &path, &[], None, left(deadline));
        let is_gone = asked
            .await
            .is_ok_and(|answer| answer.status == StatusCode::NOT_FOUND);
        is_gone.then_some(name)
    }));
    let gone: BTreeSet<String> = gone.await.into_iter().flatten().collect();
    for database in &mut view.databases {
        database.readers.retain(|name| !gone.contains(name));
    }
}

fn unknown(topic: &Topic, trouble: Option<Later>) -> DatabaseView {
    DatabaseView {
        name: topic.database.clone(),
        topic: topic.name.clone(),
        documents: None,
        newest: None,
        dead_letters: None,
        lost_events: None,
        put_away: None,
        access_kept: None,
        readers: Vec::new(),
        guarded: None,
        error: trouble.map(|trouble| trouble.to_string()),
    }
}

/// A database's access rules as they are; `None`: they are not told.
async fn rules_of(server: &Couchdb, path: &str, deadline: Instant) -> Option<Value> {
    let path = format!("{path}/_security");
    server.get_json(&path, &[], left(deadline)).await.ok()
}

async fn inspect_database(
    server: &Couchdb,
    topic: &Topic,
    user: &str,
    deadline: Instant,
) -> Result<DatabaseView, Later> {
    let (path, dead_letters) = (path_of(&topic.database), path_of(&topic.dead_letters()));
    let (holding, access, access_of_letters) = join3(
        server.holding(topic, deadline),
        rules_of(server, &path, deadline),
        rules_of(server, &dead_letters, deadline),
    )
    .await;
    let Some(holding) = holding? else {
        return Ok(unknown(topic, None));
    };
    let readers = access.as_ref().map(|rules| readers::in_rules(rules, user));
    let readers = readers.unwrap_or_default();
    let names: Vec<&str> = readers.iter().map(String::as_str).collect();
    let rules_kept = |there: Option<Value>, readers: &[&str]| {
        there.map(|there| there == access_rules(user, readers))
    };
    let rules_kept = (
        rules_kept(access, &names),
        rules_kept(access_of_letters, &[]),
    );
    let guarded = match names.as_slice() {
        [] => None,
        _ => is_guarded(server, &path, user, deadline).await,
    };
    Ok(DatabaseView {
        name: topic.database.clone(),
        topic: topic.name.clone(),
        documents: holding.records,
        newest: holding.newest,
        dead_letters: holding.dead_letters,
        lost_events: holding.lost_events,
        put_away: holding.put_away,
        access_kept: match rules_kept {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        readers,
        guarded,
        error: None,
    })
}

/// Whether what refuses the writes of a database's readers is as it was made; `None`: it is not told.
async fn is_guarded(server: &Couchdb, path: &str, user: &str, deadline: Instant) -> Option<bool> {
    let path = format!("{path}/{GUARD}");
    let answer = server.request(Method::GET, &path, &[], None, left(deadline));
    let answer = answer.await.ok()?;
    match answer.status {
        StatusCode::OK => {
            let mut there = answer.body;
            take_own(&mut there);
            Some(there == guard(user))
        }
        StatusCode::NOT_FOUND => Some(false),
        _ => None,
    }
}

/// Asks a sink that has a name for each of its topics.
async fn inspect_sink(name: &str, sink: &SinkOf<'_>, deadline: Instant) -> Vec<SinkView> {
    let asked = sink.settings.asked();
    // What canaries come to is empty but for moments.
    let topics = sink.topics.iter().filter(|topic| !topic.canary);
    let views = topics.map(async |topic| {
        let answer = match &asked {
            Ok(asked) => match asked.holding(topic, deadline).await {
                Ok(holding) => Ok(holding.unwrap_or_default()),
                Err(later) => Err(later.to_string()),
            },
            Err(error) => Err(crate::error::chain(error)),
        };
        let (holding, error) = match answer {
            Ok(holding) => (holding, None),
            Err(error) => (Holding::default(), Some(error)),
        };
        SinkView {
            name: name.to_owned(),
            topic: topic.name.clone(),
            holding,
            lag: None,
            error,
        }
    });
    join_all(views).await
}
