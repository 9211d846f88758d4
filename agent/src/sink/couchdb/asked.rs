//! What `CouchDB` holds, asked.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::{BoxFuture, join3, try_join};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use super::answer::Answer;
use super::client::{Couchdb, path_of};
use super::store::Trouble;
use crate::config::topic::Topic;
use crate::deadline::left;
use crate::sink::Later;
use crate::sink::asked::{Asked, Holding, Newest, PAGE, lost_events, sort, timestamp};

/// How many of the latest changes are looked at for each wanted document. Changes come from several shards, in the order
/// of each but not of all, so the newest is among the last ones rather than the last one.
const LOOK_BACK: usize = 20;
/// How long a request for letters may take.
const REQUEST: Duration = Duration::from_secs(30);

impl Asked for Couchdb {
    fn holding<'a>(
        &'a self,
        topic: &'a Topic,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Holding>, Later>> {
        Box::pin(async move { Ok(holding(self, topic, deadline).await?) })
    }

    fn newest<'a>(
        &'a self,
        topic: &'a Topic,
        n: usize,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<Newest>, Later>> {
        Box::pin(async move { Ok(newest_of(self, &topic.database, n, timeout).await?) })
    }

    fn letters<'a>(
        &'a self,
        topic: &'a Topic,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<Value>, Later>> {
        Box::pin(async move { Ok(letters(self, topic, after).await?) })
    }
}

/// What a database says of itself; `None`: it does not exist.
fn present(answer: Answer) -> Result<Option<Value>, Trouble> {
    match answer.status {
        StatusCode::OK => Ok(Some(answer.body)),
        StatusCode::NOT_FOUND => Ok(None),
        _ => Err(answer.trouble()),
    }
}

