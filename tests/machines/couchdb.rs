//! The real CouchDB on machines of this box: a release folder as an archive, and Apache's package that `auto` finds.

#![expect(
    clippy::disallowed_methods,
    reason = "tests run the box's own programs"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use crate::deployer_command::{Deployer, subtest};
use crate::internet::{Internet, Key};
use crate::real_couchdb::real_couchdb;
use crate::support::{may_run, succeed};
use crate::watch::{Documents, restarted, units, well, whole_run};

const NODES: &str = "nodes:\n  vm1: { roles: [zookeeper, kafka, couchdb, consumer, producer] }\nkafka: { replication: 1 }\n";

#[test]
fn auto_is_apaches_package_on_the_unchanged_image() {
    if !may_run("auto_is_apaches_package_on_the_unchanged_image") {
        return;
    }
    let Some(package) = real_couchdb(".deb", "D1, D5 with Apache's package on local machines")
    else {
        return;
    };
    let release = std::fs::read_to_string("/etc/os-release").expect("a system");
    let suite = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .expect("a release");
    let (internet, key) = (Internet::new(), Key::new());
    let repository = internet.put_repository("couchdb", suite, &key, &[&package]);
    let key = key.file().display().to_string();
    let deployer = Deployer::new(&format!(
        "{NODES}couchdb: {{ repository: \"{repository}\", repository_key: \"{key}\" }}\n\
         producer: {{ count: 20, interval: 20ms }}\n"
    ));
    subtest("Apache's package: proven, then nothing to do", || {
        let up = deployer.run(&["up", "--wait"]).code(0);
        up.says(&["proven"]).never_says(&["stand-in"]);
        whole_run(
            &Documents::new(&deployer, "vm1"),
            "utilizations1",
            "vm1",
            20,
            1,
        );
        let status = well(&deployer);
        let vendor = status["couchdb"].as_str().expect("a vendor");
        assert!(vendor.starts_with("CouchDB 3."), "{vendor}");
        let asked = internet.asked(".deb");
        deployer.run(&["up"]).code(0).says(&["nothing to do"]);
        deployer.run(&["plan"]).code(0);
        assert_eq!(internet.asked(".deb"), asked);
    });
    subtest("Apache's package: closed", || {
        listens_at_its_own_ports_only(&deployer);
        gives_no_secret_away(&deployer);
    });
    deployer.teardown();
}

/// No port of Erlang's: neither its port mapper, nor its distribution. Nor has what runs a cookie, which is for these alone.
fn listens_at_its_own_ports_only(deployer: &Deployer) {
    let sockets = deployer.on("vm1", &["ss", "-Hltnp"]);
    let of_erlang = |line: &&str| line.contains("\"beam.smp\"") || line.contains("epmd");
    let sockets: Vec<&str> = sockets.lines().filter(of_erlang).collect();
    assert_eq!(sockets.len(), 2, "{sockets:?}");
    for own in ["127.0.0.1:5984 ", ":6984 "] {
        let listens = sockets.iter().any(|line| line.contains(own));
        assert!(listens, "{own}: {sockets:?}");
    }
    let epmd = deployer.on("vm1", &["pgrep -c epmd || true"]);
    assert_eq!(epmd.trim(), "0");
}

