//! Secrets by the names that people use: which there are, who may see them, and how others come in their places.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use deployer::component::Renewal;
use deployer::component::secrets::{Named, named, rolling, without};
use deployer::component::users::{PASSWORDS, are_told_apart};
use deployer::layout;
use deployer::receipt::Secrets;
use deployer::run::journal::{Journal, Mode, SECRETS_FILE};
use deployer::secret::Secret;
use deployer::topology::{Ids, Options, Topology};

fn inventory(security: &str) -> String {
    let users = match security {
        "on" => "users: { shop: { write: [utilizations1] } }\n",
        _ => "",
    };
    format!(
        "name: x\nsecurity: {security}\n{users}nodes:\n  vm1: {{ roles: [zookeeper, kafka, couchdb, mariadb, consumer, spark, producer], memory_mib: 4096 }}\n\
         streams: {{ s: {{ from: utilizations1, sql: \"SELECT 1 AS key, 2 AS value FROM utilizations1\", to: counts }} }}\n\
         kafka: {{ replication: 1 }}\nmonitoring: {{ node_exporter: true }}\nmariadb: {{ phpmyadmin: true }}\n"
    )
}

fn topology(security: &str) -> Topology {
    let text = inventory(security);
    let inventory = layout::parse(text.as_bytes(), "x.yaml").expect("an inventory");
    let made = Topology::new(&inventory, &Options::default(), &Ids::default());
    made.expect("a topology").0
}

fn journal(state: &Path) -> Journal {
    Journal::open(state, "x", "local", Mode::Create).expect("a journal")
}

fn names<'a>(of: impl Iterator<Item = &'a Named>) -> Vec<&'a str> {
    of.map(|one| one.name.as_str()).collect()
}

#[test]
fn each_has_a_name_of_its_own() {
    let state = tempfile::tempdir().expect("directory");
    let mut secrets = journal(state.path())
        .secrets(&topology("on"))
        .expect("made");
    secrets.set(PASSWORDS, "producer-gone", Secret::new("x"));
    let on = named(&topology("on"), &secrets);
    let once: BTreeSet<&str> = names(on.iter()).into_iter().collect();
    assert_eq!(once.len(), on.len(), "{on:?}");
    assert_eq!(
        names(rolling(&on)),
        [
            "consumer",
            "producer-vm1",
            "shop",
            "spark",
            "couchdb-admin",
            "couchdb-consumer",
            "couchdb-sessions",
            "mariadb-consumer",
            "mariadb-admin",
            "phpmyadmin-cookies",
            "node-exporter-monitor"
        ]
    );
    let pausing = on.iter().filter(|one| one.renewal == Renewal::Pausing);
    assert_eq!(
        names(pausing),
        [
            "zookeeper-kafka",
            "spark-authentication",
            "deployer-authority"
        ]
    );
    let with = on
        .iter()
        .filter(|one| matches!(one.renewal, Renewal::With(_)));
    let with = names(with);
    assert!(with.contains(&"vm1/kafka"), "{with:?}");
    // Nobody could bring it another one, and so it would be locked out for ever.
    let never = on.iter().filter(|one| one.renewal == Renewal::Never);
    assert_eq!(names(never), ["producer-gone", "couchdb-cookie"]);
    let off = named(&topology("off"), &secrets);
    let own = [
        "couchdb-admin",
        "couchdb-consumer",
        "couchdb-cookie",
        "couchdb-sessions",
        "mariadb-consumer",
        "mariadb-admin",
        "phpmyadmin-cookies",
        "spark-authentication",
    ];
    assert_eq!(names(off.iter()), own);
}

