//! What the producer of a node does.

use serde::Serialize;

use super::topic_pattern::fill_topic_pattern;
use super::{Bucket, ProducerChange, ProducerSection, Source, bucket};
use crate::inventory::{Inventory, Member, TimeSpan};

/// A client: what is said of all producers, with what its node does differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Client {
    /// Its topic.
    pub topic: String,
    /// What its events are made of.
    pub source: Source,
    /// The file it reads; `None`: it reads none.
    pub file: Option<SourceFile>,
    /// The bucket it reads; `None`: it reads none.
    pub bucket: Option<Bucket>,
    /// Events to send; 0: for ever.
    pub count: u64,
    /// Milliseconds between events; `None`: as its source has them.
    pub interval_ms: Option<u64>,
    /// What its made-up events are drawn by; `None`: by chance.
    pub seed: Option<u64>,
    /// When its runs begin; `None`: one at once.
    pub schedule: Option<String>,
    /// Whether the text of `top` goes along.
    pub raw: bool,
    /// The port at which it tells its own node about itself.
    pub metrics_port: u16,
}

/// A file whose lines are events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceFile {
    /// Where it is.
    pub path: String,
    /// The group by which the producer may read it.
    pub group: String,
}

/// The client that a member is.
pub(super) fn client(inventory: &Inventory, member: &Member<'_>, number: u32) -> Client {
    let all: &ProducerSection = inventory.sections.get();
    let own: &ProducerChange = member.entry.sections.get();
    let source = own.source.unwrap_or(all.source);
    Client {
        topic: topic_of(inventory, member, number),
        source,
        file: own
            .path
            .as_ref()
            .or(all.path.as_ref())
            .filter(|_| source == Source::File)
            .map(|path| SourceFile {
                path: path.clone(),
                group: own.group.as_ref().unwrap_or(&all.group).clone(),
            }),
        bucket: bucket::bucket(inventory, member).filter(|_| source == Source::Bucket),
        count: own.count.unwrap_or(all.count),
        interval_ms: interval(source, own.interval.or(all.interval)),
        seed: own.seed.or(all.seed).filter(|_| source.is_made_up()),
        schedule: own.schedule.as_ref().or(all.schedule.as_ref()).cloned(),
        raw: own.raw.unwrap_or(all.raw),
        metrics_port: all.metrics_port,
    }
}

/// The milliseconds between events of a source that takes its time from us.
fn interval(source: Source, said: Option<TimeSpan>) -> Option<u64> {
    let interval = match source {
        Source::Top => Some(said.unwrap_or(TimeSpan::from_seconds(1))),
        Source::Bucket | Source::Logins | Source::Trucks | Source::Logs => said,
        Source::Stdin | Source::File => None,
    };
    interval.map(TimeSpan::milliseconds)
}

/// The topic of the client that has a number.
pub fn topic_of(inventory: &Inventory, member: &Member<'_>, number: u32) -> String {
    let own = member.entry.sections.get::<ProducerChange>().topic.as_ref();
    let pattern = own.unwrap_or(&inventory.sections.get::<ProducerSection>().topic);
    fill_topic_pattern(pattern, number, &member.name)
}
