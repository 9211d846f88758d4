//! The receipt on disk, as its owners and those who come after them see it.

#![expect(
    clippy::disallowed_methods,
    reason = "a child is started only to hold what is open"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use deployer::authority;
use deployer::component::users::PASSWORDS;
use deployer::layout;
use deployer::run::journal::{self, Journal, JournalError, Mode};
use deployer::topology::{Ids, Options, Topology};

fn open(state: &Path, mode: Mode) -> Result<Journal, JournalError> {
    Journal::open(state, "utilization", "local", mode)
}

fn topology(security: &str) -> Topology {
    let text = format!(
        "{{name: utilization, security: {security}, nodes: {{vm1: {{roles: [zookeeper, kafka]}}}}, kafka: {{replication: 1}}}}"
    );
    let inventory = layout::parse(text.as_bytes(), "x.yaml").expect("an inventory");
    let topology = Topology::new(&inventory, &Options::default(), &Ids::default());
    topology.expect("a topology").0
}

fn receipt_path(state: &Path) -> std::path::PathBuf {
    journal::directory(state, "utilization", "local").join("receipt.json")
}

#[test]
fn remembers_and_forgets() {
    let state = tempfile::tempdir().expect("directory");
    let state = state.path();
    assert!(matches!(
        open(state, Mode::Existing),
        Err(JournalError::Missing(_))
    ));
    assert_eq!(
        journal::list(state).expect("list"),
        [],
        "looking made something"
    );

    let journal = open(state, Mode::Create).expect("begun");
    let id = journal.receipt().id;
    assert_eq!(
        (id.len(), id.chars().all(|c| c.is_ascii_hexdigit())),
        (12, true)
    );
    assert_eq!(
        journal::list(state).expect("list"),
        [],
        "nothing is remembered before the first change"
    );
    journal
        .change(|receipt| receipt.inventory = "name: utilization\n".into())
        .expect("stored");
    let secrets = journal.secrets(&topology("off")).expect("generated");
    drop(journal);

    let journal = open(state, Mode::Create).expect("opened");
    assert_eq!(journal.receipt().id, id);
    assert_eq!(journal.receipt().inventory, "name: utilization\n");
    let again = journal.secrets(&topology("off")).expect("read");
    assert_eq!(again, secrets);
    let password = |key: &str| secrets.get("couchdb", key);
    assert_eq!(password("admin_password").len(), 32);
    assert_ne!(password("admin_password"), password("user_password"));

    let entries = journal::list(state).expect("list");
    assert_eq!(
        (entries[0].name.as_str(), entries[0].cloud.as_str()),
        ("utilization", "local")
    );
    assert_eq!(
        journal::read_receipt(&entries[0].directory).expect("read"),
        journal.receipt()
    );
    journal.remove().expect("removed");
    assert_eq!(fs::read_dir(state).expect("directory").count(), 0);
}

#[test]
fn nobody_else_can_read_it() {
    let state = tempfile::tempdir().expect("directory");
    let journal = open(state.path(), Mode::Create).expect("begun");
    journal.change(|_| {}).expect("stored");
    journal.secrets(&topology("off")).expect("generated");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(journal.directory()), 0o700);
    for file in ["receipt.json", journal::SECRETS_FILE] {
        assert_eq!(mode(&journal.directory().join(file)), 0o600, "{file}");
    }
    let receipt = fs::read_to_string(receipt_path(state.path())).expect("receipt");
    let secrets = journal.secrets(&topology("off")).expect("secrets");
    assert!(!receipt.contains(secrets.get("couchdb", "admin_password")));
}

