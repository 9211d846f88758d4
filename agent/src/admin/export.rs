//! `databases` and `export`: everything a server holds for its users, part by part, for whoever keeps it elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::AdminError;
use super::couchdb_setup::Credentials;
use super::readers::GUARD;
use crate::config::ConsumerConfig;
use crate::sink::couchdb::Trouble;
use crate::sink::couchdb::{Couchdb, Server, path_of};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(30);
/// A part ends with the page that makes it this long. Pages grow while they are short, so a part is a few of them.
const PART: usize = 4 << 20;
/// The longest answer that is read, unless a single document makes it so long.
const ANSWER: usize = 16 << 20;
/// Documents of the first page, and of the largest: each may have megabytes.
const PAGES: std::ops::RangeInclusive<usize> = 16..=4096;

/// A database that is not `CouchDB`'s own.
#[derive(Debug, Serialize)]
pub struct Found {
    name: String,
    documents: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partitioned: bool,
}

/// A part of a database.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    couchdb: Credentials,
    database: String,
    /// The id after which it begins; none: at the beginning.
    after: Option<String>,
}

/// A document as it is kept elsewhere: whatever is `CouchDB`'s own is left out.
#[derive(Debug, Serialize)]
pub struct Kept {
    database: String,
    id: String,
    body: BTreeMap<String, Box<RawValue>>,
    /// There were files attached to it, which are left out, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    attachments: bool,
}

#[derive(Deserialize)]
struct Page {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    /// Null where the document was deleted a moment ago.
    doc: Option<BTreeMap<String, Box<RawValue>>>,
}

/// Lists the databases with their sizes.
///
/// # Errors
/// When the server does not answer in time, or refuses.
pub async fn databases(
    config: &ConsumerConfig,
    credentials: &Credentials,
) -> Result<Vec<Found>, AdminError> {
    let server = credentials.administrator(&Server::of(config.couchdb()?)?)?;
    let get = async |path: &str| {
        let answer = server.get_json(path, &[], REQUEST).await;
        answer.map_err(AdminError::couchdb(format!("GET /{path}")))
    };
    let names: Vec<String> =
        serde_json::from_value(get("_all_dbs").await?).map_err(AdminError::Answer)?;
    let mut found = Vec::new();
    for name in names.into_iter().filter(|name| !name.starts_with('_')) {
        let info = get(&path_of(&name)).await?;
        let documents = info.get("doc_count").and_then(Value::as_u64);
        found.push(Found {
            name,
            documents: documents.unwrap_or_default(),
            partitioned: info.pointer("/props/partitioned") == Some(&Value::Bool(true)),
        });
    }
    Ok(found)
}

/// Shows the documents of a part to `show`, in the order of their ids; none: there are no more.
///
/// # Errors
/// When the server does not answer in time, or refuses.
pub async fn export(
    config: &ConsumerConfig,
    part: Part,
    mut show: impl FnMut(Kept),
) -> Result<(), AdminError> {
    let server = part
        .couchdb
        .administrator(&Server::of(config.couchdb()?)?)?;
    let subject = format!("the documents of {}", part.database);
    let (mut after, mut limit, mut shown) = (part.after, *PAGES.start(), 0);
    while shown < PART {
        let answer = page(&server, &part.database, after.as_deref(), limit).await;
        let Some(bytes) = answer.map_err(AdminError::couchdb(&subject))? else {
            limit = (limit / 4).max(1);
            continue;
        };
        let page: Page = serde_json::from_slice(&bytes).map_err(AdminError::Answer)?;
        let Some(last) = page.rows.last() else { break };
        after = Some(last.id.clone());
        if page.rows.iter().any(|row| row.doc.is_some()) {
            shown += bytes.len();
        }
        if bytes.len() < PART / 4 {
            limit = (limit * 2).min(*PAGES.end());
        }
        let of_theirs = page.rows.into_iter().filter(|row| row.id != GUARD);
        for row in of_theirs {
            if let Some(document) = row.doc {
                show(kept(&part.database, row.id, document));
            }
        }
    }
    Ok(())
}

/// Asks for the documents after an id; `None`: they are too long to be read at once.
async fn page(
    server: &Couchdb,
    database: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Option<Vec<u8>>, Trouble> {
    let path = format!("{}/_all_docs", path_of(database));
    // The least id that is larger.
    let start = after.map(|id| Value::from(format!("{id}\u{0}")).to_string());
    let count = limit.to_string();
    let mut query = vec![("include_docs", "true"), ("limit", count.as_str())];
    query.extend(start.as_deref().map(|start| ("startkey", start)));
    let most = if limit == 1 { usize::MAX } else { ANSWER };
    server.get_at_most(most, &path, &query, REQUEST).await
}

fn kept(database: &str, id: String, mut body: BTreeMap<String, Box<RawValue>>) -> Kept {
    let attachments = body.contains_key("_attachments");
    body.retain(|name, _| !name.starts_with('_'));
    Kept {
        database: database.to_owned(),
        id,
        body,
        attachments,
    }
}
