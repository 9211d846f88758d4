//! Dead letters: shown, and tried again after somebody has removed their cause.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AdminError;
use crate::config::{ConsumerConfig, Topic};
use crate::consumer::Metrics;
use crate::consumer::document::{LOST, Record};
use crate::consumer::headers::Header;
use crate::consumer::writer::Writer;
use crate::store::Trouble;
use crate::store::couchdb::{Couchdb, path_of};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(30);
/// How many letters are read at once: each may have megabytes.
const PAGE: usize = 20;

/// A dead letter, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    database: String,
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
}

/// A dead letter, as it is kept.
#[derive(Debug, Deserialize)]
struct Letter {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_rev")]
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
}

impl Letter {
    /// Whether it holds all of its record's value.
    fn is_whole(&self) -> bool {
        decode(self.value_base64.as_ref()).map(|value| value.len()) == self.value_bytes
    }
}

fn decode(text: Option<&String>) -> Option<Vec<u8>> {
    text.and_then(|text| STANDARD.decode(text).ok())
}

/// Shows every dead letter of one topic, or of all, to `show`; with `retry`, tries each again first.
///
/// # Errors
/// When the topic is not configured, or `CouchDB` does not answer or takes nothing within a time.
pub async fn walk(
    config: &ConsumerConfig,
    topic: Option<&str>,
    retry: bool,
    mut show: impl FnMut(Shown),
) -> Result<(), AdminError> {
    let wanted = |found: &&Topic| topic.is_none_or(|name| found.name == name);
    let topics: Vec<&Topic> = config.topics.iter().filter(wanted).collect();
    if topics.is_empty() {
        return Err(AdminError::NoTopic(topic.unwrap_or_default().to_owned()));
    }
    let server = Couchdb::open(config)?;
    let writer = Writer::new(server.clone(), Metrics::default());
    for topic in topics {
        let mut after = None;
        loop {
            let letters = page(&server, topic, after.as_deref()).await?;
            let Some(last) = letters.last() else { break };
            after = Some(last.id.clone());
            for letter in letters {
                let outcome = if retry {
                    Some(again(&server, &writer, topic, &letter).await?)
                } else {
                    None
                };
                show(Shown {
                    incomplete: !letter.is_whole(),
                    database: topic.dead_letters(),
                    id: letter.id,
                    reason: letter.reason,
                    topic: topic.name.clone(),
                    partition: letter.partition,
                    offset: letter.offset,
                    value_bytes: letter.value_bytes,
                    outcome,
                });
            }
        }
    }
    Ok(())
}

/// Reads the letters after one.
async fn page(
    server: &Couchdb,
    topic: &Topic,
    after: Option<&str>,
) -> Result<Vec<Letter>, AdminError> {
    let path = format!("{}/_all_docs", path_of(&topic.dead_letters()));
    let limit = PAGE.to_string();
    // The least id that is larger.
    let start = after.map(|id| Value::from(format!("{id}\u{0}")).to_string());
    let mut query = vec![("include_docs", "true"), ("limit", limit.as_str())];
    query.extend(start.as_deref().map(|start| ("startkey", start)));
    let found = server
        .get_json(&path, &query, REQUEST)
        .await
        .map_err(AdminError::couchdb("the dead letters"))?;
    let rows = found.get("rows").and_then(Value::as_array);
    let documents = rows.into_iter().flatten().map(|row| &row["doc"]);
    // A design document is none.
    Ok(documents
        .filter_map(|document| Letter::deserialize(document).ok())
        .collect())
}

/// Tries a letter's record again, and removes the letter where that makes a document.
async fn again(
    server: &Couchdb,
    writer: &Writer<Couchdb>,
    topic: &Topic,
    letter: &Letter,
) -> Result<Outcome, AdminError> {
    if letter.id.starts_with(LOST) {
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
        // Gone already: somebody else tried it again, too.
        Ok(answer) if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND => {
            Ok(Outcome::Document)
        }
        Ok(answer) => Err(AdminError::couchdb(&subject)(answer.trouble())),
        Err(trouble) => Err(AdminError::couchdb(&subject)(trouble)),
    }
}
