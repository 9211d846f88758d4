//! Topics and their databases.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::RETENTION;
use super::topic_name::check_topic_name;
use super::{ExtraTopic, KafkaSection, NAME, TopicsSection, users};
use crate::component::producer::{self, ProducerChange};
use crate::component::program;
use crate::component::spark::{self, StreamsSection};
use crate::inventory::{Findings, Inventory, Member, texts};
use crate::topology::{CANARY_TOPIC, Ids, Topic};

/// What the consumer appends to the name of a database for what it can never store.
const DEAD_LETTERS: &str = "-dead-letters";
/// How a client's topic is spoken of, before the client's name.
const CLIENT: &str = "the topic of ";
/// `CouchDB`'s limit for the names of databases.
const MAX_DATABASE_NAME: usize = 238;

/// The database for a topic's events: its name in the characters that `CouchDB` allows. May be too long.
pub fn database_name(topic: &str) -> String {
    let name: String = topic
        .to_lowercase()
        .chars()
        .map(|one| match one {
            'a'..='z' | '0'..='9' | '_' | '-' => one,
            _ => '_',
        })
        .collect();
    if name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name
    } else {
        format!("t_{name}")
    }
}

/// All topics, the canaries' included; none where there is no Kafka.
pub fn topics(
    inventory: &Inventory,
    members: &[Member<'_>],
    ids: &Ids,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, Topic> {
    let mut topics = BTreeMap::new();
    if !members.iter().any(|member| member.has(NAME)) {
        return topics;
    }
    let mut claims = Claims::default();
    let common = ExtraTopic::default();
    let said: &TopicsSection = inventory.sections.get();
    for member in members.iter().filter(|member| member.has(producer::NAME)) {
        let Some(number) = ids.of(producer::NAME).get(&member.name) else {
            continue;
        };
        let name = producer::topic_of(inventory, member, *number);
        let own: &ProducerChange = member.entry.sections.get();
        let key = match own.topic {
            Some(_) => format!("{}.producer.topic", member.key),
            None if inventory.says("producer.topic") => "producer.topic".to_owned(),
            None => member.key.clone(),
        };
        // The pattern is good by itself; a long client's name can still make too much of it.
        if let Err(reason) = check_topic_name(&name) {
            findings.say(
                &key,
                format!("`{name}`, the topic of {}, {reason}", member.name),
            );
        }
        // Several may write to one that the inventory names by itself, too.
        if !(topics.contains_key(&name) && said.extra.contains_key(&name)) {
            claims.add(&name, &key, &format!("{CLIENT}{}", member.name), findings);
        }
        topics.insert(name.clone(), topic(inventory, name, &common));
    }
    let mut made = BTreeSet::new();
    for (name, extra) in &said.extra {
        let own = topic(inventory, name.clone(), extra);
        if topics.insert(name.clone(), own).is_none() {
            let key = format!("topics.extra.{name}");
            claims.add(name, &key, "one of `topics.extra`", findings);
            made.insert(name.clone());
        }
    }
    // A stream's topics are made for it, unless the inventory has one of that name for its settings.
    let StreamsSection(streams) = inventory.sections.get();
    for (stream, wanted) in streams {
        for name in wanted.writes(stream) {
            if !wanted.from.0.contains(&name) && made.insert(name.clone()) {
                let (key, whose) = (
                    format!("streams.{stream}.to"),
                    format!("of the stream {stream}"),
                );
                claims.add(&name, &key, &whose, findings);
                topics.insert(name.clone(), topic(inventory, name, &common));
            }
        }
    }
    // The canaries prove the way of the clients' events, so their topic has the settings of the clients' topics.
    let mut canaries = topic(inventory, CANARY_TOPIC.to_owned(), &common);
    canaries.partitions = 1;
    canaries.canary = true;
    topics.insert(canaries.name.clone(), canaries);
    users::check_topics(inventory, &topics, findings);
    spark::check_topics(inventory, &topics, findings);
    program::check_topics(inventory, &topics, findings);
    topics
}

fn topic(inventory: &Inventory, name: String, own: &ExtraTopic) -> Topic {
    let all: &TopicsSection = inventory.sections.get();
    let mut config = texts(&all.settings);
    config.extend(texts(&own.settings));
    let retention = own.retention.unwrap_or(all.retention);
    config.insert(RETENTION.to_owned(), retention.milliseconds().to_string());
    Topic {
        database: database_name(&name),
        documented: true,
        replaced: false,
        name,
        partitions: own.partitions.unwrap_or(all.partitions),
        replication: inventory.sections.get::<KafkaSection>().replication,
        config,
        canary: false,
    }
}

/// Names that are taken, each with whose it is: of topics as Kafka tells them apart, and of databases.
struct Claims {
    topics: BTreeMap<String, (String, String)>,
    databases: BTreeMap<String, String>,
    reported: BTreeSet<String>,
}

impl Default for Claims {
    fn default() -> Self {
        let mut claims = Self {
            topics: BTreeMap::new(),
            databases: BTreeMap::new(),
            reported: BTreeSet::new(),
        };
        claims.take(CANARY_TOPIC, "the canaries' topic");
        claims
    }
}

impl Claims {
    fn take(&mut self, topic: &str, whose: &str) {
        // Kafka names its metrics with `_` for `.` and therefore refuses topics that differ only there.
        self.topics.insert(
            topic.replace('.', "_"),
            (topic.to_owned(), whose.to_owned()),
        );
        let database = database_name(topic);
        self.databases
            .insert(format!("{database}{DEAD_LETTERS}"), whose.to_owned());
        self.databases.insert(database, whose.to_owned());
    }

    fn add(&mut self, topic: &str, key: &str, whose: &str, findings: &mut Findings<'_>) {
        if let Some((message, hint)) = self.refuse(topic, whose) {
            // Of many clients with the same topic the first two say it all.
            if self.reported.insert(key.to_owned()) {
                findings.add(key, message, hint);
            }
        } else {
            self.take(topic, whose);
        }
    }

    fn refuse(&self, topic: &str, whose: &str) -> Option<(String, &'static str)> {
        const RENAME: &str = "give one of them another name";
        const PLACEHOLDER: &str =
            "put `{number}` or `{client}` into the name, or name it in `topics.extra`, too";
        if let Some((other, owner)) = self.topics.get(&topic.replace('.', "_")) {
            if other == topic {
                let clients = [owner.as_str(), whose]
                    .iter()
                    .all(|who| who.starts_with(CLIENT));
                let hint = if clients { PLACEHOLDER } else { RENAME };
                return Some((format!("`{topic}`, {whose}, is {owner} already"), hint));
            }
            return Some((
                format!("Kafka takes `{topic}`, {whose}, and `{other}`, {owner}, for the same"),
                RENAME,
            ));
        }
        let database = database_name(topic);
        let dead_letters = format!("{database}{DEAD_LETTERS}");
        if dead_letters.len() > MAX_DATABASE_NAME {
            return Some((
                format!("`{topic}`, {whose}, is too long for the name of a database"),
                "225 characters at most",
            ));
        }
        [database, dead_letters].into_iter().find_map(|name| {
            let owner = self.databases.get(&name)?;
            let message =
                format!("`{topic}`, {whose}, would share the database `{name}` with {owner}");
            Some((message, RENAME))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::database_name;

    #[test]
    fn databases_are_named_in_the_characters_that_couchdb_allows() {
        let cases = [
            ("utilizations1", "utilizations1"),
            ("Truck-Data", "truck-data"),
            ("load.of.vm1", "load_of_vm1"),
            ("2024", "t_2024"),
            ("_a", "t__a"),
            ("-a", "t_-a"),
        ];
        for (topic, database) in cases {
            assert_eq!(database_name(topic), database);
        }
    }
}
