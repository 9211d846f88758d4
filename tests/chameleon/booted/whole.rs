//! The whole way: `up --cloud chameleon` from an empty project to documents in CouchDB, on booted machines in a network of their own
//! and with a producer outside, by the binary as a user calls it; nothing is left after `teardown`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use deployer::cloud::{Cloud as _, Found};
use ssh_key::{Algorithm, LineEnding, PrivateKey, rand_core::OsRng};

use super::brief::Brief;
use super::laptop::Elsewhere;
use super::site;
use crate::desk::{Desk, says};
use crate::openstack::OpenStack;
use crate::real_couchdb::release;
use crate::watcher::THIS_BOX;

fn inventory(laptop: &Elsewhere, couchdb: &str, another: &Another) -> String {
    let laptop = laptop.laptop.host();
    format!(
        "\
name: whole
cloud: chameleon
state_copy: {{ passphrase_file: {} }}
nodes:
  laptop: {{ cloud: existing, roles: [producer] }}
  vm1: {{ count: 2, roles: [producer] }}
  vm2: {{ roles: [zookeeper, kafka, consumer] }}
  vm3: {{ roles: [kafka, couchdb] }}
couchdb: {{ {couchdb} }}
producer: {{ count: 20, interval: 50ms }}
clouds:
  chameleon: {{ ssh_from: [{THIS_BOX}], lease: 80h, network: own, cidr: 10.78.64.0/24, ssh_keys: ['{}'] }}
  existing: {{ hosts: {{ laptop: {laptop} }} }}
",
        another.passphrase, another.public
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_project_to_documents_and_back() {
    let Some(couchdb) = release("the whole way on Chameleon, and the end of a lease") else {
        return;
    };
    let Some((cloud, _watcher)) = site() else {
        return;
    };
    // Its lease ends while the other one is looked at.
    let brief = Brief::begin(cloud, &couchdb);
    let desk = Desk::new(cloud);
    let laptop = Elsewhere::make(cloud, &desk).await;
    let another = Another::new(cloud, &desk);
    let file = desk.write("inventory.yaml", &inventory(&laptop, &couchdb, &another));
    let ours = async || found(cloud, "whole").await;

    // Nothing that is charged for happens without a word.
    let said = desk.run(64, &["up", "--inventory", &file]);
    says(&said, &["4 machines will run on Chameleon", "are deleted"]);
    desk.run(2, &["plan", "--inventory", &file]);
    assert_eq!(ours().await, None);

    let start = Instant::now();
    let up = ["up", "--inventory", &file, "--yes", "--wait"];
    let (output, mut said) = desk.output(&up);
    // Under load the site itself fails with a lease now and then (seen once in some thirty runs). What is said then heals it.
    if said.contains("the site could not give what it promised") {
        says(&said, &["run the same command again"]);
        said = desk.run(0, &up);
    } else {
        assert!(output.status.success(), "{said}");
    }
    eprintln!("{said}");
    says(
        &said,
        &[
            "60 canaries sent, 60 are documents, 0 twice",
            "laptop 20/20",
            "vm1-1 20/20",
            "the lease ends at",
        ],
    );
    assert!(
        start.elapsed() < Duration::from_mins(4),
        "{:?}",
        start.elapsed()
    );
    // The outside world meets brokers at their floating IPs, members at their own addresses.
    let broker = "vm3.whole.internal";
    let (there, here) = (
        desk.believes("laptop", broker),
        desk.believes("vm2", broker),
    );
    assert!(
        there.starts_with("10.99.0.") && here.starts_with("10.78.64."),
        "{there} {here}"
    );
    says(
        &desk.run(0, &["up", "--inventory", &file]),
        &["nothing to do"],
    );
    says(&desk.well(), &["in 3 d", "are deleted"]);
    says(&desk.run(0, &["extend", "5d"]), &["in 5 d"]);
    says(&desk.run(64, &["extend", "2d"]), &["nothing to prolong"]);
    says(&desk.well(), &["in 5 d"]);
    let list = ["list", "--cloud", "chameleon", "--inventory", &file];
    says(&desk.run(0, &list), &["whole", "vm1-1, vm1-2, vm2, vm3"]);

    // Another laptop takes it over, by the id, which everybody of the project can list, and the passphrase.
    let id = ours().await.expect("it is listed").id;
    another.takes_it_over(&id, &file);

    // The receipt is lost: the id is enough.
    std::fs::rename(desk.path("state"), desk.path("lost")).expect("a lost receipt");
    let words = [
        "teardown",
        "--id",
        &id,
        "--cloud",
        "chameleon",
        "--inventory",
        &file,
        "--yes",
    ];
    says(&desk.run(0, &words), &["nothing is left"]);
    assert_eq!(ours().await, None);
    laptop.end().await;
    brief.end().await;
}

/// Another laptop, whose user has the passphrase and an SSH key of its own.
struct Another {
    desk: Desk,
    passphrase: String,
    public: String,
}

impl Another {
    fn new(cloud: &OpenStack, first: &Desk) -> Self {
        let mut desk = Desk::new(cloud);
        let key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).expect("a key");
        std::fs::create_dir_all(desk.path("home/.ssh")).expect("a home");
        let path = desk.path("home/.ssh/own");
        key.write_openssh_file(path.as_ref(), LineEnding::LF)
            .expect("a key's file");
        desk.write("home/.ssh/config", &format!("IdentityFile {path}\n"));
        desk.set("HOME", &desk.path("home"));
        let passphrase = first.write("passphrase", "correct horse battery staple\n");
        std::fs::set_permissions(&passphrase, Permissions::from_mode(0o600)).expect("set");
        Self {
            desk,
            passphrase,
            public: key.public_key().to_openssh().expect("a public key"),
        }
    }

    fn takes_it_over(&self, id: &str, file: &str) {
        let words = ["adopt", "--yes", "--inventory", file, "--id", id];
        let words = [&words[..], &["--passphrase-file", &self.passphrase]].concat();
        says(&self.desk.run(0, &words), &["is taken over"]);
        let plan = ["plan", "--inventory", file];
        // Whoever goes on proves that all arrives.
        says(&self.desk.run(2, &plan), &["nothing to do but to prove"]);
        says(&self.desk.well(), &["in 5 d"]);
    }
}

/// A deployment as everybody of the project sees it.
pub(crate) async fn found(cloud: &OpenStack, deployment: &str) -> Option<Found> {
    let all = cloud.cloud("bob").deployments().await.expect("list");
    all.into_iter().find(|found| found.deployment == deployment)
}
