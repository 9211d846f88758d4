//! `import`: documents that were kept elsewhere, into the databases they came from. What is there is never overwritten.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;
use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::AdminError;
use super::couchdb_setup::{self, Credentials};
use crate::backoff::Backoff;
use crate::config::ConsumerConfig;
use crate::sink::couchdb::{Couchdb, Row, Server, Store, Trouble, path_of};
use crate::sink::document::Document;
use crate::sink::document::is_same;

/// How long a database may take nothing before it is given up.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long one request that writes no documents may take.
const REQUEST: Duration = Duration::from_secs(20);
/// The most documents of one request.
const BATCH: usize = 500;
/// So many documents that could not be written are named.
const NAMED: usize = 20;

/// The first line of the input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    couchdb: Credentials,
    /// Databases to be made where they are missing, and to be closed to strangers.
    databases: Vec<String>,
    /// Those of them that are partitioned.
    #[serde(default)]
    partitioned: Vec<String>,
}

/// Each other line: a document as `export` shows it.
#[derive(Deserialize)]
struct Kept {
    database: String,
    id: String,
    body: BTreeMap<String, Box<RawValue>>,
}

/// What became of the documents.
#[derive(Debug, Default, Serialize)]
pub struct Imported {
    /// New ones.
    written: usize,
    /// Those that were there already.
    present: usize,
    /// Those whose id is there with another body.
    different: usize,
    /// Those that the server refuses.
    refused: usize,
    /// The first of the last two kinds, with the reason.
    named: Vec<String>,
    /// Database → why it takes no documents, and how many of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    failed: BTreeMap<String, (String, usize)>,
}

/// Writes the documents of the input. A database that takes nothing for a time is given up, and the others get theirs.
///
/// # Errors
/// When the input is not understood, or the server itself does not answer.
pub async fn import(
    config: &ConsumerConfig,
    mut input: impl BufRead,
) -> Result<Imported, AdminError> {
    let server = Server::of(config.couchdb()?)?;
    let mut first = String::new();
    input.read_line(&mut first).map_err(AdminError::Input)?;
    let request: Request = serde_json::from_str(&first).map_err(AdminError::Request)?;
    let mut documents: BTreeMap<String, Vec<Document>> = BTreeMap::new();
    for line in input.lines() {
        let line = line.map_err(AdminError::Input)?;
        let kept: Kept = serde_json::from_str(&line).map_err(AdminError::Request)?;
        let of_database = documents.entry(kept.database.clone()).or_default();
        of_database.push(document(kept)?);
    }
    let named = request.databases.iter().chain(documents.keys());
    if let Some(name) = named.into_iter().find(|name| !may_be_ours(name)) {
        return Err(AdminError::Database(name.clone()));
    }
    if !request.databases.is_empty() {
        let administrator = request.couchdb.administrator(&server)?;
        for name in &request.partitioned {
            make_partitioned(&administrator, name).await?;
        }
        let deadline = Instant::now() + TIMEOUT;
        couchdb_setup::prepare(
            &server,
            &request.couchdb,
            &request.databases,
            None,
            deadline,
        )
        .await?;
    }
    let server = request.couchdb.administrator(&server)?;
    let mut imported = Imported::default();
    for (database, documents) in documents {
        let settled = imported.settled() + documents.len();
        let mut rest = documents.into_iter().peekable();
        while rest.peek().is_some() {
            let batch: Vec<Document> = rest.by_ref().take(BATCH).collect();
            let Err(trouble) = write(&server, &database, batch, &mut imported).await else {
                continue;
            };
            // One that does not answer at all will take nothing of the others either.
            let subject = format!("writing to {database}");
            let answered = server.get_json("", &[], REQUEST).await;
            answered.map_err(AdminError::couchdb(subject))?;
            let left = settled - imported.settled();
            let failed = (trouble.to_string(), left);
            imported.failed.insert(database, failed);
            break;
        }
    }
    Ok(imported)
}

/// Makes a database that is partitioned, unless one is there.
async fn make_partitioned(server: &Couchdb, name: &str) -> Result<(), AdminError> {
    let query = [("partitioned", "true")];
    let made = server
        .request(Method::PUT, &path_of(name), &query, None, REQUEST)
        .await;
    let trouble = match made {
        Ok(answer) if matches!(answer.status.as_u16(), 201 | 202 | 412) => return Ok(()),
        Ok(answer) => answer.trouble(),
        Err(trouble) => trouble,
    };
    Err(AdminError::couchdb(format!("making {name}"))(trouble))
}

/// Whether a database may have this name without being one of `CouchDB`'s own, or a path out of it.
fn may_be_ours(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_$()+-/".contains(c);
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain)
}

