//! All servers where security is on, tried by clients that no one here wrote: kcat, Kafka's own tools, ZooKeeper's, nmap, `openssl
//! s_client`, and those for Python. Each attempt that must fail stands beside a control that succeeds, and the test prints the table.

use std::collections::BTreeMap;
use std::path::Path;

use crate::attempts::{self, Machine};
use crate::deployer_command::{Deployer, subtest};
use crate::leaks;
use crate::real_couchdb::real_couchdb;
use crate::support::{eventually, may_run};
use crate::watch::{Documents, well};

/// With the real CouchDB where there is one, and users of all kinds.
fn inventory(couchdb: Option<&Path>, security: &str) -> String {
    let (distribution, readers) = match couchdb {
        Some(archive) => (
            format!("archive, archive: \"{}\"", archive.display()),
            ", read_documents: [orders]",
        ),
        None => ("pouchdb".to_owned(), ""),
    };
    let users = match security {
        "on" => format!(
            "users: {{ shop: {{ write: [orders] }}, grader: {{ read: [orders]{readers} }} }}\n"
        ),
        _ => String::new(),
    };
    format!(
        "{users}security: {security}\nnodes:\n  vm1: {{ count: 2, roles: [producer] }}\n  vm2: {{ roles: [zookeeper, kafka, consumer] }}\n  \
         vm3: {{ roles: [kafka, couchdb] }}\ncouchdb: {{ distribution: {distribution} }}\nproducer: {{ count: 0, interval: 200ms }}\n\
         topics: {{ extra: {{ orders: {{}} }} }}\nmonitoring: {{ node_exporter: true }}\n"
    )
}

/// No event is lost on any of these ways; those sent meanwhile come later. What is tried at the servers is tried on hosts (`existing::life`),
/// too, but by clients for Python alone where `DEPLOYER_TEST_FULL` is not set.
#[test]
fn who_has_no_right_gets_nothing() {
    if !may_run("who_has_no_right_gets_nothing") {
        return;
    }
    let couchdb = real_couchdb(".tar.gz", "what others try with CouchDB, by couchdb-python");
    let couchdb = couchdb.as_deref();
    let deployer = Deployer::new(&inventory(couchdb, "on"));
    let up = deployer
        .run(&["up", "--yes"])
        .code(0)
        .says(&["proven"])
        .all();
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    subtest("each attempt, and its control", || {
        let (name, secrets) = (&deployer.name, deployer.secrets());
        let [member, servers] = ["vm1-1", "vm2"].map(|node| Machine::of(&deployer.id(), node));
        let couchdb_port = if couchdb.is_some() { 6984 } else { 5984 };
        let ports = format!("22 {couchdb_port} 9092 9093 9100");
        attempts::at_servers(name, &secrets, &servers, &ports);
        attempts::by_clients_for_python(name, &secrets, &member, couchdb.is_some());
    });
    subtest("no secret lies where others look", || {
        leaks::none_of(&leaks::patterns(&deployer.secrets()), &deployer, &up);
    });
    // What was tried is no drift: nothing of it came about.
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    subtest("security goes off and on again", || {
        goes_off_and_on(&deployer, couchdb);
    });
    subtest("brokers ask each other at another port", || {
        brokers_move(&deployer, couchdb);
    });
    subtest("a lost authority is made anew", || {
        an_authority_is_lost(&deployer);
    });
    well(&deployer);
    deployer.teardown();
}

fn goes_off_and_on(deployer: &Deployer, couchdb: Option<&Path>) {
    deployer.write(&inventory(couchdb, "off"));
    all_restart_at_once(deployer);
    let servers = Machine::of(&deployer.id(), "vm2");
    attempts::open_znodes(&deployer.name, &servers);
    // As older deployers left it, to whom an inventory that says nothing of it meant `off`. Nobody changed it since.
    let silent = |text: &str| text.replacen("security: off\n", "", 1);
    deployer.write(&silent(&inventory(couchdb, "off")));
    let mut receipt = deployer.receipt();
    receipt["inventory"] = silent(receipt["inventory"].as_str().expect("a text")).into();
    let fields = receipt.as_object_mut().expect("a mapping");
    fields.remove("secure_by_default").expect("it was there");
    std::fs::write(deployer.receipt_path(), receipt.to_string()).expect("written");
    let words = [
        "security goes on",
        "nothing is taken in for 10 to 60 seconds",
        "`security: off` in the inventory leaves all as it is",
    ];
    deployer.run(&["plan"]).code(2).says(&words);
    let asks = deployer.run(&["up"]).code(64);
    asks.says(&words).says(&["say --yes"]);
    all_restart_at_once(deployer);
    attempts::znodes_are_closed(&deployer.name, &servers);
}

/// The deployer itself asks them there, too: where it will be answered.
fn brokers_move(deployer: &Deployer, couchdb: Option<&Path>) {
    deployer.write(&format!(
        "{}kafka: {{ brokers_port: 9094 }}\n",
        inventory(couchdb, "on")
    ));
    deployer
        .run(&["plan"])
        .code(2)
        .says(&["wait for port 9094"]);
    all_restart_at_once(deployer);
    for node in ["vm2", "vm3"] {
        let listens = deployer.on(node, &["ss -Hltn | grep -o ':909[0-9]' | sort"]);
        assert_eq!(listens, ":9092\n:9094\n", "{node}");
    }
}

fn an_authority_is_lost(deployer: &Deployer) {
    let mut secrets = deployer.secrets();
    secrets
        .as_object_mut()
        .expect("a mapping")
        .remove("authority");
    std::fs::write(deployer.secrets_path(), secrets.to_string()).expect("written");
    all_restart_at_once(deployer);
}

/// The plan says so, and then no event is missing.
fn all_restart_at_once(deployer: &Deployer) {
    let plan = deployer.run(&["plan"]).code(2);
    assert!(
        plan.out.contains("all brokers restart at once"),
        "{}",
        plan.all()
    );
    deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    arrive(deployer);
}

/// New events become documents, of both clients, and none is missing in between.
fn arrive(deployer: &Deployer) {
    let documents = Documents::new(deployer, "vm3");
    for number in 1..=2 {
        let newest = || newest_run(&documents, number);
        let before = newest().len();
        eventually(&format!("more events of vm1-{number}"), || {
            let now = newest();
            if now.len() < before + 5 {
                return Err(format!("{before}, then {}", now.len()));
            }
            let last = u32::try_from(now.len()).expect("a number");
            // The last ones may come in any order.
            let settled = now.len() - 5;
            let whole = now[..settled].iter().copied().eq(1..=last - 5);
            if whole {
                Ok(())
            } else {
                Err(format!("a gap in {now:?}"))
            }
        });
    }
}

/// The numbers of the newest run of a client, in order.
fn newest_run(documents: &Documents, number: u32) -> Vec<u32> {
    let (status, answer) = documents.get(&format!("utilizations{number}/_all_docs"), Some("admin"));
    assert_eq!(status, 200, "{answer}");
    let ids = answer["rows"].as_array().expect("rows").iter();
    let mut runs = BTreeMap::<&str, Vec<u32>>::new();
    for id in ids.filter_map(|row| row["id"].as_str()) {
        if let Some((run, sequence)) = id
            .strip_prefix(&format!("vm1-{number}-"))
            .and_then(|rest| rest.rsplit_once('-'))
        {
            runs.entry(run)
                .or_default()
                .push(sequence.parse().expect("a number"));
        }
    }
    let mut newest = runs
        .pop_last()
        .map(|(_, numbers)| numbers)
        .unwrap_or_default();
    newest.sort_unstable();
    newest
}
