//! A pipeline whose lease ends while it runs, as its user sees it: what is lost is said, and nothing is built anew without a word.

use std::time::{Duration, Instant};

use super::whole::found;
use crate::desk::{Desk, says};
use crate::openstack::OpenStack;
use crate::watcher::THIS_BOX;

const NAME: &str = "brief";

fn inventory(lease: &str, couchdb: &str) -> String {
    format!(
        "\
name: {NAME}
cloud: chameleon
nodes:
  vm1: {{ roles: [zookeeper, kafka, couchdb, consumer, producer] }}
kafka: {{ replication: 1 }}
couchdb: {{ {couchdb} }}
producer: {{ count: 0 }}
clouds:
  chameleon: {{ ssh_from: [{THIS_BOX}], lease: {lease} }}
"
    )
}

/// One with a lease of minutes.
pub(crate) struct Brief<'a> {
    desk: Desk,
    cloud: &'a OpenStack,
    /// What its inventory says of CouchDB.
    couchdb: &'a str,
}

impl<'a> Brief<'a> {
    /// Brings it up.
    pub(crate) fn begin(cloud: &'a OpenStack, couchdb: &'a str) -> Self {
        let desk = Desk::new(cloud);
        let file = desk.write("inventory.yaml", &inventory("3m", couchdb));
        let said = desk.run(0, &["up", "--inventory", &file, "--yes"]);
        says(&said, &["20 are documents, 0 twice", "the lease ends at"]);
        // Its producer goes on for ever.
        says(&desk.well(), &["min: then the machines"]);
        Self {
            desk,
            cloud,
            couchdb,
        }
    }

    /// Waits for the end of its lease, and begins again.
    pub(crate) async fn end(self) {
        let desk = &self.desk;
        let start = Instant::now();
        loop {
            if !self.has_machines().await {
                break;
            }
            // It was to end three minutes after it began; this box may be busy.
            assert!(start.elapsed() < Duration::from_mins(4), "it goes on");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let over = "the lease ended at";
        let lost = "the machines and all documents on them";
        // The site deletes servers some seconds before that, and then a machine may answer for a moment still.
        let (mut output, mut said) = desk.output(&["status"]);
        while output.status.code() != Some(1) || !said.contains(over) {
            assert!(start.elapsed() < Duration::from_mins(4), "{said}");
            tokio::time::sleep(Duration::from_secs(1)).await;
            (output, said) = desk.output(&["status"]);
        }
        says(&said, &[over, lost, "vm1"]);
        let file = desk.write("inventory.yaml", &inventory("3h", self.couchdb));
        let gone = "vm1: the data of zookeeper and kafka and couchdb is gone with its machine";
        says(&desk.run(2, &["plan", "--inventory", &file]), &[over, gone]);
        let up = ["up", "--inventory", &file, "--yes"];
        let refused = ["this would lose data", gone, "--destroy-data vm1"];
        says(&desk.run(64, &up), &refused);
        assert!(!self.has_machines().await);

        let said = desk.run(0, &[&up[..], &["--destroy-data", "vm1"]].concat());
        says(&said, &["20 are documents, 0 twice", "in 3 h"]);
        desk.well();
        says(&desk.run(0, &["teardown", "--yes"]), &["nothing is left"]);
        assert_eq!(found(self.cloud, NAME).await, None);
    }

    async fn has_machines(&self) -> bool {
        let found = found(self.cloud, NAME).await.expect("it is listed");
        found
            .things
            .iter()
            .any(|thing| thing.starts_with("machine"))
    }
}
