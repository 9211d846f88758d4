//! Whatever of ours is damaged behind our back is named by `plan` and `status` and mended by `up`; what a teardown did not see it
//! does not call gone.

use super::hosts::Hosts;
use super::product::Product;
use super::section;
use crate::real_couchdb::release;
use crate::support::{eventually, may_run};

const NODES: [&str; 2] = ["vm2", "vm3"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_named_and_mended() {
    if !may_run("existing: what_is_damaged_is_named_and_mended") {
        return;
    }
    let Some(couchdb) = release("what is damaged on hosts") else {
        return;
    };
    let hosts = Hosts::boot(&["vm2", "vm3"]).await;
    let places = NODES.map(|node| (node, node));
    let inventory = format!(
        "name: drift\ncloud: existing\nnodes:\n  vm2: {{ roles: [zookeeper, kafka, consumer, producer] }}\n  \
         vm3: {{ roles: [kafka, couchdb] }}\ncouchdb: {{ {} }}\nproducer: {{ count: 10, interval: 100ms }}\n{}",
        couchdb,
        section(&hosts, &places)
    );
    let user = Product::new(&inventory);
    a_check_goes_past_the_first_problem(&hosts, &inventory);
    user.expect(0, &["up", "--yes", "--wait"]);
    is_well(&user);
    user.expect(0, &["plan"]);
    each_damage(&hosts, &user);
    damage_that_only_reading_finds(&hosts, &user);
    a_consumer_without_its_binary_or_password(&hosts, &user);
    full_disks(&hosts, &user);
    taken_away_without_manifests(&hosts, &user);
}

/// T1: a host that does not answer hides nothing of the others. T11: what was refused leaves no connection.
fn a_check_goes_past_the_first_problem(hosts: &Hosts, inventory: &str) {
    let gone = inventory.replace(hosts.address("vm3"), "10.213.0.254");
    let user = Product::new(&gone);
    let check = user.expect(1, &["check"]);
    assert!(check.out.contains("✗ vm3: "), "{}", check.out);
    assert!(check.out.contains("✓ vm2: debian 12"), "{}", check.out);
    user.expect(1, &["up", "--yes"]);
    assert_eq!(user.connections(), 0);
}

/// What is damaged: the host, a script that damages it, how the plan names it.
type Damage = (&'static str, &'static str, &'static str);

/// Each kind of thing that we own, once.
const DAMAGES: [Damage; 13] = [
    (
        "vm2",
        "echo '# by hand' >>/etc/deployer/drift/kafka/server.properties",
        "vm2: write /etc/deployer/drift/kafka/server.properties (content differs)",
    ),
    (
        "vm2",
        "chmod 777 /etc/deployer/drift/consumer/consumer.toml",
        "vm2: write /etc/deployer/drift/consumer/consumer.toml (mode 0777 instead of 0640)",
    ),
    (
        "vm3",
        "chown nobody /var/lib/deployer/drift/couchdb",
        "vm3: create directory /var/lib/deployer/drift/couchdb (owned by nobody:",
    ),
    (
        "vm3",
        "systemctl disable -q drift-couchdb",
        "vm3: start drift-couchdb.service (not enabled)",
    ),
    (
        "vm2",
        "nft flush chain inet deployer-drift input",
        "vm2: write firewall table deployer-drift for ports: 2181, 9092, 9093 (the loaded rules are not those of its file)",
    ),
    (
        "vm3",
        "nft insert rule inet deployer-drift input accept",
        "vm3: write firewall table deployer-drift for ports: 6984, 9092, 9093 (the loaded rules are not those of its file)",
    ),
    (
        "vm2",
        "rm /opt/deployer/drift/kafka/libs/kafka_2.13-*.jar",
        "vm2: unpack kafka into /opt/deployer/drift/kafka (changed or gone: ",
    ),
    (
        "vm3",
        "touch /opt/deployer/drift/kafka/libs/one-more.jar",
        "vm3: unpack kafka into /opt/deployer/drift/kafka (its files are not those that were unpacked)",
    ),
    (
        "vm3",
        "rm /etc/deployer/drift/manifest.json",
        "vm3: write the manifest /etc/deployer/drift/manifest.json (missing)",
    ),
    (
        "vm2",
        "sed -i '/ vm3.drift.internal/a 192.0.2.9 vm9.drift.internal' /etc/hosts",
        "vm2: write block drift of /etc/hosts (content differs)",
    ),
    (
        "vm2",
        "userdel -f drift-producer",
        "vm2: create user drift-producer (missing)",
    ),
    ("vm3", OPEN_DATABASE, "prepare"),
    (
        "vm2",
        OTHER_PROGRAM,
        "to /opt/deployer/drift/bin/producer (content differs)",
    ),
];

/// Lets everybody read and write a database.
const OPEN_DATABASE: &str = "rules='{\"members\":{\"names\":[],\"roles\":[]}}'; \
    printf 'PUT /utilizations1/_security HTTP/1.0\\r\\nAuthorization: Basic %s\\r\\nContent-Type: application/json\\r\\nContent-Length: %s\\r\\n\\r\\n%s' \
    \"$(cat /root/admin)\" ${#rules} \"$rules\" | timeout 20 bash -c 'exec 3<>/dev/tcp/localhost/5984; cat >&3; head -n 1 <&3' | grep -q ' 200 '";

/// Another program of the same name, size and time: the unit's own note of what it took at its start is not believed of it.
const OTHER_PROGRAM: &str = "cd /opt/deployer/drift/bin && cp -p producer other \
    && printf x | dd of=other bs=1 seek=$(($(stat -c %s other) - 1)) conv=notrunc status=none && touch -r producer other \
    && mv -f other producer";

fn each_damage(hosts: &Hosts, user: &Product) {
    let secrets = std::fs::read_to_string(user.state().join("drift-existing/secrets.json"));
    let secrets: serde_json::Value =
        serde_json::from_str(&secrets.expect("secrets")).expect("JSON");
    let password = secrets["couchdb"]["admin_password"]
        .as_str()
        .expect("a password");
    hosts.root(
        "vm3",
        &format!("printf 'admin:{password}' | base64 -w 0 >/root/admin"),
    );
    for (host, damage, _) in DAMAGES {
        hosts.root(host, damage);
    }
    assert!(hosts.box_reaches("vm2", 9092), "the firewall is flushed");
    let plan = user.expect(2, &["plan"]).out;
    for (_, damage, words) in DAMAGES {
        assert!(
            plan.contains(words),
            "{damage}: `{words}` is not in\n{plan}"
        );
    }
    assert!(
        plan.contains("access rules of database utilizations1"),
        "{plan}"
    );
    let status = user.expect(1, &["status"]).out;
    for words in [
        "vm2: /etc/deployer/drift/kafka/server.properties (content differs); `deployer up` mends it",
        "vm2: firewall table deployer-drift (the loaded rules are not those of its file)",
        "vm3: firewall table deployer-drift (the loaded rules are not those of its file)",
        "vm2: the software in /opt/deployer/drift/kafka (changed or gone: ",
        "vm3: /etc/deployer/drift/manifest.json (missing)",
        "vm3: drift-couchdb.service (not enabled)",
        "vm2: block drift of /etc/hosts (content differs)",
        "vm2: user drift-producer (missing)",
        "database utilizations1: its access rules (_security) were changed",
    ] {
        assert!(status.contains(words), "`{words}` is not in\n{status}");
    }
    user.expect(0, &["up", "--yes"]);
    user.expect(0, &["plan"]);
    is_well(user);
    assert!(!hosts.box_reaches("vm2", 9092), "the firewall is back");
    assert!(hosts.reaches("vm3", "vm2", 9092));
}

/// A file of the same size and time as before: `check` reads all, and a unit that keeps failing has all of its software read.
fn damage_that_only_reading_finds(hosts: &Hosts, user: &Product) {
    hosts.root(
        "vm3",
        "cd /opt/deployer/drift/kafka/libs && jar=$(ls kafka-clients-*.jar) && touch -r $jar /root/time \
         && dd if=/dev/zero of=$jar bs=1 count=22 seek=$(($(stat -c %s $jar) - 22)) conv=notrunc status=none && touch -r /root/time $jar",
    );
    user.expect(0, &["plan"]);
    let check = user.expect(1, &["check"]).out;
    assert!(
        check.contains("changed or gone: libs/kafka-clients-"),
        "{check}"
    );
    hosts.root("vm3", "systemctl restart --no-block drift-kafka; sleep 3");
    eventually("the broker keeps failing", || {
        let plan = user.run(&["plan"]).out;
        let found = plan.contains("unpack kafka into /opt/deployer/drift/kafka (changed or gone");
        found.then_some(()).ok_or(plan)
    });
    user.expect(0, &["up", "--yes"]);
    user.expect(0, &["plan"]);
}

/// T4, T5: named as what they are.
fn a_consumer_without_its_binary_or_password(hosts: &Hosts, user: &Product) {
    hosts.root(
        "vm2",
        "printf wrong >/etc/deployer/drift/consumer/couchdb-password",
    );
    let status = user.expect(1, &["status"]).out;
    assert!(status.contains("problem: couchdb: "), "{status}");
    assert!(!status.contains("does not exist"), "{status}");
    assert!(status.contains("brokers    2 of 2 alive"), "{status}");
    hosts.root("vm2", "rm /opt/deployer/drift/bin/consumer");
    let status = user.expect(1, &["status"]).out;
    let words = "topics and documents are not known: /opt/deployer/drift/bin/consumer, which asks Kafka and CouchDB, is missing on vm2";
    assert!(status.contains(words), "{status}");
    // T1: what cannot be seen hides nothing of what can.
    user.expect(1, &["verify", "-n", "5"])
        .says(&["the pipeline does not hold: 5 canaries sent", "consumer"]);
    user.expect(0, &["up", "--yes"]);
    is_well(user);
}

/// T26: the disk of a broker's data.
fn full_disks(hosts: &Hosts, user: &Product) {
    let data = "/var/lib/deployer/drift/kafka";
    hosts.root(
        "vm3",
        &format!(
            "systemctl stop drift-kafka && cp -a {data} /root/data && mount -t tmpfs -o size=90m tmpfs {data} && cp -a /root/data/. {data} \
             && chown --reference=/root/data {data} && chmod --reference=/root/data {data}; dd if=/dev/zero of={data}/fill bs=1M status=none; test -e {data}/fill"
        ),
    );
    let words = format!("vm3: the disk at {data} is full: 0 of 90 MiB are free");
    let status = user.expect(1, &["status"]).out;
    assert!(status.contains(&words), "{status}");
    let check = user.expect(1, &["check"]).out;
    assert!(check.contains(&words), "{check}");
    user.expect(1, &["up", "--yes"]).says(&[&words]);
    hosts.root("vm3", &format!("umount {data}"));
    user.expect(0, &["up", "--yes"]);
    is_well(user);
}

/// T8: a host whose manifest is gone is cleaned all the same. T10: one that is dead for ever is forgotten.
fn taken_away_without_manifests(hosts: &Hosts, user: &Product) {
    hosts.root("vm2", "rm /etc/deployer/drift/manifest.json");
    hosts.attempt("vm3", "systemctl poweroff");
    eventually("vm3 is off", || {
        let off = hosts.is_off("vm3");
        off.then_some(()).ok_or("it answers".into())
    });
    let down = user.expect(1, &["teardown", "--yes"]);
    down.says(&[
        "still there:",
        "vm3: no answer",
        "deployer teardown --forget vm3",
    ]);
    assert_eq!(hosts.traces("vm2", "drift"), "");
    user.expect(64, &["teardown", "--yes", "--forget", "vm2"])
        .says(&["vm2 answers, so nothing needs to be forgotten"]);
    let down = user.expect(0, &["teardown", "--yes", "--forget", "vm3"]);
    down.says(&[
        "forgotten, not cleaned",
        "vm3: ",
        "data in /var/lib/deployer/drift/couchdb",
        "nothing is left on the hosts that answered",
    ]);
    assert!(!user.state().join("drift-existing").exists());
}

/// Waits until all is well: a broker that came back catches up for a moment.
fn is_well(user: &Product) {
    eventually("all is well", || {
        let status = user.run(&["status"]);
        (status.code == 0).then_some(()).ok_or(status.out)
    });
}