#[test]
fn certificates_are_made_where_security_is_on_and_kept() {
    let state = tempfile::tempdir().expect("directory");
    let journal = open(state.path(), Mode::Create).expect("begun");
    let off = journal.secrets(&topology("off")).expect("generated");
    assert!(off.known("authority", "key").is_none());
    let on = journal.secrets(&topology("on")).expect("generated");
    assert!(authority::certificate(&on).starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(authority::of_service(&on, "vm1", "kafka").contains("PRIVATE KEY"));
    assert_eq!(journal.secrets(&topology("on")).expect("read"), on);
    assert_eq!(
        journal.secrets(&topology("off")).expect("read"),
        on,
        "they wait for the next time"
    );
}

/// Whoever is left out of the inventory keeps sending until `--prune`.
#[test]
fn passwords_are_kept_until_nobody_sends_to_former_topics() {
    let state = tempfile::tempdir().expect("directory");
    let journal = open(state.path(), Mode::Create).expect("begun");
    let mut topology = topology("on");
    let users = |topology: &Topology| -> Vec<String> {
        let secrets = journal.secrets(topology).expect("generated");
        let all = secrets.all().filter(|(of, ..)| *of == PASSWORDS);
        all.map(|(_, user, _)| user.to_owned()).collect()
    };
    // The node that answers for the pipeline is consumer and producer, too.
    assert_eq!(users(&topology), ["consumer", "producer-vm1"]);
    let mut node = topology.nodes["vm1"].clone();
    node.name = "vm2".into();
    node.roles = ["producer".to_owned()].into();
    topology.nodes.insert("vm2".into(), node);
    assert_eq!(users(&topology), ["consumer", "producer-vm2"]);
    topology.nodes.remove("vm2");
    topology
        .former
        .topics
        .insert("utilizations2".into(), "utilizations2".into());
    assert_eq!(
        users(&topology),
        ["consumer", "producer-vm1", "producer-vm2"]
    );
    topology.former.topics.clear();
    assert_eq!(users(&topology), ["consumer", "producer-vm1"]);
}

#[test]
fn has_one_owner_at_a_time() {
    let state = tempfile::tempdir().expect("directory");
    let first = open(state.path(), Mode::Create).expect("begun");
    first.change(|_| {}).expect("stored");
    let error = open(state.path(), Mode::Existing).expect_err("locked");
    let words = error.to_string();
    assert!(matches!(error, JournalError::Locked { .. }), "{words}");
    assert!(
        words.contains(&format!("process {}", std::process::id())),
        "{words}"
    );
    // Looking needs no lock; another deployment is another lock.
    journal::read_receipt(first.directory()).expect("read");
    Journal::open(state.path(), "other", "local", Mode::Create).expect("begun");
    drop(first);
    open(state.path(), Mode::Existing).expect("free again");
}

#[test]
fn takes_over_from_a_dead_owner() {
    let state = tempfile::tempdir().expect("directory");
    open(state.path(), Mode::Create)
        .expect("begun")
        .change(|_| {})
        .expect("stored");
    let lock = journal::directory(state.path(), "utilization", "local").join("lock");
    // Another process holds the lock, until it is killed.
    let mut owner = crate::sshd::command(Path::new("flock"))
        .args(["--exclusive", "--no-fork"])
        .arg(&lock)
        .args(["sh", "-c", "echo locked; exec sleep 60"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("flock");
    let mut said = [0; 6];
    std::io::Read::read_exact(owner.stdout.as_mut().expect("piped"), &mut said).expect("locked");
    assert!(matches!(
        open(state.path(), Mode::Existing),
        Err(JournalError::Locked { .. })
    ));
    owner.kill().expect("killed");
    owner.wait().expect("waited for");
    open(state.path(), Mode::Existing).expect("taken over");
}

#[test]
fn refuses_what_a_newer_deployer_wrote() {
    let state = tempfile::tempdir().expect("directory");
    open(state.path(), Mode::Create)
        .expect("begun")
        .change(|_| {})
        .expect("stored");
    fs::write(receipt_path(state.path()), r#"{"version":3,"more":[]}"#).expect("written");
    for mode in [
        Mode::Create,
        Mode::Existing,
        Mode::Salvage {
            id: "1a2b3c4d5e6f".into(),
        },
    ] {
        let error = open(state.path(), mode).expect_err("too new");
        assert!(
            matches!(
                error,
                JournalError::Newer {
                    found: 3,
                    known: 2,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn says_when_it_is_damaged_and_lets_a_teardown_go_on() {
    let state = tempfile::tempdir().expect("directory");
    let state = state.path();
    open(state, Mode::Create)
        .expect("begun")
        .change(|_| {})
        .expect("stored");
    let whole = fs::read_to_string(receipt_path(state)).expect("receipt");
    let cut = &whole[..whole.len() / 2];
    let renamed = whole.replace("\"id\"", "\"identity\"");
    for damaged in [
        "",
        "null",
        "{}",
        r#"{"version":0}"#,
        r#"{"version":"1"}"#,
        cut,
        &renamed,
    ] {
        fs::write(receipt_path(state), damaged).expect("written");
        for mode in [Mode::Create, Mode::Existing] {
            let error = open(state, mode).expect_err("damaged");
            assert!(
                matches!(error, JournalError::Damaged { .. }),
                "{damaged:?}: {error}"
            );
        }
        let id = "1a2b3c4d5e6f";
        let journal = open(state, Mode::Salvage { id: id.into() }).expect("salvaged");
        assert_eq!(journal.receipt().id, id);
        let kept = journal.directory().join("receipt.json.damaged");
        assert_eq!(fs::read_to_string(kept).expect("kept"), damaged);
    }
}

/// A child has what was open when it was started until it becomes its program: a lock, too.
#[test]
fn what_was_let_go_can_be_taken_while_children_start() {
    let state = tempfile::tempdir().expect("directory");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let child = Command::new("true").status();
                assert!(child.expect("it starts").success());
            }
        });
        let opened = (0..300).map(|_| open(state.path(), Mode::Create).map(drop));
        let opened: Result<(), JournalError> = opened.collect();
        done.store(true, Ordering::Relaxed);
        opened.expect("nobody else has it");
    });
}

fn fixture(name: &str) -> std::path::PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/receipts");
    fixtures.join(name)
}

/// The format is a promise: a change of it needs a new version, an upgrade, and one more file beside these.
#[test]
fn reads_all_formats_as_the_newest() {
    let newest = fs::read_to_string(fixture("v2.json")).expect("fixture");
    for format in ["v1.json", "v2.json"] {
        let directory = tempfile::tempdir().expect("directory");
        fs::copy(fixture(format), directory.path().join("receipt.json")).expect("copied");
        let receipt = journal::read_receipt(directory.path()).expect("read");
        assert_eq!(
            (receipt.name.as_str(), receipt.machines.len()),
            ("utilization", 2)
        );
        let mut written = serde_json::to_string_pretty(&receipt).expect("JSON");
        written.push('\n');
        assert_eq!(written, newest, "{format}");
    }
}

/// Looking writes nothing; the next change writes the newest format. No password changes.
#[test]
fn the_next_change_writes_the_newest_format() {
    let state = tempfile::tempdir().expect("directory");
    let directory = journal::directory(state.path(), "utilization", "local");
    fs::create_dir_all(&directory).expect("made");
    let (receipt, secrets) = (
        directory.join("receipt.json"),
        directory.join(journal::SECRETS_FILE),
    );
    fs::copy(fixture("v1.json"), &receipt).expect("copied");
    let old = r#"{"version":1,"couchdb_admin_password":"a","couchdb_admin_hash":"b",
        "couchdb_user_password":"c","couchdb_cookie":"d","couchdb_uuid":"e"}"#;
    fs::write(&secrets, old).expect("written");

    let known = journal::read_secrets(&directory).expect("read");
    assert_eq!(known.get("couchdb", "user_password"), "c");
    assert_eq!(fs::read_to_string(&secrets).expect("there"), old);

    let journal = open(state.path(), Mode::Existing).expect("opened");
    // What was made since is made now, once; what is there stays.
    let complete = journal.secrets(&topology("off")).expect("read");
    assert!(known.known("couchdb", "session_secret").is_none());
    assert!(complete.known("couchdb", "session_secret").is_some());
    for (component, key, secret) in known.all() {
        assert_eq!(complete.known(component, key), Some(secret), "{key}");
    }
    journal.change(|_| {}).expect("stored");
    let newest = fs::read_to_string(fixture("v2.json")).expect("fixture");
    assert_eq!(fs::read_to_string(&receipt).expect("there"), newest);
    let written = fs::read_to_string(&secrets).expect("there");
    assert!(written.contains("\"version\": 2"), "{written}");
    assert!(written.contains("\"admin_password\": \"a\""), "{written}");
    assert_eq!(journal::read_secrets(&directory).expect("read"), complete);
}

/// However often the process dies while it writes, the file is the old one or the new one.
#[test]
fn a_reader_never_sees_half_a_receipt() {
    let state = tempfile::tempdir().expect("directory");
    let journal = open(state.path(), Mode::Create).expect("begun");
    journal.change(|_| {}).expect("stored");
    let directory = journal.directory().to_owned();
    let writer = std::thread::spawn(move || {
        for round in 0..200_u32 {
            let notes = (0..round % 50)
                .map(|number| (format!("note{number}"), "x".repeat(100)))
                .collect();
            journal
                .change(|receipt| receipt.cloud_notes = notes)
                .expect("stored");
        }
    });
    let mut reads = 0;
    while !writer.is_finished() {
        journal::read_receipt(&directory).expect("whole");
        reads += 1;
    }
    writer.join().expect("written");
    assert!(reads > 0);
    let left: Vec<_> = fs::read_dir(&directory)
        .expect("directory")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert_eq!(left.len(), 2, "temporary files stay: {left:?}");
}
