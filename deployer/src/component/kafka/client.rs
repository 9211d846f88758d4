//! What a user's program needs to reach the brokers, as files for the clients that there are. They lie in one directory and name
//! each other by their place in it, so that it can be carried to wherever the program runs.

use std::fmt::Write as _;

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

/// The files of a user; `None`: the deployment has no such user, or no password for it yet. `documents` is where these are.
pub fn files(
    user: &str,
    topology: &Topology,
    secrets: &Secrets,
    documents: Option<&str>,
) -> Option<Vec<ClientFile>> {
    let password = secrets.known(PASSWORDS, user)?.expose();
    users(topology).find(|known| *known == user)?;
    let login = Login {
        servers: &bootstrap(topology),
        user,
        password,
        groups: &super::users::groups(user),
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
        file(Some("env"), "client.env", login.env(documents)),
    ])
}

struct Login<'a> {
    servers: &'a str,
    user: &'a str,
    password: &'a str,
    groups: &'a str,
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
        } = self;
        format!(
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
        )
    }

    /// For a shell: names and passwords of ours need no quotes.
    fn env(&self, documents: Option<&str>) -> String {
        let Self {
            servers,
            user,
            password,
            groups,
        } = self;
        let mut text = format!(
            "KAFKA_BOOTSTRAP={servers}\n\
             KAFKA_USER={user}\n\
             KAFKA_PASSWORD={password}\n\
             KAFKA_GROUP={groups}1\n\
             KAFKA_CA={AUTHORITY}\n"
        );
        if let Some(url) = documents {
            // A text takes everything.
            let _ = writeln!(text, "COUCHDB_URL={url}");
        }
        text
    }
}
