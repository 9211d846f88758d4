//! `await-canaries`: waits until all canaries of a run are there, each exactly once: as documents, and in the sinks that take them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures_util::future::{join, try_join_all};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::AdminError;
use crate::config::{ConsumerConfig, SinkOf, Topic};
use crate::sink::couchdb::Trouble;
use crate::sink::couchdb::{Couchdb, path_of};
use crate::sink::document::document_id;

/// The longest time a question for news stays open.
const LONG_POLL: Duration = Duration::from_secs(1);
/// How long a question that is answered at once may take.
const REQUEST: Duration = Duration::from_secs(5);
/// The wait after a question that failed.
const RETRY: Duration = Duration::from_millis(50);
/// The wait between two looks into a sink with a name.
const LOOK: Duration = Duration::from_millis(200);

/// What `await-canaries` prints: what became of them in `CouchDB`, and in each sink with a name that takes them.
#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(flatten)]
    documents: Arrivals,
    sinks: BTreeMap<String, Arrivals>,
}

/// What became of canaries in a place.
#[derive(Debug, Serialize)]
struct Arrivals {
    expected: usize,
    found: usize,
    /// The ids of the documents that are not there.
    missing: Vec<String>,
    duplicates: usize,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

impl Report {
    /// Returns whether every canary is there.
    pub fn is_complete(&self) -> bool {
        let mut all = self.sinks.values().chain([&self.documents]);
        all.all(|found| found.missing.is_empty())
    }
}

/// Waits for canaries 1 to `count` of each client, and takes them out of the sinks with names, where they have a place of their own.
///
/// # Errors
/// When no canary topic or nothing that takes canaries is configured; never because a sink is away, which only makes canaries missing.
pub async fn wait(
    config: &ConsumerConfig,
    run: &str,
    clients: &[String],
    count: u64,
    timeout: Duration,
) -> Result<Report, AdminError> {
    let deadline = Instant::now() + timeout;
    let topic = config
        .canary_topic()
        .ok_or_else(|| AdminError::NoTopic("of canaries".to_owned()))?;
    let all_sinks = config.all_sinks();
    let taking = all_sinks.iter().filter_map(|sink| {
        let name = sink.name.filter(|_| sink.settings.takes_canaries())?;
        Some(in_sink(
            name,
            sink,
            Sightings::new(run, clients, count),
            deadline,
        ))
    });
    let taking: Vec<_> = taking.collect();
    let is_taken = !taking.is_empty();
    let documents = async {
        if config.couchdb.is_none() && is_taken {
            return Ok(Sightings::new(run, &[], 0));
        }
        let server = Couchdb::open(config.couchdb()?)?;
        let sightings = Sightings::new(run, clients, count);
        Ok::<_, AdminError>(as_documents(&server, topic, clients, sightings, deadline).await)
    };
    let (documents, sinks) = join(documents, try_join_all(taking)).await;
    Ok(Report {
        documents: documents?.report(),
        sinks: sinks?.into_iter().collect(),
    })
}

/// Waits for their documents.
async fn as_documents(
    server: &Couchdb,
    topic: &Topic,
    clients: &[String],
    mut sightings: Sightings,
    deadline: Instant,
) -> Sightings {
    let run = sightings.run.clone();
    let mut since: Option<String> = None;
    while !sightings.is_complete() && Instant::now() < deadline {
        let step = match &since {
            None => look_around(server, topic, &run, clients, &mut sightings)
                .await
                .map(Some),
            Some(since) => follow(server, topic, since, deadline, &mut sightings).await,
        };
        match step {
            Ok(next) => since = next,
            Err(trouble) => {
                tracing::info!("no news of the canaries: {trouble}");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
    // Missing is only what was looked for: a feed that was silent, or slow, says nothing.
    if !sightings.is_complete()
        && let Err(trouble) = look_around(server, topic, &run, clients, &mut sightings).await
    {
        tracing::warn!("the last look for the canaries failed: {trouble}");
    }
    sightings
}

/// Waits for them in a sink with a name, and takes them out of it.
async fn in_sink(
    name: &str,
    sink: &SinkOf<'_>,
    mut sightings: Sightings,
    deadline: Instant,
) -> Result<(String, Arrivals), AdminError> {
    let asked = sink.settings.asked()?;
    let run = sightings.run.clone();
    loop {
        match asked.canaries(&run).await {
            Ok(found) => found
                .iter()
                .for_each(|document| sightings.note(document, None)),
            Err(later) => tracing::warn!("{}: no news of the canaries: {later}", sink.title()),
        }
        if sightings.is_complete() || Instant::now() > deadline {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    if let Err(later) = asked.remove_canaries(&run).await {
        tracing::warn!(
            "{}: the canaries stay until the next ones come: {later}",
            sink.title()
        );
    }
    Ok((name.to_owned(), sightings.report()))
}

/// Notes what is there already, and returns where the news begins.
async fn look_around(
    server: &Couchdb,
    topic: &Topic,
    run: &str,
    clients: &[String],
    sightings: &mut Sightings,
) -> Result<String, Trouble> {
    let path = path_of(&topic.database);
    // Asked first: what comes in between is seen twice, under the same id, which counts once.
    let now = server
        .get_json(
            &format!("{path}/_changes"),
            &[("since", "now"), ("limit", "1")],
            REQUEST,
        )
        .await?;
    let since = sequence(&now)?;
    let own = clients.iter().map(|client| format!("{client}-{run}-"));
    // What the consumer did not take for one of our events is under the epoch.
    for prefix in own.chain([format!("{}-", topic.epoch)]) {
        let (first, last) = (
            Value::from(prefix.as_str()).to_string(),
            Value::from(format!("{prefix}\u{fff0}")).to_string(),
        );
        let range = [
            ("include_docs", "true"),
            ("startkey", first.as_str()),
            ("endkey", last.as_str()),
        ];
        let found = server
            .get_json(&format!("{path}/_all_docs"), &range, REQUEST)
            .await?;
        rows(&found, "rows").for_each(|document| sightings.note(document, None));
    }
    Ok(since)
}

/// Waits for news, notes it, and returns where the next begins; `None`: no answer came, and what is there must be looked at again.
async fn follow(
    server: &Couchdb,
    topic: &Topic,
    since: &str,
    deadline: Instant,
    sightings: &mut Sightings,
) -> Result<Option<String>, Trouble> {
    let wait = LONG_POLL
        .min(deadline.saturating_duration_since(Instant::now()))
        .max(Duration::from_millis(1));
    let millis = wait.as_millis().to_string();
    let query = [
        ("feed", "longpoll"),
        ("include_docs", "true"),
        ("since", since),
        ("timeout", millis.as_str()),
    ];
    let path = format!("{}/_changes", path_of(&topic.database));
    // The stand-in ignores the timeout, and may overlook what comes while it begins to listen; each question that we give up goes on
    // there and makes the next one slower.
    let answer = server.get_json(&path, &query, wait + Duration::from_millis(500));
    let Ok(news) = tokio::time::timeout(wait + Duration::from_millis(200), answer).await else {
        return Ok(None);
    };
    let (news, now) = (news?, Timestamp::now());
    rows(&news, "results").for_each(|document| sightings.note(document, Some(now)));
    sequence(&news).map(Some)
}

fn rows<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    let rows = answer
        .get(name)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    rows.iter()
        .filter_map(|row| row.get("doc"))
        .filter(|document| document.is_object())
}

/// Reads where a feed ends: a text, or a number on the stand-in.
fn sequence(answer: &Value) -> Result<String, Trouble> {
    match answer.get("last_seq") {
        Some(Value::String(sequence)) => Ok(sequence.clone()),
        Some(Value::Number(sequence)) => Ok(sequence.to_string()),
        _ => Err(Trouble::Away(
            "the feed does not say where it ends".to_owned(),
        )),
    }
}

/// The canaries that are awaited and those that were seen.
struct Sightings {
    run: String,
    /// The awaited canaries, by the id their document should have; the ids of all their documents.
    awaited: HashMap<String, HashSet<String>>,
    latencies: Vec<f64>,
}

impl Sightings {
    fn new(run: &str, clients: &[String], count: u64) -> Self {
        let ids = clients
            .iter()
            .flat_map(|client| (1..=count).map(move |sequence| document_id(client, run, sequence)));
        Self {
            run: run.to_owned(),
            awaited: ids.map(|id| (id, HashSet::new())).collect(),
            latencies: Vec::new(),
        }
    }

    fn is_complete(&self) -> bool {
        self.awaited.values().all(|ids| !ids.is_empty())
    }

    /// Notes a document; `seen` is when it was, unless it was there before.
    fn note(&mut self, document: &Value, seen: Option<Timestamp>) {
        // An event that the consumer took for somebody else's is inside of its document.
        let event = document
            .get("event")
            .filter(|event| event.is_object())
            .unwrap_or(document);
        let text = |name| event.get(name).and_then(Value::as_str);
        let (Some(id), Some(client), Some(sequence)) = (
            document.get("_id").and_then(Value::as_str),
            text("client"),
            event.get("sequence").and_then(Value::as_u64),
        ) else {
            return;
        };
        if text("run") != Some(self.run.as_str()) {
            return;
        }
        let Some(ids) = self
            .awaited
            .get_mut(&document_id(client, &self.run, sequence))
        else {
            return;
        };
        let first = ids.is_empty();
        let new = ids.insert(id.to_owned());
        if let (true, true, Some(seen), Some(sent)) = (
            first,
            new,
            seen,
            text("timestamp").and_then(|sent| sent.parse().ok()),
        ) {
            self.latencies.push(milliseconds(sent, seen));
        }
    }

    fn report(mut self) -> Arrivals {
        self.latencies.sort_by(f64::total_cmp);
        let mut missing: Vec<String> = self
            .awaited
            .iter()
            .filter(|(_, ids)| ids.is_empty())
            .map(|(id, _)| id.clone())
            .collect();
        missing.sort_unstable();
        Arrivals {
            expected: self.awaited.len(),
            found: self.awaited.len() - missing.len(),
            missing,
            duplicates: self
                .awaited
                .values()
                .map(|ids| ids.len().saturating_sub(1))
                .sum(),
            p50_ms: percentile(&self.latencies, 50),
            p99_ms: percentile(&self.latencies, 99),
        }
    }
}

fn milliseconds(from: Timestamp, to: Timestamp) -> f64 {
    let millis = to.duration_since(from).as_secs_f64() * 1000.0;
    (millis * 10.0).round() / 10.0
}

/// Returns the value below or at which this share of sorted values lies (nearest rank).
fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7.0], 99), Some(7.0));
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(
            (percentile(&hundred, 50), percentile(&hundred, 99)),
            (Some(50.0), Some(99.0))
        );
    }

