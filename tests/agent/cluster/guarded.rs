//! A real broker that speaks TLS, asks for passwords at one port and for certificates at another.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use super::{Server, free, java, make_topic, zookeeper};
use crate::certificates::Authority;

pub struct Guarded {
    _zookeeper: Server,
    broker: Server,
    /// Neither: for the test itself.
    pub open: SocketAddr,
    /// TLS, and SCRAM by SHA-256 or SHA-512.
    pub by_password: SocketAddr,
    /// TLS, and a certificate of the same authority.
    pub by_certificate: SocketAddr,
}

impl Guarded {
    /// Starts both servers, and makes a user and a topic.
    pub fn start(directory: &Path, authority: &Authority, user: (&str, &str), topic: &str) -> Self {
        let guarded = Self::launch(directory, authority, "");
        guarded.make_user(directory, user);
        make_topic(&guarded.open.to_string(), 1, topic, 1);
        guarded
    }

    /// As [`Self::start`], without a user, where all but the test and whoever has the certificate `deployer` need a right.
    pub fn strict(directory: &Path, authority: &Authority, topic: &str) -> Self {
        let rules = "authorizer.class.name=kafka.security.authorizer.AclAuthorizer\n\
                     super.users=User:ANONYMOUS;User:CN=deployer\n";
        let guarded = Self::launch(directory, authority, rules);
        make_topic(&guarded.open.to_string(), 1, topic, 1);
        guarded
    }

    fn launch(directory: &Path, authority: &Authority, rules: &str) -> Self {
        let (zookeeper, client) = zookeeper(directory);
        let [open, by_password, by_certificate] = [free(), free(), free()];
        let issued = authority.issue("broker");
        let key = [&issued.key, &issued.certificate].map(|file| std::fs::read(file).unwrap());
        let keystore = directory.join("broker.pem");
        std::fs::write(&keystore, key.concat()).unwrap();
        let listeners =
            format!("PLAINTEXT://{open},SASL_SSL://{by_password},SSL://{by_certificate}");
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        let config = format!(
            "broker.id=1\nlisteners={listeners}\nadvertised.listeners={listeners}\nzookeeper.connect={client}\n\
             log.dirs={}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=4\n\
             group.initial.rebalance.delay.ms=0\nmessage.max.bytes=16000000\nauto.create.topics.enable=false\n\
             sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512\n\
             listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={scram}\n\
             listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}\n\
             listener.name.ssl.ssl.client.auth=required\n\
             ssl.keystore.type=PEM\nssl.keystore.location={}\n\
             ssl.truststore.type=PEM\nssl.truststore.location={}\n{rules}",
            directory.join("broker").display(),
            keystore.display(),
            authority.file().display()
        );
        let mut broker = Server::new("broker", directory, "kafka.Kafka", open, &config);
        broker.start();
        Self {
            _zookeeper: zookeeper,
            broker,
            open,
            by_password,
            by_certificate,
        }
    }

    fn make_user(&self, directory: &Path, (name, password): (&str, &str)) {
        let credentials = directory.join("credentials.properties");
        let text = ["SCRAM-SHA-256", "SCRAM-SHA-512"]
            .map(|mechanism| format!("{mechanism}=iterations=4096,password={password}\n"));
        std::fs::write(&credentials, text.concat()).unwrap();
        let made = java("kafka.admin.ConfigCommand")
            .args(["--bootstrap-server", &self.open.to_string(), "--alter"])
            .args(["--entity-type", "users", "--entity-name", name])
            .arg("--add-config-file")
            .arg(&credentials)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(
            made.success(),
            "the user is not made:\n{}",
            self.broker.log()
        );
    }
}