/// A secret that is kept and has no name would be one that nobody is told of.
#[test]
fn whatever_is_kept_is_listed() {
    let state = tempfile::tempdir().expect("directory");
    let topology = topology("on");
    let secrets = journal(state.path()).secrets(&topology).expect("made");
    let all = named(&topology, &secrets);
    let told = [
        ("authority", "certificate", "is for everybody"),
        ("couchdb", "admin_hash", "is made of another"),
        ("node-exporter", "hash", "is made of another"),
        ("couchdb", "uuid", "is no secret"),
        ("mariadb", "user_hash", "is made of another"),
        ("mariadb", "admin_hash", "is made of another"),
    ];
    for (of, key, _) in secrets.all() {
        let listed = all.iter().any(|one| one.of == of && one.key == key);
        let open = told
            .iter()
            .any(|(other, name, _)| (*other, *name) == (of, key));
        assert_ne!(listed, open, "{of} {key}");
    }
}

#[test]
fn a_change_is_kept_until_it_has_come_to_its_end() {
    let state = tempfile::tempdir().expect("directory");
    let (journal, topology) = (journal(state.path()), topology("on"));
    let old = journal.secrets(&topology).expect("made");
    let all = named(&topology, &old);
    let meant: Vec<String> = rolling(&all).map(|one| one.name.clone()).collect();
    let new = journal.renewed_secrets(&meant, &topology).expect("made");
    assert_eq!(
        journal.secrets(&topology).expect("read"),
        old,
        "nothing is stored yet"
    );
    for one in &all {
        let (before, after) = (old.known(&one.of, &one.key), new.known(&one.of, &one.key));
        let former = new.former(&one.of, &one.key);
        if meant.contains(&one.name) {
            assert_ne!(before, after, "{}", one.name);
            assert_eq!(before, former, "{}", one.name);
        } else {
            assert_eq!((before, None), (after, former), "{}", one.name);
        }
    }
    assert_ne!(
        new.get("couchdb", "admin_hash"),
        old.get("couchdb", "admin_hash")
    );
    // Killed here, the same command goes on with the same ones.
    journal.keep_secrets(&new).expect("stored");
    assert_eq!(journal.secrets(&topology).expect("read"), new);
    assert_eq!(
        journal.renewed_secrets(&meant, &topology).expect("made"),
        new
    );
    let mode = fs::metadata(journal.directory().join(SECRETS_FILE)).expect("a file");
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o600
    );
    journal.end_changes_of_secrets().expect("stored");
    let ended = journal.secrets(&topology).expect("read");
    assert_eq!(ended.all_former().count(), 0);
    assert!(ended.all().eq(new.all()));
    assert!(ended.since(PASSWORDS, "shop").is_some());
    let next = journal.renewed_secrets(&meant, &topology).expect("made");
    assert_ne!(next.known(PASSWORDS, "shop"), new.known(PASSWORDS, "shop"));
}

/// Brokers tell one of 8192 marks of a password, and by it alone it is seen that it changed.
#[test]
fn a_new_password_has_another_mark() {
    let state = tempfile::tempdir().expect("directory");
    let (journal, topology) = (journal(state.path()), topology("on"));
    let mut known = journal.secrets(&topology).expect("made");
    for _ in 0..2000 {
        let new = journal
            .renewed_secrets(&["shop".to_owned()], &topology)
            .expect("made");
        let (new, old) = (new.get(PASSWORDS, "shop"), known.get(PASSWORDS, "shop"));
        assert!(are_told_apart("shop", new, old));
        known.set(PASSWORDS, "shop", Secret::new(new));
        known = journal.secrets(&topology).expect("read");
    }
}

#[test]
fn another_authority_signs_all_anew() {
    let mut secrets = Secrets::default();
    for (of, key) in [
        ("authority", "key"),
        ("authority", "certificate"),
        ("certificates", "vm1/kafka"),
        (PASSWORDS, "consumer"),
    ] {
        secrets.set(of, key, Secret::new("old"));
    }
    let left = without(
        &secrets,
        &["deployer-authority".to_owned()],
        &topology("on"),
    );
    let left: Vec<&str> = left.all().map(|(_, key, _)| key).collect();
    assert_eq!(left, ["consumer"]);
}
