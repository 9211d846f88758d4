//! A real release of CouchDB, where `DEPLOYER_TEST_COUCHDB` names its archive.

#![expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where the release is"
)]

use crate::deployer_command::{Deployer, say, subtest};
use crate::support::may_run;
use crate::watch::{Documents, units, well, whole_run};

#[test]
fn a_real_couchdb() {
    if !may_run("a_real_couchdb") {
        return;
    }
    let Ok(archive) = std::env::var("DEPLOYER_TEST_COUCHDB") else {
        say("a_real_couchdb did not run: DEPLOYER_TEST_COUCHDB names no archive");
        return;
    };
    let deployer = Deployer::new(&format!(
        "\
nodes:
  vm1: {{ roles: [zookeeper, kafka, couchdb, consumer, producer] }}
kafka: {{ replication: 1 }}
couchdb: {{ distribution: archive, archive: \"{archive}\" }}
producer: {{ count: 50, interval: 20ms }}
"
    ));
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
            for path in ["_node/_local/_config", "_users/_all_docs", "_active_tasks"] {
                let (status, answer) = documents.get(path, Some("consumer"));
                assert!([401, 403].contains(&status), "{path}: {status} {answer}");
            }
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
    deployer.teardown();
}
