//! A row for each key: a record takes the place of an older one of its key, and never that of a newer one.
//!
//! Places are read and rows are written in one transaction that holds the rows, so that whoever else writes them meanwhile
//! (another consumer, after a rebalance) waits, or one of both comes again.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use sqlx::mysql::MySqlRow;
use sqlx::{Executor, Row as _};

use super::client::{Trouble, query};
use super::column::Cell;
use super::row::Row;
use super::{Rows, chunks, filled, fitting, halve, settle};
use crate::config::topic::Topic;
use crate::sink::place::{Place, newest};
use crate::sink::{Later, Outcome, Record};

impl Rows {
    /// Writes the newest record of each key, where no newer one is there. Those that are passed over count as being there.
    pub(super) async fn replace_all(&self, topic: &Topic, records: &[&Record]) -> Vec<Outcome> {
        let mut outcomes = vec![None; records.len()];
        let mut keys: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for (index, record) in records.iter().enumerate() {
            match Row::of_key(&self.table, topic, index, record) {
                Ok(row) => keys.entry(row.id.clone()).or_default().push(row),
                Err(reason) => outcomes[index] = Some(Outcome::Never(reason)),
            }
        }
        let mut rows = Vec::with_capacity(keys.len());
        for (_, mut all) in keys {
            let newest = newest(&all, |row| &row.place).map(|row| row.index);
            if let Some(at) = all.iter().position(|row| Some(row.index) == newest) {
                rows.push(all.swap_remove(at));
            }
            settle(&all, &mut outcomes, &Outcome::Already);
        }
        let most = match self.make().await {
            Ok(most) => most,
            Err(later) => return filled(outcomes, &later),
        };
        let rows = fitting(rows, most, &mut outcomes);
        let mut work = chunks(rows, self.at_once(), most);
        while let Some(batch) = work.pop() {
            match self.client.within(self.replace(&batch)).await {
                Ok(written) => {
                    for (row, outcome) in batch.iter().zip(written) {
                        outcomes[row.index] = Some(outcome);
                    }
                }
                Err(Trouble::Refused(reason)) => halve(batch, reason, &mut work, &mut outcomes),
                Err(trouble) => return filled(outcomes, &Later::from(trouble)),
            }
        }
        filled(outcomes, &Later::Away(String::new()))
    }

    /// Writes those of some rows, of different keys, that are newer than what is there.
    async fn replace(&self, rows: &[Row]) -> Result<Vec<Outcome>, sqlx::Error> {
        let mut transaction = self.client.pool.begin().await?;
        let ids: Vec<&Cell> = rows.iter().map(|row| &row.cells[0]).collect();
        let there = query(self.table.places(rows.len()), &ids);
        let there = transaction.fetch_all(there).await?;
        let there: HashMap<String, Place> = there.iter().map(place).collect::<Result<_, _>>()?;
        let is_newer = |row: &&Row| {
            let there = there.get(&row.id);
            there.is_none_or(|there| row.place.age(there) == Ordering::Greater)
        };
        let newer: Vec<&Row> = rows.iter().filter(is_newer).collect();
        if !newer.is_empty() {
            let cells: Vec<&Cell> = newer.iter().flat_map(|row| &row.cells).collect();
            transaction
                .execute(query(self.table.upsert(newer.len()), &cells))
                .await?;
        }
        transaction.commit().await?;
        let outcome = |row: &Row| {
            if is_newer(&row) {
                Outcome::Done
            } else {
                Outcome::Already
            }
        };
        Ok(rows.iter().map(outcome).collect())
    }
}

/// Reads a row's id and place.
fn place(row: &MySqlRow) -> Result<(String, Place), sqlx::Error> {
    let place = Place {
        epoch: row.try_get("kafka_epoch")?,
        partition: row.try_get("kafka_partition")?,
        offset: row.try_get("kafka_offset")?,
        timestamp: row.try_get("kafka_timestamp")?,
    };
    Ok((row.try_get("id")?, place))
}
