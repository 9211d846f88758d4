//! The newest documents of topics, from the sinks that have them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::value::RawValue;

use super::AdminError;
use crate::config::{ConsumerConfig, SinkOf, Topic};
use crate::sink::asked::{Newest, sort};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);

/// Returns the newest `n` documents of one topic, or of all, newest first.
///
/// # Errors
/// When the topic is not configured, or the sink does not answer or holds no documents.
pub async fn newest(
    config: &ConsumerConfig,
    n: usize,
    topic: Option<&str>,
) -> Result<Vec<Box<RawValue>>, AdminError> {
    let places = places(config, topic);
    if places.is_empty() {
        return Err(AdminError::NoTopic(topic.unwrap_or("of events").to_owned()));
    }
    let lists = places.iter().map(|(sink, topics)| async move {
        let asked = sink.settings.asked()?;
        let lists = topics.iter().map(|topic| asked.newest(topic, n, REQUEST));
        let lists = try_join_all(lists).await;
        lists.map_err(AdminError::sink(sink.title(), "the newest documents"))
    });
    let lists = try_join_all(lists).await?;
    let mut documents: Vec<Newest> = lists.into_iter().flatten().flatten().collect();
    sort(&mut documents);
    documents.truncate(n);
    Ok(documents.into_iter().map(|newest| newest.raw).collect())
}

/// The topics that are asked for, each beside the first sink that has it. Where no topic is named and `CouchDB` has any, others
/// are left out.
fn places<'a>(
    config: &'a ConsumerConfig,
    topic: Option<&str>,
) -> Vec<(SinkOf<'a>, Vec<&'a Topic>)> {
    let is_wanted = |found: &Topic| topic.map_or(!found.canary, |name| found.name == name);
    let (mut places, mut taken) = (Vec::new(), BTreeSet::new());
    let sinks = config.all_sinks().into_iter();
    for sink in sinks.filter(|sink| sink.settings.keeps_records()) {
        let mut topics = sink.topics.clone();
        topics.retain(|found| is_wanted(found) && taken.insert(&found.name));
        if topics.is_empty() {
            continue;
        }
        let is_enough = topic.is_none() && sink.name.is_none();
        places.push((sink, topics));
        if is_enough {
            break;
        }
    }
    places
}
