//! The whole way: `up --cloud aws` from an empty account to documents in CouchDB, on booted machines and with a producer outside
//! AWS, by the binary as a user calls it; what was changed by hand is seen and mended; nothing is left after `teardown`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use aws_sdk_ec2::Client;
use deployer::cloud::aws::rules::Rule;

use super::account;
use crate::census::{census, client};
use crate::clouds_laptop::Laptop;
use crate::desk::{Desk, says};
use crate::proxy::Proxy;
use crate::real_couchdb::release;
use crate::watcher::THIS_BOX;

const REGION: &str = "us-east-2";

fn inventory(url: &str, laptop: &Laptop, couchdb: &str) -> String {
    format!(
        "\
name: whole
cloud: aws
nodes:
  laptop: {{ cloud: existing, roles: [producer] }}
  vm1: {{ roles: [producer] }}
  vm2: {{ roles: [zookeeper, kafka, consumer] }}
  vm3: {{ roles: [kafka, couchdb] }}
couchdb: {{ {couchdb} }}
producer: {{ count: 20, interval: 50ms }}
clouds:
  aws: {{ region: {REGION}, endpoint_url: '{url}', ssh_from: [{THIS_BOX}], ttl: 2h }}
  existing:
    hosts:
      laptop: {}
",
        laptop.host()
    )
}

/// A deployment, and all that is around it.
struct Account {
    desk: Desk,
    file: String,
    proxy: Proxy,
    ec2: Client,
}

impl Account {
    fn run(&self, code: i32, words: &[&str]) -> String {
        let needs_file = matches!(words[0], "up" | "plan" | "list");
        let file = ["--inventory", &self.file];
        let more = file.iter().copied().filter(|_| needs_file);
        self.desk
            .run(code, &words.iter().copied().chain(more).collect::<Vec<_>>())
    }

