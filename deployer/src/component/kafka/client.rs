//! What a user's program needs to reach the brokers, as files for the clients that there are. They lie in one directory and name
//! each other by their place in it, so that it can be carried to wherever the program runs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::users::readers;
use super::{UsersSection, bootstrap};
use crate::authority;
use crate::component::users::PASSWORDS;
use crate::receipt::Secrets;
use crate::secret::Secret;
use crate::topology::Topology;

/// The authority's certificate.
const AUTHORITY: &str = "ca.pem";

/// A file of a user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFile {
    /// Which clients read it; `None`: all of them, and people.
    pub of: Option<&'static str>,
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: Secret,
}

/// Those who may ask for such files.
pub fn users(topology: &Topology) -> impl Iterator<Item = &str> {
    let UsersSection(users) = topology.sections.get();
    users.keys().map(String::as_str)
}

/// The files of a user; `None`: the deployment has no such user, or no password for it yet. `store` is where documents are.
pub fn files(
    user: &str,
    topology: &Topology,
    secrets: &Secrets,
    store: Option<&str>,
) -> Option<Vec<ClientFile>> {
    let password = secrets.known(PASSWORDS, user)?.expose();
    users(topology).find(|known| *known == user)?;
    let login = Login {
        servers: &bootstrap(topology),
        known: Some(Known {
            user,
            password,
            authority: AUTHORITY,
        }),
        groups: &super::users::groups(user),
        documents: Documents {
            url: store,
            databases: readers(topology).remove(user).unwrap_or_default(),
        },
    };
    let file = |of, name, text: String| ClientFile {
        of,
        name,
        text: Secret::new(text),
    };
    Some(vec![
        file(None, AUTHORITY, authority::certificate(secrets).to_owned()),
        file(Some("kcat"), "kcat.conf", login.kcat()),
        file(Some("java"), "client.properties", login.java()),
        file(Some("python"), "client.py", login.python()),
        file(Some("env"), "client.env", login.env()),
    ])
}

/// What programs of the inventory's read to reach the brokers, in the words of the usual clients.
pub(in crate::component) struct Settings {
    /// librdkafka's.
    pub(in crate::component) librdkafka: String,
    /// Kafka's own, which programs in Java have.
    pub(in crate::component) java: String,
    /// A module of Python.
    pub(in crate::component) python: String,
}

/// The settings of a user on a node, where the authority's certificate lies at `authority`. Nobody logs in where security is off.
pub(in crate::component) fn settings(
    user: &str,
    authority: &str,
    topology: &Topology,
    secrets: &Secrets,
) -> Settings {
    let known = topology.security.is_on().then(|| Known {
        user,
        password: secrets.get(PASSWORDS, user),
        authority,
    });
    let login = Login {
        servers: &bootstrap(topology),
        known,
        groups: &super::users::groups(user),
        documents: Documents {
            url: None,
            databases: BTreeSet::new(),
        },
    };
    Settings {
        librdkafka: login.kcat(),
        java: login.java(),
        python: login.python(),
    }
}

struct Login<'a> {
    servers: &'a str,
    known: Option<Known<'a>>,
    groups: &'a str,
    documents: Documents<'a>,
}

/// By what somebody is known, and knows the brokers.
struct Known<'a> {
    user: &'a str,
    password: &'a str,
    authority: &'a str,
}

/// Where documents are, and those that the user may read.
struct Documents<'a> {
    url: Option<&'a str>,
    databases: BTreeSet<&'a str>,
}

impl Documents<'_> {
    /// The address, where the user may read there.
    fn readable(&self) -> Option<&str> {
        self.url.filter(|_| !self.databases.is_empty())
    }
}

