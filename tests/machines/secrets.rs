//! Others in the places of secrets while numbered events flow: none is lost, none comes twice, the old ones are refused, and whatever
//! is killed in the middle comes to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::attempts::{self, Attempt, may, may_not};
use crate::command_line::Said;
use crate::deployer_command::{Deployer, say, subtest};
use crate::leaks::{self, patterns};
use crate::real_couchdb::real_couchdb;
use crate::support::{eventually, may_run};
use crate::watch::{Documents, Unit, restarted, units, well};

/// The users who log in to brokers.
const USERS: [&str; 5] = [
    "consumer",
    "grader",
    "producer-vm1-1",
    "producer-vm1-2",
    "shop",
];

fn inventory() -> String {
    let couchdb = real_couchdb(".tar.gz", "CouchDB's passwords, by a real one").map_or_else(
        || "{ distribution: pouchdb }".to_owned(),
        |archive| {
            format!(
                "{{ distribution: archive, archive: \"{}\" }}",
                archive.display()
            )
        },
    );
    format!(
        "security: on\nusers: {{ shop: {{ write: [orders] }}, grader: {{ read: [orders] }} }}\n\
         nodes:\n  vm1: {{ count: 2, roles: [producer] }}\n  vm2: {{ roles: [zookeeper, kafka, consumer] }}\n  \
         vm3: {{ roles: [kafka, couchdb] }}\ncouchdb: {couchdb}\nproducer: {{ count: 0, interval: 50ms }}\n\
         topics: {{ extra: {{ orders: {{}} }} }}\n"
    )
}

#[test]
fn others_come_in_the_places_of_secrets_while_events_flow() {
    if !may_run("others_come_in_the_places_of_secrets_while_events_flow") {
        return;
    }
    let deployer = Deployer::new(&inventory());
    deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
    subtest("the list, and one password", || shown(&deployer));
    subtest("all for which nothing stops", || all(&deployer));
    subtest("one user's alone: nothing restarts", || one(&deployer));
    subtest("killed at many points", || killed(&deployer));
    subtest("what stops all brokers", || pausing(&deployer));
    well(&deployer);
    deployer.teardown();
}

fn shown(deployer: &Deployer) {
    let secrets = deployer.secrets();
    let told = deployer.run(&["secrets"]).code(0);
    for name in USERS.iter().chain(&["couchdb-admin", "deployer-authority"]) {
        assert!(told.out.contains(name), "{}", told.all());
    }
    let json = deployer.run(&["secrets", "--json"]).code(0);
    let rows = json.json();
    let row = |name: &str| {
        let mut rows = rows.as_array().expect("rows").iter();
        rows.find(|row| row["name"] == name).expect("a row").clone()
    };
    assert_eq!(row("grader")["shown"], true);
    assert_eq!(row("grader")["renewed_by"], "secrets rotate");
    assert!(row("grader")["since"].is_string(), "{rows}");
    assert_eq!(row("vm2/kafka")["shown"], false);
    for pattern in patterns(&secrets) {
        assert!(!told.all().contains(&pattern) && !json.all().contains(&pattern));
    }
    let one = deployer.run(&["secrets", "show", "grader"]).code(0);
    let password = secrets["passwords"]["grader"].as_str().expect("a password");
    assert_eq!((one.out.trim_end(), one.err.as_str()), (password, ""));
    let other = deployer.run(&["secrets", "show", "mallory"]).code(64);
    other.says(&["there is no secret `mallory`; there are consumer, grader, "]);
    let signs = deployer.run(&["secrets", "show", "deployer-authority"]);
    signs.code(64).says(&["is no password, and is not shown"]);
    let with = deployer.run(&["secrets", "rotate", "vm2/kafka", "--yes"]);
    with.code(64)
        .says(&["deployer secrets rotate deployer-authority"]);
    let asks = deployer.run(&["secrets", "rotate"]);
    asks.code(64).says(&["will be refused", "--yes"]);
    assert_eq!(deployer.secrets(), secrets, "nothing was done");
}

