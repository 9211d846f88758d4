//! What cannot be: refused by `check`, `plan` and `up` before any change, in words that say what to do.

use super::FILES;
use super::hosts::Hosts;
use super::product::Product;
use crate::real_couchdb::release;
use crate::support::{may_run, succeed};

/// Two nodes; `good` calls `spare` at all its ports.
fn inventory(good: &str, spare: &str) -> String {
    format!(
        "name: refuse\ncloud: existing\nnodes: {{ good: {{ roles: [kafka, consumer, producer] }}, spare: {{ roles: [zookeeper, kafka] }} }}\n\
         kafka: {{ heap_mib: 256 }}\n{FILES}\
         clouds: {{ existing: {{ hosts: {{ good: {good}, spare: {spare} }} }} }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_before_any_change() {
    if !may_run("existing: what_cannot_be_is_refused_before_any_change") {
        return;
    }
    let hosts = Hosts::boot(&["good", "spare"]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let sealed = directory.path().join("sealed");
    let sealed = sealed.to_str().expect("a plain path");
    succeed(
        "ssh-keygen",
        &["-q", "-t", "ed25519", "-N", "secret", "-f", sealed],
    );

    let good = hosts.entry("good");
    let spare = hosts.entry("spare");
    let key = hosts.key().display().to_string();
    // A second name of `good`, of which only ssh's configuration knows whose it is.
    let twin = |more: &str| {
        format!(
            "{{ address: twin, user: student, key: {key}, host_key: \"{}\"{more} }}",
            hosts.host_key("good")
        )
    };
    let configuration = format!("Host twin\n  HostName {}\n", hosts.address("good"));
    let refused = |what: &str, inventory: &str, words: &[&str]| {
        let user = Product::new(inventory);
        std::fs::write(user.home().join(".ssh/config"), &configuration).expect("a configuration");
        for verb in [&["check"][..], &["plan"], &["up", "--yes"]] {
            println!("{what}:");
            let ran = user.run(verb);
            assert_ne!(ran.code, 0, "{what}: {verb:?}");
            let all = format!("{}{}", ran.out, ran.err);
            for words in words {
                assert!(
                    all.contains(words),
                    "{what}: {verb:?}: `{words}` is missing:\n{all}"
                );
            }
        }
        for host in ["good", "spare"] {
            assert_eq!(hosts.traces(host, "refuse"), "", "{what}: {host}");
        }
    };

    let unknown = "{ address: vm2.qa.invalid, user: student }";
    refused(
        "T2: a name that nobody knows",
        &inventory(&good, unknown),
        &[
            "spare: the name `vm2.qa.invalid` does not resolve",
            "mend its `address`",
        ],
    );
    refused(
        "T2: the same where only ssh looks for it",
        &inventory(
            &good,
            "{ address: vm2.qa.invalid, user: student, private_address: 10.0.0.7 }",
        ),
        &["the name of vm2.qa.invalid does not resolve"],
    );
    refused(
        "N1: one address for two",
        &inventory(&good, &twin("")),
        &["has the address", "and so has good", "`private_address`"],
    );
    refused(
        "N2: one machine under two names",
        &inventory(&good, &twin(", private_address: 10.0.0.7")),
        &["spare: is the same machine as good"],
    );
    let locked = spare.replace(&key, sealed);
    refused(
        "H7: a key with a passphrase",
        &inventory(&good, &locked),
        &["sealed has a passphrase, and", "ssh-add"],
    );

    let gate =
        "echo 'AllowTcpForwarding no' >/etc/ssh/sshd_config.d/shut.conf; systemctl restart ssh";
    hosts.root("good", gate);
    refused(
        "H8: a jump host that does not forward",
        &inventory(&good, &spare.replace(" }", ", jump: good }")),
        &[
            "spare: there is no way through",
            "administratively prohibited",
            "AllowTcpForwarding",
        ],
    );

    let nft = "apt-get -q -y install nftables >/dev/null 2>&1; command -v nft";
    hosts.root("spare", nft);
    let filter = "nft add table inet host; nft add chain inet host in '{ type filter hook input priority 0; policy drop; }'; \
                  nft add rule inet host in iif lo accept; nft add rule inet host in ct state established,related accept; \
                  nft add rule inet host in tcp dport 22 accept; nft list tables";
    hosts.root("spare", filter);
    let what = "N3: a packet filter of somebody else";
    let closed = inventory(&good, &spare);
    let words = [
        "spare: its packet filter (table inet host, chain in) drops",
        "good (",
        "2181, 9092, 9093",
    ];
    refused(what, &closed, &words);
    hosts.root(
        "spare",
        "nft add rule inet host in tcp dport 2181-9093 accept; nft list tables",
    );
    let plan = Product::new(&closed).expect(2, &["plan"]);
    assert!(!plan.err.contains("packet filter"), "{}", plan.err);

    hosts.root("spare", "nft delete table inet host; nft list tables");
    members_by_ipv6(&hosts);
}

/// N4: members that reach each other by IPv6 only, `CouchDB` included where there is one.
fn members_by_ipv6(hosts: &Hosts) {
    for (host, number) in [("good", 11), ("spare", 12)] {
        let add = format!(
            "ip -6 addr add fd77::{number}/64 dev host0 nodad; ip -6 addr show dev host0 | grep fd77"
        );
        hosts.root(host, &add);
    }
    let by = |host: &str, number: u32| {
        let address = format!(", private_address: \"fd77::{number}\" }}");
        hosts.entry(host).replace(" }", &address)
    };
    let couchdb = release("N4: CouchDB by IPv6");
    let mut text = inventory(&by("good", 11), &by("spare", 12));
    if let Some(couchdb) = &couchdb {
        text = text.replace("zookeeper, kafka]", "zookeeper, kafka, couchdb]");
        text = text.replace(FILES, &format!("couchdb: {{ {couchdb} }}\n"));
    }
    let user = Product::new(&text);
    user.expect(0, &["up", "--yes"]);
    let table = hosts.root("good", "cat /etc/hosts");
    assert!(table.contains("fd77::12 spare.refuse.internal"), "{table}");
    if couchdb.is_some() {
        let listens = hosts.root("spare", "ss -Htln sport = :6984");
        let by_both = listens.contains("*:6984") || listens.contains("[::]:6984");
        assert!(by_both, "{listens}");
    }
    user.expect(0, &["up"]);
    user.expect(0, &["teardown", "--yes"]);
    for host in ["good", "spare"] {
        assert_eq!(hosts.traces(host, "refuse"), "", "{host}");
    }
}