impl Login<'_> {
    /// librdkafka's words; `kcat -F kcat.conf` in the directory.
    fn kcat(&self) -> String {
        let mut text = format!("bootstrap.servers={}\n", self.servers);
        if let Some(Known {
            user,
            password,
            authority,
        }) = &self.known
        {
            // A text takes everything.
            let _ = write!(
                text,
                "security.protocol=sasl_ssl\n\
                 sasl.mechanisms=SCRAM-SHA-512\n\
                 sasl.username={user}\n\
                 sasl.password={password}\n\
                 ssl.ca.location={authority}\n"
            );
        }
        text
    }

    /// Kafka's own words: for its tools and for programs in Java.
    fn java(&self) -> String {
        let mut text = format!("bootstrap.servers={}\n", self.servers);
        if let Some(Known {
            user,
            password,
            authority,
        }) = &self.known
        {
            let _ = write!(
                text,
                "security.protocol=SASL_SSL\n\
                 sasl.mechanism=SCRAM-SHA-512\n\
                 sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
                 username=\"{user}\" password=\"{password}\";\n\
                 ssl.truststore.type=PEM\n\
                 ssl.truststore.location={authority}\n"
            );
        }
        text
    }

    /// A module with the settings of both usual clients.
    fn python(&self) -> String {
        let (servers, groups) = (self.servers, self.groups);
        let about = format!(
            "\"\"\"confluent_kafka.Producer(CONFLUENT), kafka.KafkaProducer(**KAFKA_PYTHON); groups begin with {groups}\"\"\"\n"
        );
        let Some(Known {
            user,
            password,
            authority,
        }) = &self.known
        else {
            return format!(
                "{about}\
                 CONFLUENT = {{\"bootstrap.servers\": \"{servers}\"}}\n\
                 KAFKA_PYTHON = {{\"bootstrap_servers\": \"{servers}\".split(\",\")}}\n"
            );
        };
        let mut text = format!(
            "{about}\
             from pathlib import Path\n\
             \n\
             CA = str(Path(__file__).resolve().parent / \"{authority}\")\n\
             CONFLUENT = {{\n    \
             \"bootstrap.servers\": \"{servers}\",\n    \
             \"security.protocol\": \"SASL_SSL\",\n    \
             \"sasl.mechanisms\": \"SCRAM-SHA-512\",\n    \
             \"sasl.username\": \"{user}\",\n    \
             \"sasl.password\": \"{password}\",\n    \
             \"ssl.ca.location\": CA,\n\
             }}\n\
             KAFKA_PYTHON = {{\n    \
             \"bootstrap_servers\": \"{servers}\".split(\",\"),\n    \
             \"security_protocol\": \"SASL_SSL\",\n    \
             \"sasl_mechanism\": \"SCRAM-SHA-512\",\n    \
             \"sasl_plain_username\": \"{user}\",\n    \
             \"sasl_plain_password\": \"{password}\",\n    \
             \"ssl_cafile\": CA,\n\
             }}\n"
        );
        if let Some(url) = self.documents.readable() {
            let databases: Vec<_> = self.documents.databases.iter().collect();
            // A text takes everything.
            let _ = write!(
                text,
                "COUCHDB = {{\n    \
                 \"url\": \"{url}\",\n    \
                 \"user\": \"{user}\",\n    \
                 \"password\": \"{password}\",\n    \
                 \"ca\": CA,\n    \
                 \"databases\": {databases:?},\n\
                 }}\n"
            );
        }
        text
    }

    /// For a shell: names and passwords of ours need no quotes.
    fn env(&self) -> String {
        let Self {
            servers,
            known:
                Some(Known {
                    user,
                    password,
                    authority,
                }),
            groups,
            documents,
        } = self
        else {
            return format!("KAFKA_BOOTSTRAP={}\n", self.servers);
        };
        let mut text = format!(
            "KAFKA_BOOTSTRAP={servers}\n\
             KAFKA_USER={user}\n\
             KAFKA_PASSWORD={password}\n\
             KAFKA_GROUP={groups}1\n\
             KAFKA_CA={authority}\n"
        );
        if let Some(url) = documents.url {
            let _ = writeln!(text, "COUCHDB_URL={url}");
        }
        if documents.readable().is_some() {
            let databases: Vec<_> = documents.databases.iter().copied().collect();
            let databases = databases.join(",");
            let _ = write!(
                text,
                "COUCHDB_USER={user}\n\
                 COUCHDB_PASSWORD={password}\n\
                 COUCHDB_DATABASES={databases}\n\
                 COUCHDB_CA={authority}\n"
            );
        }
        text
    }
}
