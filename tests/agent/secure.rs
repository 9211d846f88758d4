//! The agents on encrypted connections: a real broker that asks for passwords and certificates, and the double behind
//! TLS.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use agent::sink::couchdb::{Couchdb, Settings};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_native_tls::native_tls::{Identity, TlsAcceptor};

use crate::certificates::{Authority, Issued};
use crate::cluster::guarded::Guarded;
use crate::double::Double;
use crate::lab::{Agent, PATIENCE, json, record, run, secret, wait_until};

const TOPIC: &str = "guarded";

/// A place for the files of one test, and the passwords in it.
struct Place<'a> {
    directory: &'a Path,
    /// Of `kafka.sasl` and `couchdb`; the user's is the same in both.
    password: PathBuf,
}

impl Place<'_> {
    fn producer(&self, name: &str, broker: SocketAddr, access: &str) -> PathBuf {
        let text = format!(
            "client = {name:?}\n[kafka]\nbootstrap = \"{broker}\"\ntopic = {TOPIC:?}\n{access}\
             [source]\nkind = \"stdin\"\ncount = 0\n[state]\ndirectory = \"{}\"\n",
            self.directory.join(format!("state-{name}")).display()
        );
        self.write(name, &text)
    }

    fn consumer(
        &self,
        name: &str,
        broker: SocketAddr,
        access: &str,
        url: &str,
        ca: &Path,
    ) -> PathBuf {
        let text = format!(
            "group = {name:?}\n[kafka]\nbootstrap = \"{broker}\"\n{access}\
             [couchdb]\nurl = {url:?}\nca_file = \"{}\"\nuser = \"consumer\"\npassword_file = \"{}\"\n\
             [[topics]]\nname = {TOPIC:?}\ndatabase = {TOPIC:?}\nepoch = \"e0\"\n",
            ca.display(),
            self.password.display()
        );
        self.write(name, &text)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn tls(authority: &Authority) -> String {
    format!(
        "[kafka.tls]\nca_file = \"{}\"\n",
        authority.file().display()
    )
}

fn tls_as(authority: &Authority, own: &Issued) -> String {
    format!(
        "{}certificate_file = \"{}\"\nkey_file = \"{}\"\n",
        tls(authority),
        own.certificate.display(),
        own.key.display()
    )
}

fn sasl(mechanism: &str, password: &Path) -> String {
    format!(
        "[kafka.sasl]\nmechanism = {mechanism:?}\nuser = \"agent\"\npassword_file = \"{}\"\n",
        password.display()
    )
}

/// Sends canaries; returns whether all were confirmed, and what is on stderr.
fn canaries(config: &Path, timeout: &str) -> (bool, String) {
    let arguments = [
        "canaries",
        "--run",
        "a",
        "--count",
        "3",
        "--topic",
        TOPIC,
        "--timeout",
        timeout,
    ];
    let output = run("producer", config, &arguments, "");
    (
        output.status.success(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn inspect(config: &Path) -> Value {
    json("consumer", config, &["inspect", "--timeout", "10"], "").remove(0)
}

#[test]
fn both_agents_work_through_tls_and_passwords_and_say_clearly_when_they_are_not_let_in() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (authority, stranger) = (
        Authority::new(directory, "ours"),
        Authority::new(directory, "theirs"),
    );
    let broker = Guarded::start(directory, &authority, ("agent", "sesame"), TOPIC);
    let double = Double::with_databases(&[TOPIC]);
    let front = Front::before(&double, &authority.issue("couchdb"));
    let wrong = secret(directory, "wrong", "geheim\n");
    let place = Place {
        directory,
        password: secret(directory, "password", "sesame\n"),
    };
    let access = |mechanism| tls(&authority) + &sasl(mechanism, &place.password);

    // Each agent by another mechanism, and both through TLS everywhere.
    let config = place.consumer(
        "c",
        broker.by_password,
        &access("SCRAM-SHA-256"),
        &front.url,
        &authority.file(),
    );
    let mut consumer = Agent::consumer(&config);
    let produced = place.producer("p", broker.by_password, &access("SCRAM-SHA-512"));
    let mut producer = Agent::start("producer", &produced, Stdio::piped());
    writeln!(producer.stdin(), "one\ntwo\nthree").unwrap();
    assert!(producer.wait().success(), "{}", producer.log());
    wait_until("three documents are there", || double.count(TOPIC) == 3);
    // What is larger than CouchDB takes goes the same ways, as far as it may.
    let sends: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.open.to_string())
        .set("message.max.bytes", "16000000")
        .create()
        .unwrap();
    let large = format!("\"{}\"", "x".repeat(9_000_000));
    sends.send(record(TOPIC, large.as_bytes())).unwrap();
    sends.flush(PATIENCE).unwrap();
    let dead = format!("{TOPIC}-dead-letters");
    wait_until("nine megabytes are a dead letter", || {
        double.count(&dead) == 1
    });
    let letter = double.documents(&dead).into_values().next().unwrap();
    assert!(letter["reason"].as_str().unwrap().contains("too_large"));
    assert_eq!(letter["value_bytes"], large.len());
    let seen = inspect(&config);
    assert_eq!(seen["couchdb"]["reachable"], true, "{seen}");
    assert_eq!(seen["kafka"]["topics"][0]["name"], TOPIC, "{seen}");
    assert!(consumer.terminate().success());

    // A certificate of its own instead of a password; without one, nobody is let in.
    let own = tls_as(&authority, &authority.issue("agent"));
    let (sent, log) = canaries(&place.producer("own", broker.by_certificate, &own), "30");
    assert!(sent, "{log}");
    let (sent, log) = canaries(
        &place.producer("none", broker.by_certificate, &tls(&authority)),
        "5",
    );
    assert!(!sent && log.contains("kafka.tls"), "{log}");

    // Each thing that can be wrong is named, and no password is shown.
    let wrong_sasl = sasl("SCRAM-SHA-512", &wrong);
    let password = place.producer(
        "password",
        broker.by_password,
        &(tls(&authority) + &wrong_sasl),
    );
    let (sent, log) = canaries(&password, "5");
    assert!(
        !sent && log.contains("invalid credentials") && log.contains("kafka.sasl"),
        "{log}"
    );
    let ca = tls(&stranger) + &sasl("SCRAM-SHA-512", &place.password);
    let (sent, log) = canaries(&place.producer("ca", broker.by_password, &ca), "5");
    assert!(
        !sent && log.contains("certificate verify failed") && log.contains("kafka.tls"),
        "{log}"
    );
    let (sent, log) = canaries(&place.producer("plain", broker.by_password, ""), "5");
    assert!(!sent && log.contains("kafka.tls"), "{log}");
    let config = place.consumer(
        "wrong",
        broker.by_password,
        &(tls(&authority) + &wrong_sasl),
        &front.url,
        &stranger.file(),
    );
    let seen = inspect(&config);
    let said = |part: &str| seen[part]["error"].as_str().unwrap_or_default().to_owned();
    assert!(
        said("kafka").contains("invalid credentials") && said("kafka").contains("kafka.sasl"),
        "{seen}"
    );
    assert!(
        said("couchdb").contains("certificate verify failed"),
        "{seen}"
    );
    assert!(!seen.to_string().contains("geheim") && !log.contains("geheim"));
}

#[tokio::test]
async fn a_server_is_not_spoken_to_before_it_has_shown_its_own_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let authority = Authority::new(directory, "ours");
    let stranger = Authority::new(directory, "theirs");
    let double = Double::with_databases(&[TOPIC]);
    let settings = |url: &str| Settings {
        url: url.to_owned(),
        ca_file: Some(authority.file()),
        user: "consumer".to_owned(),
        password_file: secret(directory, "password", "sesame\n"),
    };
    let ask = async |url: &str| {
        let couchdb = Couchdb::open(&settings(url)).unwrap();
        couchdb.get_json(TOPIC, &[], PATIENCE).await
    };
    let own = Front::before(&double, &authority.issue("own"));
    assert_eq!(ask(&own.url).await.unwrap()["db_name"], TOPIC);
    double.state().log.clear();
    let issued = |by: &Authority, address: &str, days: [i64; 2]| {
        Front::before(&double, &by.issue_for("other", address, days))
    };
    let here = "127.0.0.1";
    for (front, words) in [
        (
            issued(&stranger, here, [0, 1]),
            "couchdb.ca_file has signed",
        ),
        (issued(&authority, "192.0.2.1", [0, 1]), "for other names"),
        (issued(&authority, here, [-2, -1]), "too old"),
        (issued(&authority, here, [1, 2]), "from the future"),
    ] {
        let refused = ask(&front.url).await.unwrap_err().to_string();
        assert!(refused.contains(words), "{words}: {refused}");
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let plain = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    });
    let refused = ask(&url).await.unwrap_err().to_string();
    plain.join().unwrap().unwrap();
    assert!(refused.contains("speaks no TLS"), "{refused}");
    assert!(double.state().log.is_empty(), "{:?}", double.state().log);
}

/// Ends TLS before a server that has none.
struct Front {
    url: String,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Front {
    fn before(double: &Double, own: &Issued) -> Self {
        let read = |path: &Path| std::fs::read(path).unwrap();
        let identity = Identity::from_pkcs8(&read(&own.certificate), &read(&own.key)).unwrap();
        let acceptor = tokio_native_tls::TlsAcceptor::from(TlsAcceptor::new(identity).unwrap());
        let server = double.url.trim_start_matches("http://").to_owned();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    // A client that does not trust us, or went, is no failure of the front.
                    let Ok(mut client) = acceptor.accept(client).await else {
                        return;
                    };
                    let Ok(mut server) = TcpStream::connect(&server).await else {
                        return;
                    };
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self {
            url,
            runtime: Some(runtime),
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