async fn holding(
    server: &Couchdb,
    topic: &Topic,
    deadline: Instant,
) -> Result<Option<Holding>, Trouble> {
    let (path, dead_letters) = (path_of(&topic.database), path_of(&topic.dead_letters()));
    let design_path = format!("{path}/_all_docs");
    let design_range = [("startkey", r#""_design/""#), ("endkey", r#""_design0""#)];
    // This tells how many documents there are in all, too.
    let designs = server.request(
        Method::GET,
        &design_path,
        &design_range,
        None,
        left(deadline),
    );
    let (designs, dead, newest) = join3(
        designs,
        server.request(Method::GET, &dead_letters, &[], None, left(deadline)),
        newest_of(server, &topic.database, 1, left(deadline)),
    )
    .await;
    let Some(designs) = present(designs?)? else {
        return Ok(None);
    };
    // They may be missing alone.
    let dead = present(dead?)?;
    let count = |answer: &Value, field: &str| answer.get(field).and_then(Value::as_u64);
    let all_letters = dead.as_ref().and_then(|info| count(info, "doc_count"));
    // Where there are letters at all it is asked which they are.
    let (put_away, lost) = if all_letters > Some(0) {
        let put_away = count_put_away(server, topic, left(deadline));
        let lost = count_lost(server, topic, left(deadline));
        let (put_away, lost) = try_join(put_away, lost).await?;
        (Some(put_away), lost)
    } else {
        (all_letters, 0)
    };
    let all = count(&designs, "total_rows");
    let designs = designs.get("rows").and_then(Value::as_array);
    let designs = designs.map_or(0, Vec::len) as u64;
    Ok(Some(Holding {
        records: all.map(|documents| documents.saturating_sub(designs)),
        newest: newest?
            .first()
            .and_then(|newest| timestamp(&newest.document)),
        dead_letters: all_letters
            .zip(put_away)
            .map(|(dead, put_away)| dead.saturating_sub(put_away)),
        lost_events: Some(lost),
        put_away,
        ..Holding::default()
    }))
}

/// Says how many letters of a topic were put away.
async fn count_put_away(
    server: &Couchdb,
    topic: &Topic,
    timeout: Duration,
) -> Result<u64, Trouble> {
    let path = format!("{}/_all_docs", path_of(&topic.dead_letters()));
    // The character after the colon ends the range.
    let range = [("startkey", r#""put-away:""#), ("endkey", r#""put-away;""#)];
    let found = server.get_json(&path, &range, timeout).await?;
    let rows = found.get("rows").and_then(Value::as_array);
    Ok(rows.map_or(0, Vec::len) as u64)
}

/// Says how many events of a topic were deleted before they were read, by the letters about them.
async fn count_lost(server: &Couchdb, topic: &Topic, timeout: Duration) -> Result<u64, Trouble> {
    let path = format!("{}/_all_docs", path_of(&topic.dead_letters()));
    let range = [
        ("startkey", r#""lost-""#),
        ("endkey", r#""lost.""#),
        ("include_docs", "true"),
    ];
    let found = server.get_json(&path, &range, timeout).await?;
    let rows = found.get("rows").and_then(Value::as_array);
    let rows = rows.into_iter().flatten();
    Ok(rows.map(|row| lost_events(&row["doc"])).sum())
}

/// Reads the letters after one.
async fn letters(
    server: &Couchdb,
    topic: &Topic,
    after: Option<&str>,
) -> Result<Vec<Value>, Trouble> {
    let path = format!("{}/_all_docs", path_of(&topic.dead_letters()));
    let limit = PAGE.to_string();
    // The least id that is larger.
    let start = after.map(|id| Value::from(format!("{id}\u{0}")).to_string());
    let mut query = vec![("include_docs", "true"), ("limit", limit.as_str())];
    query.extend(start.as_deref().map(|start| ("startkey", start)));
    let found = server.get_json(&path, &query, REQUEST).await?;
    let rows = found.get("rows").and_then(Value::as_array);
    let documents = rows.into_iter().flatten().map(|row| row["doc"].clone());
    Ok(documents.collect())
}

/// Returns the newest `n` documents of a database, newest first.
async fn newest_of(
    server: &Couchdb,
    database: &str,
    n: usize,
    timeout: Duration,
) -> Result<Vec<Newest>, Trouble> {
    let limit = (n * 4).max(LOOK_BACK).to_string();
    let path = format!("{}/_changes", path_of(database));
    let changes = server
        .get_json(&path, &[("descending", "true"), ("limit", &limit)], timeout)
        .await?;
    let rows = changes
        .get("results")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let ids = rows
        .iter()
        .filter(|row| row.get("deleted").is_none())
        .filter_map(|row| row.get("id")?.as_str());
    let ids = last_of_each_series(ids.filter(|id| !id.starts_with('_')), n);
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = tokio::time::timeout(timeout, server.get_raw(database, &ids)).await;
    let found = found.map_err(|_| Trouble::Away("no answer in time".to_owned()))??;
    let mut documents: Vec<Newest> = found.into_values().filter_map(Newest::read).collect();
    sort(&mut documents);
    documents.truncate(n);
    Ok(documents)
}

/// Keeps, of ids that differ only in their number, the `n` highest: only these can be the newest, and only these need
/// be read. Numbers have a fixed width, so the text's order is theirs.
fn last_of_each_series<'a>(ids: impl Iterator<Item = &'a str>, n: usize) -> Vec<&'a str> {
    let mut series: HashMap<&str, Vec<&str>> = HashMap::new();
    for id in ids {
        series
            .entry(id.rsplit_once('-').map_or("", |(series, _)| series))
            .or_default()
            .push(id);
    }
    for ids in series.values_mut() {
        ids.sort_unstable_by(|left, right| right.cmp(left));
        ids.truncate(n);
    }
    series.into_values().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_highest_of_each_series_are_read() {
        let ids = [
            "a-r-000000000009",
            "a-r-000000000010",
            "b-r-000000000001",
            "e1-0000-00000000000f",
            "odd",
        ];
        let mut kept = last_of_each_series(ids.into_iter(), 1);
        kept.sort_unstable();
        assert_eq!(
            kept,
            [
                "a-r-000000000010",
                "b-r-000000000001",
                "e1-0000-00000000000f",
                "odd"
            ]
        );
        assert_eq!(last_of_each_series(ids.into_iter().take(2), 5).len(), 2);
    }
}
