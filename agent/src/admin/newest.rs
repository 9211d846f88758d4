//! The newest documents of topics, from the sinks that have them.

use std::time::Duration;

use serde_json::value::RawValue;

use super::AdminError;
use crate::config::{ConsumerConfig, Topic};
use crate::sink;
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
    let lists = places.iter().map(|place| async move {
        let asked = place.settings.asked()?;
        let newest = asked.newest(place.topic, n, REQUEST).await;
        newest.map_err(AdminError::sink(&place.title, "the newest documents"))
    });
    let lists = futures_util::future::try_join_all(lists).await?;
    let mut documents: Vec<Newest> = lists.into_iter().flatten().collect();
    sort(&mut documents);
    documents.truncate(n);
    Ok(documents.into_iter().map(|newest| newest.raw).collect())
}

/// A topic, and the sink that answers for it.
struct Place<'a> {
    title: String,
    settings: &'a dyn sink::Settings,
    topic: &'a Topic,
}

/// The topics that are asked for, each in the first sink that has it. Where no topic is named and `CouchDB` has any, others
/// are left out.
fn places<'a>(config: &'a ConsumerConfig, topic: Option<&str>) -> Vec<Place<'a>> {
    let is_wanted = |found: &Topic| topic.map_or(!found.canary, |name| found.name == name);
    let mut places: Vec<Place<'a>> = Vec::new();
    for sink in config.all_sinks() {
        for found in sink.topics.iter().filter(|found| is_wanted(found)) {
            if places.iter().all(|place| place.topic.name != found.name) {
                places.push(Place {
                    title: sink.title(),
                    settings: sink.settings,
                    topic: found,
                });
            }
        }
        if topic.is_none() && sink.name.is_none() && !places.is_empty() {
            break;
        }
    }
    places
}
