//! Dead letters: shown, tried again after somebody has removed their cause, and put away when somebody has seen to them.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AdminError;
use crate::config::{ConsumerConfig, SinkOf, Topic};
use crate::consumer::Metrics;
use crate::consumer::writer::Writer;
use crate::sink::Record;
use crate::sink::asked::Asked;
use crate::sink::couchdb::Trouble;
use crate::sink::couchdb::{Couchdb, Documents, path_of};
use crate::sink::document::LOST;
use crate::sink::headers::Header;

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(30);

/// The ids of letters that were put away begin so. No topic's name has a colon, so no other letter's does.
const AWAY: &str = "put-away:";

/// What to do with letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Only show them.
    Show,
    /// Try each again.
    Retry,
    /// Put each away: it stays where it is, and counts no more.
    PutAway,
}

/// A dead letter, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The sink it is kept beside, where that has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    sink: Option<String>,
    /// Its database, where it is a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    id: String,
    reason: String,
    topic: String,
    partition: i32,
    offset: i64,
    value_bytes: Option<usize>,
    /// The letter does not hold all of the value, so it can never be tried again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    incomplete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    put_away: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
}

/// What became of a letter that was tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is a document now, and no letter any more.
    Document,
    /// It still cannot be one.
    Dead,
    /// The letter does not hold all of the value.
    Incomplete,
    /// It counts no more.
    PutAway,
}

/// A dead letter, as it is kept.
#[derive(Debug, Deserialize)]
struct Letter {
    #[serde(rename = "_id")]
    id: String,
    /// None where it is no document of a database.
    #[serde(rename = "_rev", default)]
    revision: String,
    reason: String,
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key_base64: Option<String>,
    value_base64: Option<String>,
    value_bytes: Option<usize>,
    #[serde(default)]
    headers: Vec<Header>,
    /// When it was put away.
    put_away: Option<String>,
    #[serde(skip)]
    whole: Value,
}

impl Letter {
    /// Reads a letter; a design document is none.
    fn read(whole: Value) -> Option<Self> {
        let letter = Self::deserialize(&whole).ok()?;
        Some(Self { whole, ..letter })
    }

    /// Whether it holds all of its record's value.
    fn is_whole(&self) -> bool {
        decode(self.value_base64.as_ref()).map(|value| value.len()) == self.value_bytes
    }
}

fn decode(text: Option<&String>) -> Option<Vec<u8>> {
    text.and_then(|text| STANDARD.decode(text).ok())
}

/// Shows every dead letter of one topic, or of all, to `show`, after doing the deed to it.
///
/// # Errors
/// When the topic is not configured, or `CouchDB` does not answer or takes nothing within a time.
pub async fn walk(
    config: &ConsumerConfig,
    topic: Option<&str>,
    deed: Deed,
    mut show: impl FnMut(Shown),
) -> Result<(), AdminError> {
    let sinks = config.all_sinks();
    let is_wanted = |found: &Topic| topic.is_none_or(|name| found.name == name);
    let mut places: Vec<&SinkOf<'_>> = sinks
        .iter()
        .filter(|sink| sink.topics.iter().any(|found| is_wanted(found)))
        .collect();
    if places.is_empty() {
        return Err(AdminError::NoTopic(topic.unwrap_or("of events").to_owned()));
    }
    if deed != Deed::Show {
        // Others only show theirs.
        places.retain(|sink| sink.name.is_none());
        if places.is_empty() {
            return Err(AdminError::OnlyShown(
                topic.unwrap_or("all topics").to_owned(),
            ));
        }
    }
    let hands = match deed {
        Deed::Show => None,
        Deed::Retry | Deed::PutAway => Some(Hands::new(config)?),
    };
    // A client for each sink, whatever the number of its topics.
    let mut walked = Vec::new();
    for sink in places {
        let asked: Arc<dyn Asked> = match &hands {
            Some(hands) => Arc::new(hands.server.clone()),
            None => sink.settings.asked()?.into(),
        };
        let topics = sink.topics.iter().filter(|found| is_wanted(found));
        walked.extend(topics.map(|topic| (sink, Arc::clone(&asked), *topic)));
    }
    for (sink, asked, topic) in walked {
        let mut after = None;
        loop {
            let letters = asked.letters(topic, after.as_deref()).await;
            let letters = letters.map_err(AdminError::sink(sink.title(), "the dead letters"))?;
            let last = letters.last().and_then(|last| last["_id"].as_str());
            let Some(last) = last else { break };
            after = Some(last.to_owned());
            for letter in letters.into_iter().filter_map(Letter::read) {
                let outcome = match (&hands, deed) {
                    (None, _) | (_, Deed::Show) => None,
                    (Some(hands), Deed::Retry) => Some(hands.again(topic, &letter).await?),
                    (_, Deed::PutAway) if letter.put_away.is_some() => continue,
                    (Some(hands), Deed::PutAway) => {
                        Some(put_away(&hands.server, topic, &letter).await?)
                    }
                };
                show(Shown {
                    sink: sink.name.map(str::to_owned),
                    incomplete: !letter.is_whole(),
                    database: sink.name.is_none().then(|| topic.dead_letters()),
                    id: letter.id,
                    reason: letter.reason,
                    topic: topic.name.clone(),
                    partition: letter.partition,
                    offset: letter.offset,
                    value_bytes: letter.value_bytes,
                    put_away: letter.put_away,
                    outcome,
                });
            }
        }
    }
    Ok(())
}

