//! `MariaDB`: each record is one row, or the newest of each key is, and what can never be one is a row of a table beside.

mod asked;
mod client;
mod column;
mod replaced;
mod row;
mod settings;
mod table;

use std::collections::{BTreeMap, HashSet};

use futures_util::future::BoxFuture;
use sqlx::Row as _;
use tokio::sync::OnceCell;

use super::document::{Document, KEPT_BYTES};
use super::{Later, Letter, Outcome, Record, Sink};
use crate::config::topic::Topic;
use client::{Client, Trouble};
use column::Cell;
pub use column::{Column, Form};
use row::Row;
pub use settings::Settings;
use table::Table;

/// The most values of one statement.
const VALUES: usize = 65_535;
/// The most rows of one statement: more are not faster.
const ROWS: usize = 1000;

/// The table of events, and that of canaries, each with what is done there.
struct Tables<T> {
    events: T,
    canaries: Option<T>,
}

impl<T> Tables<T> {
    /// The one that takes a topic's records.
    fn of(&self, topic: &Topic) -> &T {
        let canaries = self.canaries.as_ref().filter(|_| topic.canary);
        canaries.unwrap_or(&self.events)
    }
}

/// Writes rows to a table, which it makes.
struct Rows {
    client: Client,
    table: Table,
    replace: bool,
    /// The most bytes of one statement, once the table was found or made as it should be.
    made: OnceCell<usize>,
}

impl Rows {
    fn new(client: Client, table: Table, replace: bool) -> Self {
        Self {
            client,
            table,
            replace,
            made: OnceCell::new(),
        }
    }

    /// Makes the table what it should be, once. Returns the most bytes that one statement may have.
    async fn make(&self) -> Result<usize, Later> {
        let make = async || {
            let name = Cell::Text(self.table.name.clone());
            let name = [&name];
            let columns = self.client.rows(Table::COLUMNS.to_owned(), &name).await?;
            let pairs = columns
                .iter()
                .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
            let there: Result<BTreeMap<String, String>, sqlx::Error> = pairs.collect();
            let there = there.map_err(|error| self.client.trouble(error))?;
            let statements = self.table.wanted(&there).map_err(Later::Denied)?;
            for statement in statements {
                self.client.execute(statement, &[]).await?;
            }
            let most = self.client.number("SELECT @@max_allowed_packet").await?;
            Ok::<_, Later>(usize::try_from(most).unwrap_or(usize::MAX))
        };
        self.made.get_or_try_init(make).await.copied()
    }

    /// The most rows of one statement.
    fn at_once(&self) -> usize {
        ROWS.min(VALUES / self.table.width())
    }

    async fn write_all(&self, topic: &Topic, records: &[&Record]) -> Vec<Outcome> {
        let mut outcomes = vec![None; records.len()];
        let mut rows = Vec::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            match Row::of_event(&self.table, topic, index, record) {
                Ok(row) => rows.push(row),
                Err(reason) => outcomes[index] = Some(Outcome::Never(reason)),
            }
        }
        let mut later = Later::Away("another row with the same id is not settled".to_owned());
        if let Err(trouble) = self.add_all(rows, &mut outcomes).await {
            later = trouble;
        }
        filled(outcomes, &later)
    }

    /// Adds rows; each has its outcome then, but for those that were not come to when there was trouble.
    async fn add_all(&self, rows: Vec<Row>, outcomes: &mut [Option<Outcome>]) -> Result<(), Later> {
        let most = self.make().await?;
        let rows = fitting(rows, most, outcomes);
        let mut work = chunks(rows, self.at_once(), most);
        while let Some(batch) = work.pop() {
            let cells: Vec<&Cell> = batch.iter().flat_map(|row| &row.cells).collect();
            let added = self.client.execute(self.table.insert(batch.len()), &cells);
            match added.await {
                Ok(()) => settle(&batch, outcomes, &Outcome::Done),
                Err(trouble @ (Trouble::Later(_) | Trouble::NoTable(_))) => {
                    return Err(trouble.into());
                }
                // After a crash, or where an event was sent twice: those that are there are compared, the others come again.
                Err(Trouble::Twice) => {
                    let (first, twice) = distinct(batch);
                    if !twice.is_empty() {
                        work.push(twice);
                    }
                    let rest = self.compare(first, outcomes).await?;
                    if !rest.is_empty() {
                        work.push(rest);
                    }
                }
                Err(Trouble::Refused(reason)) => halve(batch, reason, &mut work, outcomes),
            }
        }
        Ok(())
    }

    /// Compares rows with those of their ids, and returns those whose ids are not there.
    async fn compare(
        &self,
        rows: Vec<Row>,
        outcomes: &mut [Option<Outcome>],
    ) -> Result<Vec<Row>, Later> {
        let ids: Vec<&Cell> = rows.iter().map(|row| &row.cells[0]).collect();
        let there = self.client.ids(self.table.ids(rows.len()), &ids).await?;
        let (there, rest): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|row| there.contains(&row.id));
        if there.is_empty() {
            return Ok(rest);
        }
        let cells: Vec<&Cell> = there
            .iter()
            .flat_map(|row| row.cells.iter().take(1).chain(row.of_columns()))
            .collect();
        let same = self.table.same(there.len());
        let same = self.client.ids(same, &cells).await?;
        for row in there {
            outcomes[row.index] = Some(if same.contains(&row.id) {
                Outcome::Already
            } else {
                Outcome::Never(format!("conflict: another row has the id {}", row.id))
            });
        }
        Ok(rest)
    }

    async fn keep_all(&self, topic: &Topic, letters: &[Letter<'_>]) -> Result<(), Later> {
        // In base64 a value is a third longer, and there is more than it in a letter.
        let kept = KEPT_BYTES.min(self.make().await? / 2);
        let table = self.table.letters();
        for letter in letters {
            let Document { id, json } = letter.document(topic, kept);
            let reason = match letter {
                Letter::Dead { reason, .. } | Letter::Lost { reason, .. } => reason.clone(),
            };
            let cells = [id, reason, json].map(Cell::Text);
            let text = format!(
                // The letter of an earlier try stays as it is.
                "INSERT INTO `{table}` (id, reason, letter) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE id=id"
            );
            self.client.execute(text, &cells.each_ref()).await?;
        }
        Ok(())
    }
}