/// Rotates, while somebody looks for old and new secrets at the processes of the box and of all its machines.
fn rotate(deployer: &Deployer, names: &[&str]) -> Said {
    let (before, stop) = (deployer.secrets(), Arc::new(AtomicBool::new(false)));
    let (told, path) = (stop.clone(), deployer.secrets_path());
    let looking = std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        let mut known = patterns(&before);
        while !told.load(Ordering::Relaxed) {
            if let Ok(text) = std::fs::read(&path) {
                let now: Value = serde_json::from_slice(&text).unwrap_or_default();
                known.extend(now.as_object().map(|_| patterns(&now)).unwrap_or_default());
            }
            seen.extend(told_by_processes(&known));
            std::thread::sleep(Duration::from_millis(20));
        }
        (seen, known)
    });
    let words = [&["secrets", "rotate", "--yes"], names].concat();
    let said = deployer.run(&words);
    stop.store(true, Ordering::Relaxed);
    let (seen, known) = looking.join().expect("a thread");
    assert!(seen.is_empty(), "processes tell secrets: {seen:?}");
    let said = said.code(0).says(&["proven"]);
    leaks::none_of(&known, deployer, &said.all());
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    said
}

/// The arguments and environments of processes that hold one of these.
fn told_by_processes(known: &BTreeSet<String>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(entry.path().join(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let tells = !text.is_empty() && known.iter().any(|one| text.contains(one));
            if tells {
                seen.insert(format!("{}: {text}", entry.path().join(file).display()));
            }
        }
    }
    seen
}

fn all(deployer: &Deployer) {
    let (before, old) = (units(deployer), deployer.secrets());
    let old_documents = Documents::new(deployer, "vm3");
    let said = rotate(deployer, &[]);
    said.says(&[
        "deployer client-config grader",
        "deployer client-config shop",
    ]);
    let new = deployer.secrets();
    assert_eq!(new["former"], Value::Null);
    for user in USERS {
        assert_ne!(old["passwords"][user], new["passwords"][user], "{user}");
    }
    assert_eq!(old["zookeeper"], new["zookeeper"]);
    assert_eq!(old["authority"], new["authority"]);
    lets_nobody_wait(deployer);
    // No broker stops for it.
    let names = restarted(&before, &units(deployer));
    let wanted = [
        "vm1-1 producer",
        "vm1-2 producer",
        "vm2 consumer",
        "vm3 couchdb",
    ];
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
    for user in ["admin", "consumer"] {
        assert_eq!(old_documents.get("_session", Some(user)).0, 401, "{user}");
        let documents = Documents::new(deployer, "vm3");
        assert_eq!(documents.get("_session", Some(user)).0, 200, "{user}");
    }
    log_in(deployer, &old, &new);
    arrive(deployer);
}

/// How long an agent may be refused: the longest that it waits before it tries again.
const REFUSED: f64 = 15.0;

/// No agent was refused for longer than it waits between two attempts.
fn lets_nobody_wait(deployer: &Deployer) {
    for (node, agent) in [
        ("vm1-1", "producer"),
        ("vm1-2", "producer"),
        ("vm2", "consumer"),
    ] {
        let unit = format!("{}-{agent}.service", deployer.name);
        let words = "journalctl --no-pager -o short-unix -u \"$0\" | grep -iE 'authentication|not let' || true";
        let said = deployer.on(node, &["sh", "-c", words, &unit]);
        let times = said.lines().filter_map(|line| line.split(' ').next());
        let times: Vec<f64> = times.filter_map(|time| time.parse().ok()).collect();
        let span = times.last().unwrap_or(&0.0) - times.first().unwrap_or(&0.0);
        say(&format!(
            "{node}: {agent} refused {} times in {span:.1} s",
            times.len()
        ));
        assert!(span <= REFUSED, "{said}");
    }
}

const LOG_IN: &str = r#"
N=$1
by() { timeout 30 kcat -F "$W/$1-$2" -b vm2.$N.internal:9092 -X security.protocol=SASL_SSL -X sasl.mechanisms=SCRAM-SHA-512 \
    -X ssl.ca.location=/etc/deployer/$N/consumer/authority.pem -L -m 8 2>"$W/said"; }
"#;

const OLD_AND_NEW: &[Attempt] = &[
    may_not("consumer", "logs in by the old password", "by old consumer"),
    may("consumer", "logs in by the new one", "by new consumer"),
    may_not("grader", "logs in by the old password", "by old grader"),
    may("grader", "logs in by the new one", "by new grader"),
    may_not(
        "producer",
        "logs in by the old password",
        "by old producer-vm1-1",
    ),
    may(
        "producer",
        "logs in by the new one",
        "by new producer-vm1-1",
    ),
    may_not("shop", "logs in by the old password", "by old shop"),
    may("shop", "logs in by the new one", "by new shop"),
];