/// Nobody else on the node finds a secret of CouchDB's: in a command line, in a file, or in what debconf keeps. Nor is one in an
/// environment.
fn gives_no_secret_away(deployer: &Deployer) {
    let secrets = deployer.secrets();
    let own = secrets["couchdb"].as_object().expect("CouchDB's");
    // A server tells its uuid to all who ask.
    let words: Vec<&str> = own
        .iter()
        .filter(|(key, _)| *key != "uuid")
        .map(|(_, secret)| secret.as_str().expect("text"))
        .collect();
    assert!(words.len() >= 5, "{:?}", own.keys());
    // A file, so that the search itself has none in its command line.
    let write = format!(
        "umask 077; printf '%s\\n' '{}' >/root/secrets",
        words.join("' '")
    );
    deployer.on("vm1", &[&write]);
    for (who, place) in [
        (
            "runuser -u nobody --",
            "/etc /opt/couchdb /opt/deployer /run /tmp /var/cache /var/lib /var/log /var/tmp",
        ),
        ("runuser -u nobody --", "/proc/[0-9]*/cmdline"),
        ("", "/proc/[0-9]*/environ /proc/[0-9]*/cmdline"),
        ("", "/var/cache/debconf"),
    ] {
        let search = format!("{who} grep -rlsF -D skip -f - {place} </root/secrets || true");
        assert_eq!(deployer.on("vm1", &[&search]), "", "{who} {place}");
    }
    // That it would be found: by its owner it is.
    let ini = deployer.on("vm1", &["grep -rlsF -f /root/secrets /etc"]);
    assert!(ini.contains("deployer.ini"), "{ini}");
    deployer.on("vm1", &["rm", "/root/secrets"]);
}

/// Apache's package as an archive: a release whose first engine needs a library of the system's.
fn with_spidermonkey(package: &Path, directory: &Path) -> PathBuf {
    let (tree, archive) = (
        directory.join("tree"),
        directory.join("spidermonkey.tar.gz"),
    );
    succeed(
        "dpkg-deb",
        &[
            "-x",
            package.to_str().expect("plain"),
            tree.to_str().expect("plain"),
        ],
    );
    let mut tar = Command::new("tar");
    tar.arg("-C")
        .arg(tree.join("opt"))
        .arg("-czf")
        .arg(&archive)
        .arg("couchdb");
    assert!(tar.status().expect("tar runs").success());
    archive
}

/// A database of the user's own: partitioned, with a view, and with a function that refuses some documents.
fn own_database(documents: &Documents) {
    let design = json!({
        "options": {"partitioned": false},
        "views": {"v": {"map": "function (doc) { emit(doc.n, null) }"}},
        "validate_doc_update": "function (doc) { if (doc.bad) throw({forbidden: 'bad'}) }",
    });
    for (path, body) in [
        ("mine?partitioned=true", Value::Null),
        ("mine/_design/d", design),
        ("mine/p:1", json!({"n": 1})),
    ] {
        let status = documents.change(Method::PUT, path, &body);
        assert!([201, 202].contains(&status), "{path}: {status}");
    }
}

fn own_database_works(documents: &Documents) {
    let (status, view) = documents.get("mine/_design/d/_view/v", Some("admin"));
    assert_eq!(
        (status, view["total_rows"].as_u64()),
        (200, Some(1)),
        "{view}"
    );
    let refused = documents.change(Method::PUT, "mine/p:2", &json!({"bad": true}));
    assert_eq!(refused, 403);
    let (_, info) = documents.get("mine", Some("admin"));
    assert_eq!(info["props"]["partitioned"], true, "{info}");
}

