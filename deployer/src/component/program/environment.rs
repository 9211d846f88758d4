//! What a program finds in its environment: variables, and the files that some of them name. Secrets are in files alone.

use std::collections::BTreeMap;

use super::section::{KAFKA, OwnProgram};
use crate::authority;
use crate::component::Context;
use crate::component::kafka;
use crate::component::place::{self, Place};
use crate::component::service::{AUTHORITY, Service};
use crate::shell::quoted;
use crate::step::Content;
use crate::topology::Node;

/// Variables that the inventory cannot set: ours.
pub(super) const OWN: [&str; 10] = [
    "NODE",
    "HOME",
    "PATH",
    "STATE_DIRECTORY",
    "BOOTSTRAP_SERVERS",
    "KAFKA_CA",
    "KAFKA_CONFIG",
    "KAFKA_CONFIG_JAVA",
    "KAFKA_GROUP",
    "PYTHONPATH",
];

/// librdkafka's settings.
const LIBRDKAFKA: &str = "kafka.conf";
/// Those of clients in Java.
const JAVA: &str = "kafka.properties";
/// The same as a module of Python, in a folder of its own: it is where Python looks for modules.
const PYTHON: &str = "python/deployer_kafka.py";

/// Puts the files there, and gives the variables, each as a shell reads it.
pub(super) fn environment(
    name: &str,
    program: &OwnProgram,
    node: &Node,
    context: &Context<'_>,
    service: &mut Service<'_>,
) -> BTreeMap<String, String> {
    let topology = context.topology;
    let place = Place::new(topology, name);
    let software = place::software(topology);
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |variable: &str, value: String| {
        variables.insert(variable.to_owned(), quoted(&value));
    };
    set("NODE", node.name.clone());
    set("HOME", place.data());
    set("STATE_DIRECTORY", place.data());
    if program.uses(KAFKA) {
        let authority = place.file(AUTHORITY);
        if topology.security.is_on() {
            let known = authority::certificate(context.secrets);
            service.file(AUTHORITY, Content::open(known));
            set("KAFKA_CA", authority.clone());
        }
        let settings = kafka::client::settings(name, &authority, topology, context.secrets);
        service.file(LIBRDKAFKA, Content::secret(settings.librdkafka));
        service.file(JAVA, Content::secret(settings.java));
        service.file(PYTHON, Content::secret(settings.python));
        set("BOOTSTRAP_SERVERS", kafka::bootstrap(topology));
        set("KAFKA_CONFIG", place.file(LIBRDKAFKA));
        set("KAFKA_CONFIG_JAVA", place.file(JAVA));
        set("KAFKA_GROUP", format!("{}1", kafka::users::groups(name)));
        let modules = place.file(PYTHON);
        let modules = modules.rsplit_once('/').map_or("", |(folder, _)| folder);
        set("PYTHONPATH", modules.to_owned());
    }
    for (variable, value) in &program.environment {
        set(variable, value.0.clone());
    }
    let usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    // Components have brought a Java of their own.
    set("PATH", format!("{usual}:{software}/bin"));
    variables
}