/// What does a deed to letters of `CouchDB`.
struct Hands {
    server: Couchdb,
    writer: Writer,
}

impl Hands {
    fn new(config: &ConsumerConfig) -> Result<Self, AdminError> {
        let server = Couchdb::open(config.couchdb()?)?;
        let sink = Arc::new(Documents::new(server.clone()));
        Ok(Self {
            server,
            writer: Writer::new(sink, Metrics::default()),
        })
    }

    /// Tries a letter's record again, and removes the letter where that makes a document.
    async fn again(&self, topic: &Topic, letter: &Letter) -> Result<Outcome, AdminError> {
        again(&self.server, &self.writer, topic, letter).await
    }
}

/// Puts a letter away: the same under an id that says so, with the time. A run that is killed in between leaves both, and the next
/// one puts the first away again.
async fn put_away(server: &Couchdb, topic: &Topic, letter: &Letter) -> Result<Outcome, AdminError> {
    let subject = format!("the dead letter {}", letter.id);
    let database = path_of(&topic.dead_letters());
    let mut document = letter.whole.clone();
    if let Some(fields) = document.as_object_mut() {
        fields.remove("_rev");
        fields.insert("_id".into(), format!("{AWAY}{}", letter.id).into());
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        fields.insert("put_away".into(), now.to_string().into());
    }
    let body = serde_json::json!({ "docs": [document] }).to_string();
    let path = format!("{database}/_bulk_docs");
    let written = server
        .request(Method::POST, &path, &[], Some(body), REQUEST)
        .await
        .map_err(AdminError::couchdb(&subject))?;
    if !written.status.is_success() {
        return Err(AdminError::couchdb(&subject)(written.trouble()));
    }
    let error = written.body.pointer("/0/error").and_then(Value::as_str);
    if let Some(error) = error.filter(|error| *error != "conflict") {
        return Err(AdminError::couchdb(&subject)(Trouble::Denied(error.into())));
    }
    remove(server, topic, letter).await?;
    Ok(Outcome::PutAway)
}

/// Tries a letter's record again, and removes the letter where that makes a document.
async fn again(
    server: &Couchdb,
    writer: &Writer,
    topic: &Topic,
    letter: &Letter,
) -> Result<Outcome, AdminError> {
    let id = letter.id.strip_prefix(AWAY).unwrap_or(&letter.id);
    // Nobody knows any more whether one of a topic before this one is the newest of its key.
    let is_former = topic.replace && !id.starts_with(&format!("{}-", topic.epoch));
    if letter.id.starts_with(LOST) || is_former {
        return Ok(Outcome::Dead);
    }
    let record = Record {
        partition: letter.partition,
        offset: letter.offset,
        timestamp: letter.timestamp,
        key: decode(letter.key_base64.as_ref()),
        value: decode(letter.value_base64.as_ref()),
        headers: letter.headers.clone(),
    };
    if !letter.is_whole() {
        return Ok(Outcome::Incomplete);
    }
    let subject = format!("the dead letter {}", letter.id);
    let away = |_| AdminError::couchdb(&subject)(Trouble::Away("takes nothing in time".to_owned()));
    let written = tokio::time::timeout(REQUEST, writer.write(topic, std::slice::from_ref(&record)))
        .await
        .map_err(away)?;
    if written.dead > 0 {
        return Ok(Outcome::Dead);
    }
    remove(server, topic, letter).await?;
    Ok(Outcome::Document)
}

/// Removes a letter. One that is gone already was removed by somebody else who saw to it, too.
async fn remove(server: &Couchdb, topic: &Topic, letter: &Letter) -> Result<(), AdminError> {
    let subject = format!("the dead letter {}", letter.id);
    let path = format!("{}/{}", path_of(&topic.dead_letters()), letter.id);
    let removed = server
        .request(
            Method::DELETE,
            &path,
            &[("rev", &letter.revision)],
            None,
            REQUEST,
        )
        .await;
    match removed {
        Ok(answer) if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND => {
            Ok(())
        }
        Ok(answer) => Err(AdminError::couchdb(&subject)(answer.trouble())),
        Err(trouble) => Err(AdminError::couchdb(&subject)(trouble)),
    }
}