/// By kcat, whoever they are.
fn log_in(deployer: &Deployer, old: &Value, new: &Value) {
    let mut words = LOG_IN.to_owned();
    for (age, secrets) in [("old", old), ("new", new)] {
        for user in USERS {
            let password = secrets["passwords"][user].as_str().expect("a password");
            let login = format!("sasl.username={user}\nsasl.password={password}");
            words.push_str(&attempts::file(&format!("{age}-{user}"), &login));
        }
    }
    deployer.on(
        "vm2",
        &["command -v kcat >/dev/null || apt-get install -qq -y kcat >/dev/null"],
    );
    attempts::on_member(deployer, "vm2", &words, OLD_AND_NEW);
}

fn one(deployer: &Deployer) {
    let (before, old) = (units(deployer), deployer.secrets());
    rotate(deployer, &["grader"]);
    let new = deployer.secrets();
    assert_ne!(old["passwords"]["grader"], new["passwords"]["grader"]);
    assert_eq!(old["passwords"]["shop"], new["passwords"]["shop"]);
    assert_eq!(old["couchdb"], new["couchdb"]);
    assert_eq!(before, units(deployer));
}

/// The same command goes on with what was recorded, and so does `up`.
fn killed(deployer: &Deployer) {
    let mut kills = 0;
    // The words of a stage that begins end with `…`, those of one that has ended tell how long it took.
    for (words, milliseconds, again) in [
        ("client-config grader", 0, "rotate"),
        ("base on", 0, "up"),
        ("base on", 150, "rotate"),
        ("base:", 0, "up"),
        ("couchdb:", 0, "rotate"),
        ("pipeline on", 200, "up"),
        ("pipeline:", 0, "rotate"),
        ("consumer:", 0, "up"),
        ("producer:", 300, "rotate"),
    ] {
        let before = deployer.secrets();
        let mut rotating = deployer.start(&["secrets", "rotate", "--yes"]);
        assert!(rotating.until(|line| line.contains(words)), "{words}");
        std::thread::sleep(Duration::from_millis(milliseconds));
        let said = rotating.kill();
        kills += usize::from(said.code.is_none());
        let recorded = deployer.secrets();
        let begun = recorded["former"].is_object();
        if begun {
            assert_eq!(
                recorded["former"]["passwords/shop"],
                before["passwords"]["shop"]
            );
            deployer.run(&["plan"]).code(2);
            deployer
                .run(&["secrets"])
                .code(0)
                .says(&["not in use everywhere yet"]);
        }
        let healed = match again {
            "up" => deployer.run(&["up", "--yes"]),
            _ => deployer.run(&["secrets", "rotate", "--yes"]),
        };
        healed.code(0);
        let now = deployer.secrets();
        assert_eq!(now["former"], Value::Null);
        if begun {
            assert_eq!(now["passwords"], recorded["passwords"]);
            assert_eq!(now["couchdb"], recorded["couchdb"]);
        }
        assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    }
    assert!(kills >= 7, "only {kills} kills");
    arrive(deployer);
}

fn pausing(deployer: &Deployer) {
    for name in ["zookeeper-kafka", "deployer-authority"] {
        let before: BTreeMap<String, Unit> = units(deployer);
        rotate(deployer, &[name]).says(&["all brokers restart at once"]);
        let names = restarted(&before, &units(deployer));
        assert!(
            names.contains("vm2 kafka") && names.contains("vm3 kafka"),
            "{names:?}"
        );
        arrive(deployer);
    }
}

/// New events become documents, and of each client none is missing since its first.
fn arrive(deployer: &Deployer) {
    let documents = Documents::new(deployer, "vm3");
    for number in 1..=2 {
        let (database, client) = (format!("utilizations{number}"), format!("vm1-{number}"));
        let before = documents
            .runs(&database, &client)
            .values()
            .flatten()
            .count();
        eventually(&format!("more events of {client}"), || {
            let runs = documents.runs(&database, &client);
            // A producer that restarts goes on with its run.
            let [numbers] = runs.values().collect::<Vec<_>>()[..] else {
                return Err(format!("{} runs", runs.len()));
            };
            if numbers.len() < before + 5 {
                return Err(format!("{before}, then {}", numbers.len()));
            }
            // The last ones may come in any order.
            let settled = numbers.len() - 5;
            let whole = (1..)
                .zip(&numbers[..settled])
                .all(|(wanted, there)| wanted == *there);
            whole
                .then_some(())
                .ok_or_else(|| format!("a gap in {numbers:?}"))
        });
    }
}
