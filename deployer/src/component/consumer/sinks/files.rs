//! Files on the consumer's node.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Kind, Told};
use crate::inventory::{Findings, Section, Sink};

/// The kind.
pub(super) struct Files;

const NAME: &str = "files";

/// Files on the consumer's node, each record once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// `json`: a document a line; `csv`: the columns that are named.
    format: Format,
    /// Columns of CSV: names of values in the document, such as `memory.free`.
    columns: Vec<String>,
    /// The size at which a file is followed by the next. So it is each day (UTC), too.
    #[schemars(range(min = 1, max = 1_000_000))]
    roll_mib: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            format: Format::Json,
            columns: Vec::new(),
            roll_mib: 128,
        }
    }
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// A document a line.
    Json,
    /// Some values of it, separated by commas.
    Csv,
}

impl Kind for Files {
    fn name(&self) -> &'static str {
        NAME
    }

    fn section(&self) -> Section {
        Section::of::<Settings>(NAME)
    }

    fn check(&self, _: &str, key: &str, sink: &Sink, findings: &mut Findings<'_>) {
        let Settings {
            format, columns, ..
        } = sink.kinds.get::<Settings>();
        let is_csv = *format == Format::Csv;
        if is_csv && columns.iter().all(String::is_empty) {
            findings.add(
                format!("{key}.format"),
                "`csv` needs the columns",
                "add such as `columns: [_id, timestamp, memory.free]`",
            );
        } else if !is_csv && !columns.is_empty() {
            findings.add(
                format!("{key}.columns"),
                "are of `csv` alone: a line of `json` is the whole document",
                "add `format: csv`",
            );
        }
    }

    fn settings(&self, sink: &Sink, told: &Told<'_>) -> BTreeMap<&'static str, Value> {
        let Settings {
            format,
            columns,
            roll_mib,
        } = sink.kinds.get::<Settings>();
        BTreeMap::from([
            ("directory", json!(told.directory)),
            ("format", json!(format)),
            ("columns", json!(columns)),
            ("roll_bytes", json!(roll_mib << 20)),
        ])
    }
}
