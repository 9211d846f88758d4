//! Kafka's jars, ZooKeeper's among them: what pins them. The list of another version is made with the same `pom.xml`: run
//! [`ARGUMENTS`](crate::artifact::maven::ARGUMENTS) with `mvn`, then `(cd libs && LC_ALL=C sha512sum *.jar)`.

use super::KafkaSection;
use crate::component::artifact::{Jars, Tarball};

/// SHA-512 of Apache's tarball of the version that inventories may name.
const TARBALL: &str = "1ea204ba73411737a275429ca976d440f007ff0957b90b19be41dc5a4bae5261\
                       7267769be9f0b5791714d0b3c4c760605bd426faea39edd90763585523fa2cfe";
/// Broker, ZooKeeper, tools and a log binding.
const POM: &str = include_str!("data/pom.xml");
const LIST: &str = include_str!("data/maven.sha512");
/// The jars that only Kafka Streams and Kafka Connect need: half of the tarball.
const LEFT_OUT: [&str; 3] = ["connect-", "kafka-streams-", "rocksdbjni-"];

/// The jars of a deployment.
pub fn jars(kafka: &KafkaSection) -> Jars {
    let version = &kafka.version;
    Jars {
        title: "Kafka",
        project: super::NAME,
        version: version.clone(),
        tarball: Some(Tarball {
            name: format!("kafka_2.13-{version}"),
            sha512: TARBALL.to_owned(),
            left_out: &LEFT_OUT,
            mirror: kafka.mirror.clone(),
        }),
        pom: POM,
        maven_list: LIST.to_owned(),
    }
}