    #[test]
    fn a_canary_counts_once_and_under_another_id_as_a_duplicate() {
        let mut sightings = Sightings::new("r", &["a".into(), "b".into()], 2);
        let canary = |id: &str, client: &str, sequence: u64| json!({"_id": id, "client": client, "run": "r", "sequence": sequence, "timestamp": "2026-11-21T08:34:00.000Z"});
        let seen: Timestamp = "2026-11-21T08:34:00.025Z".parse().expect("a timestamp");
        sightings.note(&canary("a-r-000000000001", "a", 1), Some(seen));
        sightings.note(&canary("a-r-000000000001", "a", 1), Some(seen));
        sightings.note(&canary("a-r-000000000002", "a", 2), None);
        sightings.note(&canary("a-r-000000000003", "a", 3), Some(seen));
        sightings.note(
            &json!({"_id": "e-1", "event": canary("x", "a", 2), "kafka": {}}),
            Some(seen),
        );
        sightings.note(
            &json!({"_id": "c", "client": "b", "run": "old", "sequence": 1}),
            Some(seen),
        );
        assert!(!sightings.is_complete());
        let report = sightings.report();
        assert_eq!(
            (report.expected, report.found, report.duplicates),
            (4, 2, 1)
        );
        assert_eq!(report.missing, ["b-r-000000000001", "b-r-000000000002"]);
        assert_eq!((report.p50_ms, report.p99_ms), (Some(25.0), Some(25.0)));
    }
}