#[test]
fn a_real_couchdb() {
    if !may_run("a_real_couchdb") {
        return;
    }
    let Some(archive) = real_couchdb(".tar.gz", "D7, D9 with a real release") else {
        return;
    };
    let inventory = |archive: &Path, more: &str| {
        format!(
            "{NODES}couchdb: {{ distribution: archive, archive: \"{}\"{more} }}\nproducer: {{ count: 50, interval: 20ms }}\n",
            archive.display()
        )
    };
    let deployer = Deployer::new(&inventory(&archive, ""));
    subtest("real CouchDB: documents", || {
        deployer
            .run(&["up", "--wait"])
            .code(0)
            .says(&["proven"])
            .never_says(&["stand-in"]);
        whole_run(
            &Documents::new(&deployer, "vm1"),
            "utilizations1",
            "vm1",
            50,
            1,
        );
        let status = well(&deployer);
        let vendor = status["couchdb"].as_str().expect("a vendor");
        assert!(vendor.starts_with("CouchDB 3."), "{vendor}");
    });
    let documents = Documents::new(&deployer, "vm1");
    subtest(
        "real CouchDB: closed to strangers, and to the agents where only an admin may",
        || {
            for path in [
                "_all_dbs",
                "utilizations1",
                "utilizations1/_all_docs",
                "deployer-canaries",
            ] {
                let (status, answer) = documents.get(path, None);
                assert!([401, 403].contains(&status), "{path}: {status} {answer}");
                assert_eq!(documents.get(path, Some("admin")).0, 200, "{path}");
            }
            let (status, security) = documents.get("utilizations1/_security", Some("admin"));
            assert_eq!(status, 200);
            let members = security["members"].to_string() + &security["admins"].to_string();
            assert!(
                members.contains("_admin") || members.contains("name"),
                "{security}"
            );
            assert_eq!(documents.get("utilizations1", Some("consumer")).0, 200);
            for path in [
                "_node/_local/_config",
                "_users/_all_docs",
                "_replicator/_all_docs",
                "_active_tasks",
            ] {
                for user in [None, Some("consumer")] {
                    let (status, answer) = documents.get(path, user);
                    assert!([401, 403].contains(&status), "{path}: {status} {answer}");
                }
                assert_eq!(documents.get(path, Some("admin")).0, 200, "{path}");
            }
            listens_at_its_own_ports_only(&deployer);
            gives_no_secret_away(&deployer);
        },
    );
    subtest(
        "real CouchDB: a restart keeps all, and up has nothing to do",
        || {
            let before = units(&deployer);
            let unit = format!("{}-couchdb.service", deployer.name);
            deployer.on("vm1", &["systemctl", "restart", &unit]);
            whole_run(&documents, "utilizations1", "vm1", 50, 1);
            well(&deployer);
            deployer.run(&["up"]).code(0).says(&["nothing to do"]);
            deployer.run(&["verify"]).code(0);
            assert_ne!(units(&deployer)["vm1 couchdb"], before["vm1 couchdb"]);
        },
    );
    subtest(
        "real CouchDB: a secret that an older version did not make comes by one restart",
        || {
            let mut old = deployer.secrets();
            let own = old["couchdb"].as_object_mut().expect("CouchDB's");
            let was = own.remove("session_secret").expect("a secret");
            std::fs::write(deployer.secrets_path(), old.to_string()).expect("written");
            let before = units(&deployer);
            deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
            let again = restarted(&before, &units(&deployer));
            assert_eq!(again, ["vm1 couchdb".to_owned()].into());
            let mut new = deployer.secrets();
            let made = new["couchdb"]["session_secret"].take();
            assert!(made.is_string() && made != was, "{made}");
            new["couchdb"]
                .as_object_mut()
                .expect("CouchDB's")
                .remove("session_secret");
            for secrets in [&mut new, &mut old] {
                let since = secrets["since"].as_object_mut().expect("times");
                since.retain(|name, _| !name.contains("session"));
            }
            assert_eq!(new, old, "others were made anew");
            whole_run(&documents, "utilizations1", "vm1", 50, 1);
            deployer.run(&["up"]).code(0).says(&["nothing to do"]);
        },
    );
    let files = deployer.directory.path();
    let kept = files.join("kept.gz");
    let kept = kept.to_str().expect("a plain path");
    own_database(&documents);
    if let Some(package) = real_couchdb(".deb", "D7 with a release that has SpiderMonkey") {
        subtest(
            "real CouchDB: a release with SpiderMonkey on a node without its library",
            || {
                let other = with_spidermonkey(&package, files);
                deployer.write(&inventory(
                    &other,
                    ", settings: { couchdb: { js_engine: spidermonkey } }",
                ));
                let up = deployer.run(&["up", "--yes"]).code(1);
                up.says(&["bin/couchjs needs libmozjs-78.so.0, which this node has not"]);
                deployer.write(&inventory(&other, ""));
                deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
                own_database_works(&documents);
            },
        );
    }
    subtest(
        "real CouchDB: a database of the user's own comes back as it was",
        || {
            deployer.run(&["export", kept]).code(0);
            assert_eq!(documents.change(Method::DELETE, "mine", &Value::Null), 200);
            deployer
                .run(&["import", kept])
                .code(0)
                .says(&["2 documents written"]);
            own_database_works(&documents);
        },
    );
    deployer.teardown();
}
