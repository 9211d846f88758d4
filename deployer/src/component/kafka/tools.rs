//! Kafka's own tools: classes in the jars that each broker's node has.

use std::collections::BTreeMap;

use super::{NAME, at, bootstrap, section};
use crate::authority;
use crate::component::own_tool::OwnTool;
use crate::component::{java, place, zookeeper};
use crate::receipt::Secrets;
use crate::secret::Secret;
use crate::topology::Topology;

/// A tool.
struct Tool {
    /// As it is asked for.
    name: &'static str,
    /// What is run.
    class: &'static str,
    /// The option that names a file with settings of its client.
    config: &'static str,
}

/// Those that are offered.
const TOOLS: [Tool; 8] = [
    Tool {
        name: "topics",
        class: "org.apache.kafka.tools.TopicCommand",
        config: "--command-config",
    },
    Tool {
        name: "groups",
        class: "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        config: "--command-config",
    },
    Tool {
        name: "offsets",
        class: "org.apache.kafka.tools.GetOffsetShell",
        config: "--command-config",
    },
    Tool {
        name: "reassign",
        class: "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
        config: "--command-config",
    },
    Tool {
        name: "configs",
        class: "kafka.admin.ConfigCommand",
        config: "--command-config",
    },
    Tool {
        name: "acls",
        class: "kafka.admin.AclCommand",
        config: "--command-config",
    },
    Tool {
        name: "console-producer",
        class: "kafka.tools.ConsoleProducer",
        config: "--producer.config",
    },
    Tool {
        name: "console-consumer",
        class: "org.apache.kafka.tools.consumer.ConsoleConsumer",
        config: "--consumer.config",
    },
];

/// The option that says where the brokers are.
const BOOTSTRAP: &str = "--bootstrap-server";

/// What a tool logs is no part of what it prints.
const LOGGING: &str = "\
log4j.rootLogger=WARN, stderr
log4j.appender.stderr=org.apache.log4j.ConsoleAppender
log4j.appender.stderr.target=System.err
log4j.appender.stderr.layout=org.apache.log4j.PatternLayout
log4j.appender.stderr.layout.ConversionPattern=%p %c{1}: %m%n
";

/// The files of a login, and where its settings name them.
const SETTINGS: &str = "client.properties";
const CERTIFICATE: &str = "certificate.pem";
const AUTHORITY: &str = "authority.pem";

/// A tool by its name, for a node with a broker. What the user's arguments say themselves is not added.
pub(super) fn call(
    name: &str,
    arguments: &[String],
    directory: &str,
    topology: &Topology,
    secrets: &Secrets,
) -> Option<OwnTool> {
    let tool = TOOLS.iter().find(|tool| tool.name == name)?;
    let mut files = BTreeMap::from([(java::LOGGING, Secret::new(LOGGING))]);
    let mut servers = bootstrap(topology);
    let mut given = Vec::new();
    if topology.security.is_on() {
        servers = at(section(topology).brokers_port, topology);
        given = vec![tool.config.to_owned(), format!("{directory}/{SETTINGS}")];
        files.extend(login(directory, secrets));
    }
    given = [vec![BOOTSTRAP.to_owned(), servers], given].concat();
    let says = |option: &str| {
        let mut names = arguments.iter().filter_map(|word| word.split('=').next());
        names.any(|name| name == option)
    };
    let temporary = place::Place::new(topology, NAME).temporary();
    let mut words: Vec<String> = [
        // It shares the memory of a broker, and nobody waits for it to get fast.
        "-Xmx192m",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-XX:-UsePerfData",
    ]
    .map(str::to_owned)
    .into();
    words.extend([
        format!("-Djava.io.tmpdir={temporary}"),
        format!("-Dlog4j.configuration=file:{directory}/{}", java::LOGGING),
        "-cp".to_owned(),
        format!("{}/libs/*", zookeeper::software(topology)),
        tool.class.to_owned(),
    ]);
    for option in given.chunks(2).filter(|option| !says(&option[0])) {
        words.extend(option.iter().cloned());
    }
    words.extend(arguments.iter().cloned());
    Some(OwnTool {
        program: place::java(topology),
        arguments: words,
        files,
    })
}

/// As whom a tool asks brokers: as the deployer, where they ask each other.
fn login(directory: &str, secrets: &Secrets) -> [(&'static str, Secret); 3] {
    let (key, certificate) = authority::of_operator(secrets);
    let settings = format!(
        "security.protocol=SSL\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={directory}/{CERTIFICATE}\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location={directory}/{AUTHORITY}\n"
    );
    [
        (SETTINGS, Secret::new(settings)),
        (CERTIFICATE, Secret::new(format!("{key}{certificate}"))),
        (AUTHORITY, Secret::new(authority::certificate(secrets))),
    ]
}
