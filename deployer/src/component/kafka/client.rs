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
        user,
        password,
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

struct Login<'a> {
    servers: &'a str,
    user: &'a str,
    password: &'a str,
    groups: &'a str,
    documents: Documents<'a>,
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
        let Self {
            servers,
            user,
            password,
            ..
        } = self;
        format!(
            "bootstrap.servers={servers}\n\
             security.protocol=sasl_ssl\n\
             sasl.mechanisms=SCRAM-SHA-512\n\
             sasl.username={user}\n\
             sasl.password={password}\n\
             ssl.ca.location={AUTHORITY}\n"
        )
    }

    /// Kafka's own words: for its tools and for programs in Java.
    fn java(&self) -> String {
        let Self {
            servers,
            user,
            password,
            ..
        } = self;
        format!(
            "bootstrap.servers={servers}\n\
             security.protocol=SASL_SSL\n\
             sasl.mechanism=SCRAM-SHA-512\n\
             sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
             username=\"{user}\" password=\"{password}\";\n\
             ssl.truststore.type=PEM\n\
             ssl.truststore.location={AUTHORITY}\n"
        )
    }

    /// A module with the settings of both usual clients.
    fn python(&self) -> String {
        let Self {
            servers,
            user,
            password,
            groups,
            documents,
        } = self;
        let mut text = format!(
            "\"\"\"confluent_kafka.Producer(CONFLUENT), kafka.KafkaProducer(**KAFKA_PYTHON); groups begin with {groups}\"\"\"\n\
             from pathlib import Path\n\
             \n\
             CA = str(Path(__file__).resolve().parent / \"{AUTHORITY}\")\n\
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
        if let Some(url) = documents.readable() {
            let databases: Vec<_> = documents.databases.iter().collect();
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
            user,
            password,
            groups,
            documents,
        } = self;
        let mut text = format!(
            "KAFKA_BOOTSTRAP={servers}\n\
             KAFKA_USER={user}\n\
             KAFKA_PASSWORD={password}\n\
             KAFKA_GROUP={groups}1\n\
             KAFKA_CA={AUTHORITY}\n"
        );
        // A text takes everything.
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
                 COUCHDB_CA={AUTHORITY}\n"
            );
        }
        text
    }
}
