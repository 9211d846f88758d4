//! Spark's jars, with its connector to Kafka: what pins them. No tarball of Apache's has the connector, so they come by Maven alone.
//! The list of another version is made with the same `pom.xml`, as that of Kafka's jars.

use crate::component::artifact::Jars;

/// The version whose checksums are pinned.
pub(super) const VERSION: &str = "4.2.0";
/// The Scala that it was built for.
pub(super) const SCALA: &str = "2.13";
const POM: &str = include_str!("data/pom.xml");
const LIST: &str = include_str!("data/maven.sha512");

/// The jars of a deployment.
pub fn jars() -> Jars {
    Jars {
        title: "Spark",
        project: super::NAME,
        version: VERSION.to_owned(),
        tarball: None,
        pom: POM,
        maven_list: LIST.to_owned(),
    }
}
