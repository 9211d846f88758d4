//! Kafka's settings of brokers and topics: their names, types and values, by Kafka's own definitions.

use crate::component::refusal::Refusal;
use crate::inventory::suggestion;

/// Brokers' settings that the deployer makes itself, with the inventory's key that decides each (empty: none does). The last
/// ones are not rendered: they are other names for such a setting, or would overrule it.
pub const OWNED: &[(&str, &str)] = &[
    ("advertised.listeners", "kafka.port"),
    ("auto.create.topics.enable", ""),
    ("broker.id", ""),
    ("default.replication.factor", "kafka.replication"),
    ("group.initial.rebalance.delay.ms", ""),
    ("listeners", "kafka.port"),
    ("log.dirs", ""),
    ("min.insync.replicas", "kafka.min_insync_replicas"),
    ("offsets.topic.num.partitions", ""),
    ("offsets.topic.replication.factor", "kafka.replication"),
    ("transaction.state.log.min.isr", ""),
    (
        "transaction.state.log.replication.factor",
        "kafka.replication",
    ),
    ("allow.everyone.if.no.acl.found", "security"),
    ("authorizer.class.name", "security"),
    ("inter.broker.listener.name", "security"),
    ("listener.name.brokers.ssl.client.auth", "security"),
    (
        "listener.name.clients.scram-sha-512.sasl.jaas.config",
        "security",
    ),
    ("listener.security.protocol.map", "security"),
    ("sasl.enabled.mechanisms", "security"),
    ("ssl.keystore.location", "security"),
    ("ssl.keystore.type", "security"),
    ("ssl.truststore.location", "security"),
    ("ssl.truststore.type", "security"),
    ("super.users", "security"),
    ("unclean.leader.election.enable", ""),
    ("zookeeper.clientCnxnSocket", "security"),
    ("zookeeper.connect", "zookeeper.port"),
    ("zookeeper.connection.timeout.ms", ""),
    ("zookeeper.session.timeout.ms", ""),
    ("zookeeper.set.acl", "security"),
    ("zookeeper.ssl.client.enable", "security"),
    ("zookeeper.ssl.truststore.location", "security"),
    ("zookeeper.ssl.truststore.type", "security"),
    // Not rendered.
    ("controller.listener.names", ""),
    ("controller.quorum.bootstrap.servers", ""),
    ("controller.quorum.voters", ""),
    ("log.dir", ""),
    ("metadata.log.dir", ""),
    ("node.id", ""),
    ("process.roles", ""),
    ("security.inter.broker.protocol", ""),
    ("zookeeper.metadata.migration.enable", ""),
];

/// The topics' setting that has a key of its own, `retention`.
pub const RETENTION: &str = "retention.ms";

/// Names that brokers take beside their definitions: of a listener's own settings, and of the authorizer.
const MORE_NAMES: [&str; 3] = [
    "listener.name.",
    "allow.everyone.if.no.acl.found",
    "super.users",
];

const TABLE: &str = include_str!("data/settings.tsv");

/// Whose settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of brokers.
    Broker,
    /// Those of topics.
    Topic,
}

/// A setting as Kafka defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its type: `boolean`, `int`, `short`, `long`, `double`, `string`, `list`, `class`, `password`.
    pub kind: &'static str,
    /// Its default; `None`: it has none.
    pub default: Option<&'static str>,
    /// Which values it takes: see `KafkaSettings.java`.
    allowed: &'static str,
    /// For a topic's setting the broker's setting that is its default.
    pub broker: Option<&'static str>,
}

/// The settings of a scope, in the order of their names.
pub fn definitions(scope: Scope) -> impl Iterator<Item = Definition> {
    let scope = match scope {
        Scope::Broker => "broker",
        Scope::Topic => "topic",
    };
    TABLE.lines().filter_map(move |line| {
        let cells: Vec<&'static str> = line.split('\t').collect();
        let [of, name, kind, default, allowed, broker] = cells[..] else {
            return None;
        };
        (of == scope).then_some(Definition {
            name,
            kind,
            default: Some(default).filter(|default| *default != "null"),
            allowed,
            broker: Some(broker).filter(|broker| *broker != "-"),
        })
    })
}

/// A setting by its name.
pub fn definition(scope: Scope, name: &str) -> Option<Definition> {
    definitions(scope).find(|definition| definition.name == name)
}

/// Holds a setting of the inventory and its value against what Kafka takes.
///
/// # Errors
/// The setting is the deployer's own or unknown to Kafka, or it takes no such value.
pub fn check(scope: Scope, name: &str, value: &str) -> Result<(), Refusal> {
    let owned = OWNED.iter().find(|(own, _)| *own == name);
    if let (Scope::Broker, Some((_, decides))) = (scope, owned) {
        return Err(Refusal::owned(decides));
    }
    if let Some(definition) = definition(scope, name) {
        return definition.check(value);
    }
    let more = MORE_NAMES
        .iter()
        .any(|more| *more == name || more.ends_with('.') && name.starts_with(more));
    if scope == Scope::Broker && more {
        return Ok(());
    }
    let (whose, other, elsewhere) = match scope {
        Scope::Broker => (
            "a broker's",
            Scope::Topic,
            "it is a topic's: put it into `topics.settings`",
        ),
        Scope::Topic => (
            "a topic's",
            Scope::Broker,
            "it is a broker's: put it into `kafka.settings`",
        ),
    };
    let refusal = Refusal::new(format!("Kafka does not know it as {whose} setting"));
    if definition_elsewhere(scope, other, name) {
        return Err(refusal.hint(elsewhere));
    }
    let names: Vec<&str> = definitions(scope)
        .map(|definition| definition.name)
        .collect();
    match suggestion(name, &names) {
        Some(suggestion) => Err(refusal.hint(suggestion)),
        None => Err(refusal),
    }
}