    /// What a command on a node prints.
    fn on(&self, node: &str, command: &str) -> String {
        let state = self.desk.path("state");
        let words = [
            "ssh",
            node,
            "--state-dir",
            &state,
            "--",
            "sh",
            "-c",
            command,
        ];
        let output = self.desk.anywhere(&words).output().expect("ssh");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{node}: {command}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The machine of a node.
    fn instance(&self, node: &str) -> String {
        self.desk.receipt()["machines"][node]["machine"]["id"]
            .as_str()
            .expect("a machine")
            .to_owned()
    }

    fn public(&self, node: &str) -> String {
        self.desk.receipt()["machines"][node]["machine"]["public"]
            .as_str()
            .expect("an address")
            .to_owned()
    }

    /// How many commands ran as root on a node until now.
    fn commands(&self, node: &str) -> usize {
        let count = "sudo sh -c 'journalctl --sync; journalctl --quiet --output=cat --identifier=sudo' | grep -c COMMAND=";
        self.on(node, count).parse().expect("a number")
    }

    /// Where a node believes another one to be.
    fn believes(&self, node: &str, other: &str) -> String {
        let said = self.on(node, &format!("getent ahostsv4 {other}.whole.internal"));
        said.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_account_to_documents_and_back() {
    let Some(couchdb) = release("the whole way on AWS, with a producer outside") else {
        return;
    };
    let Some((moto, _watcher)) = account(REGION) else {
        return;
    };
    let url = moto.url();
    let (desk, ec2) = (Desk::new(), client(&url, REGION));
    let laptop = Laptop::make(&ec2, &desk).await;
    laptop.wait();
    let there = census(&ec2).await;
    let proxy = Proxy::start(moto.port).await;
    let file = desk.write("inventory.yaml", &inventory(&proxy.url, &laptop, &couchdb));
    let account = Account {
        desk,
        file,
        proxy,
        ec2,
    };

    // Nothing that costs money happens without a word.
    let said = account.run(64, &["up"]);
    says(
        &said,
        &["3 machines will run on AWS", "There is no terminal"],
    );
    account.run(2, &["plan"]);
    assert_eq!(census(&account.ec2).await, there);

    let said = account.run(0, &["up", "--yes", "--wait"]);
    eprintln!("{said}");
    says(
        &said,
        &[
            "40 canaries sent, 40 are documents, 0 twice",
            "laptop 20/20",
            "vm1 20/20",
            "done in",
            "machines:  1 h ",
        ],
    );
    // The outside world is met at public addresses, members at private ones.
    assert_eq!(account.believes("laptop", "vm2"), account.public("vm2"));
    let private = account.believes("vm1", "vm2");
    assert!(private.starts_with("10.77."), "{private}");

    unchanged(&account);
    says(
        &account.run(0, &["status"]),
        &["all is well", "1 h ", "`deployer extend` renews"],
    );
    account.run(0, &["extend", "6h"]);
    says(&account.run(0, &["status"]), &["5 h "]);
    says(&account.run(0, &["up"]), &["nothing to do", "5 h "]);
    says(
        &account.run(0, &["list", "--cloud", "aws"]),
        &["whole", "vm1, vm2, vm3"],
    );

    rules_by_hand(&account).await;
    stopped_by_hand(&account).await;
    terminated_by_hand(&account).await;

    account.proxy.take_calls();
    says(
        &account.run(0, &["teardown", "--yes"]),
        &["nothing is left"],
    );
    frugal_teardown(&account.proxy.take_counts());
    assert_eq!(census(&account.ec2).await, there);
}

/// Nothing to do is four calls of AWS and one command on each node.
fn unchanged(account: &Account) {
    let nodes = ["laptop", "vm1", "vm2", "vm3"];
    account.proxy.take_calls();
    let before = nodes.map(|node| account.commands(node));
    let start = Instant::now();
    says(&account.run(0, &["up"]), &["nothing to do"]);
    eprintln!("    an unchanged `up`: {:.2?}", start.elapsed());
    let counts = account.proxy.take_counts();
    assert_eq!(counts.values().sum::<usize>(), 4, "{counts:?}");
    for (node, before) in nodes.into_iter().zip(before) {
        // Counting is one, too.
        assert_eq!(account.commands(node) - before - 1, 1, "{node}");
    }
}

/// Rules that were changed by hand are shown by `plan` and mended by `up`, which makes nothing else.
async fn rules_by_hand(account: &Account) {
    let ec2 = &account.ec2;
    let ours = deployer::cloud::aws::tags::filter("tag:deployer:id", &account.desk.id());
    let groups = ec2.describe_security_groups().filters(ours).send().await;
    let groups = groups.expect("groups");
    let group = groups.security_groups()[0].group_id().expect("id");
    let everybody = Rule::tcp(5984, "0.0.0.0/0".parse().expect("range")).permission(group);
    let added = ec2.authorize_security_group_ingress().group_id(group);
    let added = added.ip_permissions(everybody).send().await;
    added.expect("a way in");
    let removed = ec2.revoke_security_group_egress().group_id(group);
    let everything = Rule::everywhere().permission(group);
    let removed = removed.ip_permissions(everything).send().await;
    removed.expect("no way out");
    let words = [
        "let in no more tcp 5984 from 0.0.0.0/0",
        "let everything out",
    ];
    says(&account.run(2, &["plan"]), &words);
    account.proxy.take_calls();
    says(&account.run(0, &["up", "--yes"]), &words);
    let counts = account.proxy.take_counts();
    let acting = |(call, _): &(&String, &usize)| !call.starts_with("Describe");
    let acting: BTreeSet<&str> = counts
        .iter()
        .filter(acting)
        .map(|(call, _)| &**call)
        .collect();
    let wanted = ["AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress"];
    assert_eq!(acting, wanted.into());
    says(&account.run(0, &["up"]), &["nothing to do"]);
}

/// A machine that was stopped by hand is started; it has another public address then, which hosts outside AWS learn.
async fn stopped_by_hand(account: &Account) {
    let (instance, public) = (account.instance("vm3"), account.public("vm3"));
    let call = account.ec2.stop_instances().instance_ids(&instance);
    call.send().await.expect("stopped");
    let said = account.run(2, &["plan"]);
    says(&said, &[&format!("start {instance}, which is stopped")]);
    let start = Instant::now();
    account.run(0, &["up", "--yes"]);
    eprintln!("    a stopped machine is back: {:.1?}", start.elapsed());
    assert_eq!(account.instance("vm3"), instance);
    assert_ne!(account.public("vm3"), public);
    assert_eq!(account.believes("laptop", "vm3"), account.public("vm3"));
    let said = account.run(0, &["verify"]);
    says(&said, &["40 canaries sent, 40 are documents"]);
    says(&account.run(0, &["up"]), &["nothing to do"]);
}

/// A machine that was terminated by hand is data that is gone: `plan` says which, `up` needs a word for it.
async fn terminated_by_hand(account: &Account) {
    let instance = account.instance("vm3");
    let call = account.ec2.terminate_instances().instance_ids(&instance);
    call.send().await.expect("terminated");
    let gone = "vm3: the data of kafka and couchdb is gone with its machine";
    says(&account.run(2, &["plan"]), &[gone]);
    account.proxy.take_calls();
    says(
        &account.run(64, &["up", "--yes"]),
        &["this would lose data", gone, "--destroy-data vm3"],
    );
    assert!(!account.proxy.take_counts().contains_key("RunInstances"));
    let start = Instant::now();
    account.run(0, &["up", "--yes", "--destroy-data", "vm3"]);
    eprintln!(
        "    a new machine with its services: {:.1?}",
        start.elapsed()
    );
    assert_ne!(account.instance("vm3"), instance);
    let said = account.run(0, &["verify"]);
    says(&said, &["40 canaries sent, 40 are documents"]);
}

/// Three machines, their network of four parts, a group and a key: two calls for each, and two looks at all kinds of things.
fn frugal_teardown(counts: &BTreeMap<String, usize>) {
    let looks = |(call, _): &(&String, &usize)| call.starts_with("Describe");
    let acting: usize = counts
        .iter()
        .filter(|pair| !looks(pair))
        .map(|(_, n)| n)
        .sum();
    let looking: usize = counts.iter().filter(looks).map(|(_, n)| n).sum();
    eprintln!("    teardown of 9 things: {acting} calls that act, {looking} that look");
    assert!(acting <= 2 * 9, "{counts:?}");
}
