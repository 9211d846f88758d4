//! What tables hold, asked.

use std::time::Duration;

use futures_util::future::{BoxFuture, try_join3};
use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;
use sqlx::mysql::MySqlRow;
use sqlx::{Decode, MySql, Row as _, Type};
use tokio::time::Instant;

use super::Tables;
use super::client::{Client, Trouble};
use super::column::{Cell, Form};
use super::table::Table;
use crate::config::topic::Topic;
use crate::deadline::left;
use crate::sink::Later;
use crate::sink::asked::{self, Asked, Holding, Newest, PAGE, lost_events, timestamp};
use crate::sink::document::LOST;

/// From which age on, in milliseconds, nobody waits for a canary any more.
const LEFT_MILLIS: i64 = 3_600_000;

/// A table, as it is.
pub(super) struct Kept {
    pub(super) client: Client,
    pub(super) table: Table,
}

impl Kept {
    /// Asks for one value of each row.
    async fn values<T>(&self, text: String, cells: &[&Cell]) -> Result<Vec<T>, Trouble>
    where
        T: for<'r> Decode<'r, MySql> + Type<MySql>,
    {
        let rows = self.client.rows(text, cells).await?;
        let value = |row: &MySqlRow| row.try_get(0);
        let values: Result<_, _> = rows.iter().map(value).collect();
        values.map_err(|error| self.client.trouble(error))
    }

    /// Counts the rows, and tells the tables of the database.
    async fn counted(&self) -> Result<(i64, asked::Tables), Trouble> {
        let rows = self.client.rows(self.table.count(), &[]).await?;
        let counted = rows.iter().map(|row| {
            let columns: String = row.try_get(1)?;
            let columns: Vec<[String; 3]> = serde_json::from_str(&columns)
                .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            let mut tables = asked::Tables::new();
            for [table, column, kind] in columns {
                let table = tables.entry(table).or_default();
                table.insert(column, Form::word(&kind).to_owned());
            }
            Ok((row.try_get(0)?, tables))
        });
        let counted = counted.last().unwrap_or(Err(sqlx::Error::RowNotFound));
        counted.map_err(|error| self.client.trouble(error))
    }

    async fn holding(&self) -> Result<Option<Holding>, Trouble> {
        let counted = self.counted();
        let letters = self.values::<i64>(self.table.count_letters(), &[]);
        let from = Cell::Text(LOST.to_owned());
        let until = Cell::Text(format!("{LOST}\u{10ffff}"));
        let lost = [&from, &until];
        let lost = self.values::<String>(self.table.lost(), &lost);
        let asked = try_join3(counted, letters, lost);
        let ((records, tables), letters, lost) = match asked.await {
            Err(Trouble::NoTable(_)) => return Ok(None),
            asked => asked?,
        };
        let newest = self.newest_rows(1).await?.pop();
        let lost = lost.iter().map(|letter| lost_events(&read(letter)));
        let number = |values: Vec<i64>| values.first().and_then(|&value| value.try_into().ok());
        Ok(Some(Holding {
            records: records.try_into().ok(),
            newest: newest.and_then(|newest| timestamp(&newest.document)),
            dead_letters: number(letters),
            lost_events: Some(lost.sum()),
            put_away: None,
            tables,
        }))
    }

    async fn newest_rows(&self, n: usize) -> Result<Vec<Newest>, Trouble> {
        let n = Cell::Integer(n.try_into().unwrap_or(i64::MAX));
        let rows: Vec<String> = self.values(self.table.newest(), &[&n]).await?;
        let raw = rows
            .into_iter()
            .filter_map(|row| RawValue::from_string(row).ok());
        Ok(raw.filter_map(Newest::read).collect())
    }
}

impl Asked for Tables<Kept> {
    fn holding<'a>(
        &'a self,
        topic: &'a Topic,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Holding>, Later>> {
        let asked = tokio::time::timeout(left(deadline), self.of(topic).holding());
        Box::pin(async move { Ok(asked.await.map_err(|_| silent())??) })
    }

    fn newest<'a>(
        &'a self,
        topic: &'a Topic,
        n: usize,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<Newest>, Later>> {
        let asked = tokio::time::timeout(timeout, self.of(topic).newest_rows(n));
        Box::pin(async move { Ok(asked.await.map_err(|_| silent())??) })
    }

    fn canaries<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Result<Vec<Value>, Later>> {
        Box::pin(async move {
            let Some(kept) = &self.canaries else {
                return Ok(Vec::new());
            };
            let run = Cell::Text(run.to_owned());
            let found = kept.values(kept.table.canaries(), &[&run]).await;
            let found: Vec<String> = match found {
                // Nobody wrote one yet.
                Err(Trouble::NoTable(_)) => Vec::new(),
                found => found?,
            };
            Ok(found.iter().map(|row| read(row)).collect())
        })
    }

    fn remove_canaries<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Result<(), Later>> {
        Box::pin(async move {
            let Some(Kept { client, table }) = &self.canaries else {
                return Ok(());
            };
            let run = Cell::Text(run.to_owned());
            let before = Timestamp::now().as_millisecond() - LEFT_MILLIS;
            let before = Cell::Integer(before);
            let cells = [&run, &before];
            match client.execute(table.remove_canaries(), &cells).await {
                Err(Trouble::NoTable(_)) => Ok(()),
                removed => Ok(removed?),
            }
        })
    }

    fn letters<'a>(
        &'a self,
        topic: &'a Topic,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<Value>, Later>> {
        let kept = self.of(topic);
        Box::pin(async move {
            let after = Cell::Text(after.unwrap_or_default().to_owned());
            let letters: Vec<String> = kept.values(kept.table.page(PAGE), &[&after]).await?;
            Ok(letters.iter().map(|letter| read(letter)).collect())
        })
    }
}

/// Reads a letter. The table takes nothing but JSON.
fn read(letter: &str) -> Value {
    serde_json::from_str(letter).unwrap_or_default()
}

fn silent() -> Later {
    Later::Away("MariaDB did not answer in time".to_owned())
}
