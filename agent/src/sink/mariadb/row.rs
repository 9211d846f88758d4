//! A record as a row.

use serde_json::Value;

use super::column::Cell;
use super::table::{ID_CHARACTERS, Table};
use crate::config::topic::Topic;
use crate::sink::Record;
use crate::sink::document::document;
use crate::sink::place::{Place, key};

/// A row, and the place of its record's outcome.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) index: usize,
    pub(super) id: String,
    pub(super) place: Place,
    /// All its values, in the order of the table's names.
    pub(super) cells: Vec<Cell>,
}

impl Row {
    /// The row of an event: its id is that of the event's document.
    pub(super) fn of_event(
        table: &Table,
        topic: &Topic,
        index: usize,
        record: &Record,
    ) -> Result<Self, String> {
        let document = document(&topic.name, &topic.epoch, record)?;
        let event = serde_json::from_str(&document.json)
            .map_err(|error| format!("the value is not JSON that can be stored: {error}"))?;
        Self::new(table, topic, index, record, document.id, &event)
    }

    /// The row of a key.
    pub(super) fn of_key(
        table: &Table,
        topic: &Topic,
        index: usize,
        record: &Record,
    ) -> Result<Self, String> {
        let id = key(record)?.to_owned();
        let value = record.value.as_deref().ok_or("the record has no value")?;
        let value: Value = serde_json::from_slice(value)
            .map_err(|error| format!("the value is not JSON that can be stored: {error}"))?;
        if !value.is_object() {
            return Err("the value is no object, and a row is made of its fields".to_owned());
        }
        Self::new(table, topic, index, record, id, &value)
    }

    fn new(
        table: &Table,
        topic: &Topic,
        index: usize,
        record: &Record,
        id: String,
        event: &Value,
    ) -> Result<Self, String> {
        if id.chars().count() > ID_CHARACTERS {
            return Err(format!("the id is longer than {ID_CHARACTERS} characters"));
        }
        // Blanks at its end do not count when ids are compared.
        if id.ends_with(' ') {
            return Err(format!("the id {id:?} ends with a blank"));
        }
        let place = Place::of(topic, record);
        let mut cells = Vec::with_capacity(table.width());
        cells.extend([
            Cell::Text(id.clone()),
            Cell::Text(place.epoch.clone()),
            Cell::Integer(place.partition.into()),
            Cell::Integer(place.offset),
            place.timestamp.map_or(Cell::Null, Cell::Integer),
        ]);
        for column in &table.columns {
            cells.push(column.cell(event)?);
        }
        Ok(Self {
            index,
            id,
            place,
            cells,
        })
    }

    /// About how many bytes it has in a statement: each value its own, and up to 32 more.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.cells.iter().map(|cell| match cell {
            Cell::Text(text) => text.len(),
            _ => 0,
        });
        texts.sum::<usize>() + 32 * self.cells.len()
    }

    /// The values that its event gave it.
    pub(super) fn of_columns(&self) -> &[Cell] {
        &self.cells[super::table::OWN.len()..]
    }
}
