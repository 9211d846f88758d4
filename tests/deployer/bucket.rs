//! A bucket as a producer's source: what is refused before anything is made, and what its producer is told and may do.

use deployer::component::Component as _;
use deployer::component::producer::Producer;

use crate::topologies::{assert_refused, read};

const GOOD: &str = "\
name: x
nodes:
  vm1:
    roles: [producer]
    producer:
      source: bucket
      count: 0
      topic: logs
      bucket:
        name: my-logs
        region: eu-north-1
        credentials_file: ~/keys
  vm2: { roles: [zookeeper, kafka, consumer, couchdb] }
  vm3: { roles: [producer] }
kafka: { replication: 1 }
";

#[test]
fn what_no_store_could_have_is_refused_with_its_line() {
    let endpoint = "region: eu-north-1\n        endpoint: ";
    let cases = [
        (
            "name: my-logs",
            "name: s3://My_Logs",
            "t.yaml:10:15: nodes.vm1.producer.bucket.name: `s3://My_Logs` is no name of a bucket",
        ),
        (
            "        name: my-logs\n",
            "",
            "nodes.vm1.producer.bucket: says no `name`",
        ),
        (
            "region: eu-north-1",
            "region: EU (Stockholm)",
            "t.yaml:11:17: nodes.vm1.producer.bucket.region: `EU (Stockholm)` is no region",
        ),
        (
            "        region: eu-north-1\n",
            "",
            "nodes.vm1.producer.bucket: says neither `region` nor `endpoint`",
        ),
        (
            "region: eu-north-1",
            &format!("{endpoint}s3.example.org"),
            "t.yaml:12:19: nodes.vm1.producer.bucket.endpoint: `s3.example.org` is no address of a store",
        ),
        (
            "region: eu-north-1",
            &format!("{endpoint}https://u:p@s3.example.org"),
            "bucket.endpoint: `https://u:p@s3.example.org` is no address",
        ),
        (
            "region: eu-north-1",
            &format!("{endpoint}https://s3.example.org/my-logs"),
            "is no address of a store",
        ),
        (
            "        credentials_file: ~/keys\n",
            "",
            "nodes.vm1.producer.bucket: has no keys",
        ),
        (
            "credentials_file: ~/keys",
            "credentials_file: ~/keys\n        instance_profile: reader",
            "t.yaml:13:27: nodes.vm1.producer.bucket.instance_profile: stands beside `credentials_file`",
        ),
        (
            "credentials_file: ~/keys",
            "instance_profile: arn:aws:iam::1:instance-profile/reader",
            "t.yaml:12:27: nodes.vm1.producer.bucket.instance_profile: `arn:aws:iam::1:instance-profile/reader` is no name",
        ),
        (
            "source: bucket\n",
            "source: top\n",
            "nodes.vm1.producer.bucket: is of no use: the source is no bucket",
        ),
        (
            "vm3: { roles: [producer] }",
            "vm3: { roles: [producer], producer: { source: bucket } }",
            "t.yaml:14:49: nodes.vm3.producer.source: is `bucket`, and no bucket is named",
        ),
        (
            "count: 0",
            "interval: 500ms",
            "nodes.vm1.producer.interval:",
        ),
        (
            "count: 0",
            "schedule: \"0 * * * *\"",
            "nodes.vm1.producer.schedule: is of no use",
        ),
    ];
    assert_refused(GOOD, &cases);
}

#[test]
fn its_producer_may_keep_an_offset_of_its_own_topic_and_no_more() {
    let topology = read(GOOD).expect("good");
    let rights = |node: &str| -> Vec<String> {
        let rights = Producer.rights(&topology.nodes[node], &topology);
        rights
            .iter()
            .flat_map(|right| right.words().collect::<Vec<_>>())
            .collect()
    };
    let canaries = |user: &str| format!("{user}: write topic deployer-canaries");
    let vm1 = rights("vm1");
    let others: Vec<&String> = vm1
        .iter()
        .filter(|right| **right != canaries("producer-vm1"))
        .collect();
    assert_eq!(
        others,
        [
            "producer-vm1: write topic logs",
            "producer-vm1: read topic logs",
            "producer-vm1: read group producer-vm1",
            "producer-vm1: write transactional_id producer-vm1",
        ]
    );
    assert!(
        !rights("vm3")
            .iter()
            .any(|right| right.contains("read") || right.contains("transactional"))
    );
}
