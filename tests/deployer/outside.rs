//! A client outside the cloud: the address by which the cloud sees it is found before machines are made, and opens the brokers.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use deployer::cli::Environment;
use deployer::cloud::rules;
use deployer::layout;
use deployer::prepare::outside;
use deployer::reach::clouds;
use deployer::receipt::Receipt;
use deployer::topology::{CloudName, Ids, Options, Topology};

/// A service that says by which address it is asked, and how often it was.
fn telling(address: &'static str) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.expect("a connection");
            count.fetch_add(1, Ordering::SeqCst);
            let _request = connection.read(&mut [0; 4096]);
            let length = address.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{address}"
            );
            let _gone = connection.write_all(answer.as_bytes());
        }
    });
    (url, asked)
}

/// Brokers on a cloud, and a client that is this host of the user's.
fn topology(cloud: &str, host: &str, url: &str) -> Topology {
    let text = format!(
        "name: out
cloud: {cloud}
nodes:
  vm1: {{ cloud: existing, roles: [producer] }}
  vm2: {{ roles: [zookeeper, kafka, consumer] }}
  vm3: {{ roles: [kafka, couchdb] }}
clouds:
  {cloud}: {{ address_url: '{url}' }}
  existing: {{ hosts: {{ vm1: {host} }} }}
"
    );
    let inventory = layout::parse(text.as_bytes(), "t.yaml").expect("good");
    let made = Topology::new(&inventory, &Options::default(), &Ids::default());
    made.expect("a topology").0
}

/// From where the brokers' port is open.
fn let_in(topology: &Topology, cloud: CloudName, notes: &BTreeMap<String, String>) -> Vec<String> {
    let receipt = Receipt {
        cloud_notes: notes.clone(),
        ..Receipt::bare("0123456789ab", "out", "aws")
    };
    let environment = Environment::read().expect("an environment");
    let wanted = clouds::wanted(cloud, topology, &receipt, None, &environment).expect("wanted");
    let rules = rules::wanted(&wanted, &[].into());
    rules
        .iter()
        .map(ToString::to_string)
        .filter(|rule| rule.contains("9092"))
        .collect()
}

#[tokio::test]
async fn the_address_of_a_client_is_found_whatever_it_is_named_by() {
    let home = Path::new("/nonexistent");
    for (name, cloud) in [("aws", CloudName::AWS), ("chameleon", CloudName::CHAMELEON)] {
        for (host, asks, expected) in [
            ("{ address: self }", 1, "203.0.113.5"),
            (
                "{ address: 192.168.56.10, user: student }",
                1,
                "203.0.113.5",
            ),
            ("{ address: 100.64.3.4 }", 1, "203.0.113.5"),
            ("{ address: localhost, user: student }", 1, "203.0.113.5"),
            ("{ address: 198.51.100.7 }", 0, "198.51.100.7"),
            (
                "{ address: 10.1.2.3, public_address: 198.51.100.8 }",
                0,
                "198.51.100.8",
            ),
            (
                "{ address: self, public_address: 198.51.100.9 }",
                0,
                "198.51.100.9",
            ),
        ] {
            let (url, asked) = telling("203.0.113.5");
            let topology = topology(name, host, &url);
            let mut notes = BTreeMap::new();
            outside::find(&topology, &mut notes, home, false)
                .await
                .expect("found");
            assert_eq!(asked.load(Ordering::SeqCst), asks, "{host}");
            let rule = format!("tcp 9092 from {expected}/32");
            assert_eq!(let_in(&topology, cloud, &notes), [rule], "{host}");
            // An unchanged `up` asks nobody.
            outside::find(&topology, &mut notes, home, false)
                .await
                .expect("known");
            assert_eq!(asked.load(Ordering::SeqCst), asks, "{host}");
        }
    }
}

/// What `allow` does on another day.
#[tokio::test]
async fn another_address_opens_the_brokers_when_it_is_asked_for_anew() {
    let home = Path::new("/nonexistent");
    let (before, _) = telling("203.0.113.5");
    let mut notes = BTreeMap::new();
    let there = topology("aws", "{ address: self }", &before);
    outside::find(&there, &mut notes, home, false)
        .await
        .expect("found");
    let (after, _) = telling("203.0.113.6");
    let there = topology("aws", "{ address: self }", &after);
    outside::find(&there, &mut notes, home, true)
        .await
        .expect("found");
    assert_eq!(
        let_in(&there, CloudName::AWS, &notes),
        ["tcp 9092 from 203.0.113.6/32"]
    );
}

#[tokio::test]
async fn an_address_that_nobody_says_is_asked_for_in_words() {
    let home = Path::new("/nonexistent");
    let there = topology("aws", "{ address: self }", "http://127.0.0.1:9/");
    let error = outside::find(&there, &mut BTreeMap::new(), home, false).await;
    let said = error.expect_err("nobody answers").block();
    assert!(said.contains("say `public_address` of vm1"), "{said}");
    // A campus's own cloud may know a private address.
    let there = topology("chameleon", "{ address: 10.1.2.3 }", "http://127.0.0.1:9/");
    let mut notes = BTreeMap::new();
    outside::find(&there, &mut notes, home, false)
        .await
        .expect("its own");
    assert_eq!(
        let_in(&there, CloudName::CHAMELEON, &notes),
        ["tcp 9092 from 10.1.2.3/32"]
    );
}