/// Whether the other scope has a setting of this name, which may be used there.
fn definition_elsewhere(scope: Scope, other: Scope, name: &str) -> bool {
    let owned = scope == Scope::Topic && OWNED.iter().any(|(own, _)| *own == name);
    !owned && definition(other, name).is_some()
}

impl Definition {
    /// Holds a value against type and allowed values, as Kafka's own parser does.
    ///
    /// # Errors
    /// Kafka would refuse the value.
    pub fn check(&self, text: &str) -> Result<(), Refusal> {
        let text = text.trim();
        let good = match self.kind {
            "boolean" => text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"),
            "short" => text
                .parse::<i16>()
                .is_ok_and(|number| self.in_range(number.into())),
            "int" => text
                .parse::<i32>()
                .is_ok_and(|number| self.in_range(number.into())),
            "long" => text
                .parse::<i64>()
                .is_ok_and(|number| self.in_long_range(number)),
            "double" => text
                .parse::<f64>()
                .is_ok_and(|number| self.in_range(number)),
            "list" => text.is_empty() || text.split(',').all(|part| self.is_word(part.trim())),
            _ => self.is_word(text),
        };
        if good {
            return Ok(());
        }
        let refusal = Refusal::new(self.must_be(text));
        match self.allowed.split_once(' ') {
            Some(("words" | "anycase", words)) => {
                let words: Vec<&str> = words.split(',').collect();
                match suggestion(text, &words) {
                    Some(hint) => Err(refusal.hint(hint)),
                    None => Err(refusal),
                }
            }
            _ => Err(refusal),
        }
    }

    fn in_long_range(&self, number: i64) -> bool {
        let Some((low, high, or)) = self.range() else {
            return true;
        };
        let end = |text: &str| text.parse::<i64>().ok();
        or.and_then(end) == Some(number)
            || end(low).is_none_or(|low| number >= low)
                && end(high).is_none_or(|high| number <= high)
    }

    fn in_range(&self, number: f64) -> bool {
        let Some((low, high, or)) = self.range() else {
            return true;
        };
        let end = |text: &str| text.parse::<f64>().ok();
        let or = or
            .and_then(end)
            .is_some_and(|or| (or - number).abs() < f64::EPSILON);
        or || end(low).is_none_or(|low| number >= low)
            && end(high).is_none_or(|high| number <= high)
    }

    /// Lowest, highest (`-`: none), and one more that is allowed.
    fn range(&self) -> Option<(&'static str, &'static str, Option<&'static str>)> {
        let mut words = self.allowed.strip_prefix("range ")?.split(' ');
        Some((words.next()?, words.next()?, words.next()))
    }

    fn is_word(&self, text: &str) -> bool {
        match self.allowed.split_once(' ').unwrap_or((self.allowed, "")) {
            ("words", words) => words.split(',').any(|word| word == text),
            ("anycase", words) => words.split(',').any(|word| word.eq_ignore_ascii_case(text)),
            ("version", versions) => versions.split(',').any(|version| is_version(text, version)),
            ("replicas", _) => is_replicas(text),
            ("nonempty", _) => !text.is_empty(),
            _ => true,
        }
    }

    fn must_be(&self, text: &str) -> String {
        let number = match self.kind {
            "boolean" => "true or false".to_owned(),
            "int" => "a whole number of 32 bits".to_owned(),
            "short" => "a whole number of 16 bits".to_owned(),
            "long" => "a whole number of 64 bits".to_owned(),
            "double" => "a number".to_owned(),
            "list" => "a list with commas".to_owned(),
            _ => "a text".to_owned(),
        };
        let which = match self.allowed.split_once(' ').unwrap_or((self.allowed, "")) {
            ("range", _) => {
                let (low, high, or) = self.range().unwrap_or(("-", "-", None));
                let ends = match (low, high) {
                    (low, "-") => format!(" from {low}"),
                    ("-", high) => format!(" up to {high}"),
                    (low, high) => format!(" from {low} to {high}"),
                };
                let or = or.map_or_else(String::new, |or| format!(", or {or}"));
                format!("{ends}{or}")
            }
            ("words" | "anycase", words) => format!(" of {}", words.replace(',', ", ")),
            ("version", _) => ", a version of Kafka such as 3.9".to_owned(),
            ("replicas", _) => " of partition:broker, or `*`".to_owned(),
            ("nonempty", _) => " that is not empty".to_owned(),
            _ => String::new(),
        };
        format!("must be {number}{which}, is `{text}`")
    }
}

/// Whether a text names a version: `3.9-IV0` itself, or its release, `3.9` or `3.9.1`; before 1.0 a release has three numbers.
fn is_version(text: &str, version: &str) -> bool {
    let release = version.split("-IV").next().unwrap_or(version);
    let later = text
        .strip_prefix(release)
        .and_then(|rest| rest.strip_prefix('.'));
    text == version
        || text == release
        || later.is_some_and(|rest| rest.split('.').all(|part| part.parse::<u32>().is_ok()))
}

fn is_replicas(text: &str) -> bool {
    let pair = text.split_once(':');
    let number = |text: &str| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
    text == "*" || pair.is_some_and(|(partition, broker)| number(partition) && number(broker))
}