impl Sink for Tables<Rows> {
    fn place(&self, topic: &Topic) -> String {
        self.of(topic).table.name.clone()
    }

    fn write<'a>(
        &'a self,
        topic: &'a Topic,
        records: &'a [&'a Record],
    ) -> BoxFuture<'a, Vec<Outcome>> {
        let rows = self.of(topic);
        if rows.replace {
            return Box::pin(rows.replace_all(topic, records));
        }
        Box::pin(rows.write_all(topic, records))
    }

    fn keep<'a>(
        &'a self,
        topic: &'a Topic,
        letters: &'a [Letter<'a>],
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let outcome = match self.of(topic).keep_all(topic, letters).await {
                Ok(()) => Outcome::Done,
                Err(later) => Outcome::Later(later),
            };
            vec![outcome; letters.len()]
        })
    }
}

/// Takes out the rows that no statement can hold.
fn fitting(rows: Vec<Row>, most: usize, outcomes: &mut [Option<Outcome>]) -> Vec<Row> {
    let (fitting, large): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.bytes() < most);
    let reason = format!("the row is larger than {most} bytes, MariaDB's max_allowed_packet");
    settle(&large, outcomes, &Outcome::Never(reason));
    fitting
}

/// Splits rows into those of one statement each, the first last.
fn chunks(rows: Vec<Row>, at_once: usize, most: usize) -> Vec<Vec<Row>> {
    let mut chunks: Vec<Vec<Row>> = Vec::new();
    let mut bytes = 0;
    for row in rows {
        bytes += row.bytes();
        match chunks.last_mut() {
            Some(last) if last.len() < at_once && bytes < most => last.push(row),
            _ => {
                bytes = row.bytes();
                chunks.push(vec![row]);
            }
        }
    }
    chunks.reverse();
    chunks
}

/// What a refused statement leaves: two halves, or the one row that can never be there.
fn halve(
    mut batch: Vec<Row>,
    reason: String,
    work: &mut Vec<Vec<Row>>,
    outcomes: &mut [Option<Outcome>],
) {
    if batch.len() == 1 {
        settle(&batch, outcomes, &Outcome::Never(reason));
        return;
    }
    let right = batch.split_off(batch.len() / 2);
    work.extend([right, batch]);
}

fn settle(rows: &[Row], outcomes: &mut [Option<Outcome>], outcome: &Outcome) {
    for row in rows {
        outcomes[row.index] = Some(outcome.clone());
    }
}

fn filled(outcomes: Vec<Option<Outcome>>, later: &Later) -> Vec<Outcome> {
    let outcomes = outcomes.into_iter();
    outcomes
        .map(|one| one.unwrap_or_else(|| Outcome::Later(later.clone())))
        .collect()
}

/// Takes the rows apart whose id is there a second time.
fn distinct(rows: Vec<Row>) -> (Vec<Row>, Vec<Row>) {
    let mut ids = HashSet::new();
    rows.into_iter().partition(|row| ids.insert(row.id.clone()))
}