fn document(kept: Kept) -> Result<Document, AdminError> {
    let Kept { id, mut body, .. } = kept;
    let text = Value::from(id.as_str()).to_string();
    let text = RawValue::from_string(text).map_err(AdminError::Request)?;
    body.retain(|name, _| !name.starts_with('_'));
    body.insert("_id".to_owned(), text);
    let json = serde_json::to_string(&body).map_err(AdminError::Request)?;
    Ok(Document { id, json })
}

/// Writes documents of one database until each is written, was there, or is refused.
async fn write(
    server: &Couchdb,
    database: &str,
    documents: Vec<Document>,
    imported: &mut Imported,
) -> Result<(), Trouble> {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let mut deadline = Instant::now() + TIMEOUT;
    let mut work = vec![documents];
    while let Some(mut batch) = work.pop() {
        let before = batch.len();
        let trouble = match attempt(server, database, &mut batch, imported).await {
            Ok(()) if batch.is_empty() => continue,
            Ok(()) => Trouble::Away(format!("{} documents were not taken", batch.len())),
            // As a whole; a part may be taken.
            Err(Trouble::Rejected(_)) if batch.len() > 1 => {
                let right = batch.split_off(batch.len() / 2);
                work.extend([right, batch]);
                continue;
            }
            Err(Trouble::Rejected(reason)) => {
                imported.refuse(database, &batch[0].id, &reason);
                continue;
            }
            Err(trouble) => trouble,
        };
        if batch.len() < before {
            deadline = Instant::now() + TIMEOUT;
        }
        if !matches!(trouble, Trouble::Away(_)) || Instant::now() >= deadline {
            return Err(trouble);
        }
        tokio::time::sleep(backoff.next_wait()).await;
        work.push(batch);
    }
    Ok(())
}

/// Sends a batch once; what is settled is taken out of it.
async fn attempt(
    server: &Couchdb,
    database: &str,
    batch: &mut Vec<Document>,
    imported: &mut Imported,
) -> Result<(), Trouble> {
    let mut rows = server
        .put(database, &batch.iter().collect::<Vec<_>>())
        .await?;
    let mut conflicts = Vec::new();
    for document in std::mem::take(batch) {
        match rows.remove(&document.id) {
            Some(Row::Stored) => imported.written += 1,
            Some(Row::Refused(reason)) => imported.refuse(database, &document.id, &reason),
            Some(Row::Conflict) => conflicts.push(document),
            Some(Row::Failed(_)) | None => batch.push(document),
        }
    }
    if conflicts.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = conflicts
        .iter()
        .map(|document| document.id.as_str())
        .collect();
    let stored: Result<HashMap<String, Value>, Trouble> = server.get(database, &ids).await;
    let stored = match stored {
        Ok(stored) => stored,
        Err(trouble) => {
            batch.extend(conflicts);
            return Err(trouble);
        }
    };
    for document in conflicts {
        match stored.get(&document.id) {
            Some(stored) if is_same(stored, &document.json) => imported.present += 1,
            Some(_) => imported.differ(database, &document.id),
            // Deleted meanwhile: it is sent again.
            None => batch.push(document),
        }
    }
    Ok(())
}

impl Imported {
    /// Documents of which it is known what became of them.
    fn settled(&self) -> usize {
        self.written + self.present + self.different + self.refused
    }

    fn differ(&mut self, database: &str, id: &str) {
        self.different += 1;
        self.name(format!("{database}/{id}: is there with another body"));
    }

    fn refuse(&mut self, database: &str, id: &str, reason: &str) {
        self.refused += 1;
        self.name(format!("{database}/{id}: is refused: {reason}"));
    }

    fn name(&mut self, words: String) {
        if self.named.len() < NAMED {
            self.named.push(words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_databases_of_users_are_written_to() {
        for name in ["utilizations1", "a/b", "a+b-dead-letters", "t$()"] {
            assert!(may_be_ours(name), "{name}");
        }
        for name in ["", "_users", "../a", "a?b", "A", "a b", "a%2F_security"] {
            assert!(!may_be_ours(name), "{name}");
        }
    }

    #[test]
    fn a_body_keeps_its_digits_and_gets_its_id() {
        let line = r#"{"database":"t","id":"x\"1","body":{"b":1.50,"a":123456789012345678901234567890,"_rev":"1-x"}}"#;
        let made = document(serde_json::from_str(line).expect("a line")).expect("a document");
        assert_eq!(
            made.json,
            r#"{"_id":"x\"1","a":123456789012345678901234567890,"b":1.50}"#
        );
    }
}
