//! The tables of sinks: what stands against them in what is there. The consumer makes them and adds columns; it changes none and takes
//! none away.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Wanted;
use super::sinks::kind;
use crate::component::{self, Contrary};
use crate::inspect::Inspect;
use crate::topology::Topology;

/// A sink's table, as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The sink.
    sink: String,
    /// Its kind, by its key in the inventory.
    kind: String,
    /// The component whose data it is.
    holder: String,
    /// Column → its type.
    columns: BTreeMap<String, String>,
}

/// Columns of every table that the consumer makes.
const OWN: [&str; 5] = [
    "id",
    "kafka_epoch",
    "kafka_partition",
    "kafka_offset",
    "kafka_timestamp",
];

/// The tables of all sinks.
pub(super) fn wanted(topology: &Topology) -> BTreeMap<String, Table> {
    let tables = topology.sinks.iter().filter_map(|(sink, settings)| {
        let kind = kind(settings)?;
        let (table, columns) = kind.table(sink, settings)?;
        let wanted = Table {
            sink: sink.clone(),
            kind: kind.name().to_owned(),
            holder: kind.needs()?.to_owned(),
            columns,
        };
        Some((table, wanted))
    });
    tables.collect()
}

/// What stands against the wanted tables, by the report. A table that it does not tell of is made.
pub(super) fn contraries(wanted: &Value, report: &Value) -> Vec<Contrary> {
    let (Ok(wanted), Some(report)) = (Wanted::deserialize(wanted), Inspect::read(report)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, wanted) in &wanted.tables {
        let mut tables = report.sinks.iter().flat_map(|sink| &sink.tables);
        let there = tables.find(|(table, _)| *table == name);
        let holder = component::named(&wanted.holder);
        if let (Some((_, there)), Some(holder)) = (there, holder) {
            let contrary = |(what, other): (String, &str)| Contrary {
                holder: holder.name(),
                what: format!("sink {}: {what}", wanted.sink),
                hint: format!(
                    "name another {other} under `sinks.{}.{}`",
                    wanted.sink, wanted.kind
                ),
            };
            found.extend(against(name, wanted, there).into_iter().map(contrary));
        }
    }
    found
}

/// What is not as wanted in a table, and what else can be named.
fn against(
    name: &str,
    wanted: &Table,
    there: &BTreeMap<String, String>,
) -> Vec<(String, &'static str)> {
    let is_there = |own: &&str| there.contains_key(*own);
    if let Some(missing) = OWN.iter().find(|own| !is_there(own)) {
        let what = format!("the table `{name}` has no column `{missing}`, so it is none of ours");
        return vec![(what, "`table`")];
    }
    // Capitals tell no columns apart.
    let there: BTreeMap<String, &String> = there
        .iter()
        .map(|(column, kind)| (column.to_lowercase(), kind))
        .collect();
    let columns = wanted.columns.iter().filter_map(|(column, wanted)| {
        let kind = there.get(&column.to_lowercase())?;
        (*kind != wanted).then(|| {
            let what = format!(
                "the column `{column}` of the table `{name}` is {kind} and should be {wanted}: rows that are there are not changed"
            );
            (what, "column, or another `table`,")
        })
    });
    columns.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is said against two columns, where the table is as given.
    fn said(table: &Value) -> Vec<String> {
        let wanted = json!({
            "topics": {}, "settings": {}, "databases": [],
            "tables": { "t": {
                "sink": "s", "kind": "mariadb", "holder": "mariadb", "columns": { "at": "datetime", "N": "integer" },
            } },
        });
        let report = json!({ "sinks": [
            { "name": "another", "topic": "t" },
            { "name": "before", "topic": "t", "tables": { "t": table, "other": { "at": "text" } } },
        ] });
        let found = contraries(&wanted, &report).into_iter();
        found
            .map(|Contrary { what, hint, .. }| format!("{what}; {hint}"))
            .collect()
    }

    fn with_own(columns: &[(&str, &str)]) -> Value {
        let own = OWN.iter().map(|own| (*own, "text"));
        json!(
            own.chain(columns.iter().copied())
                .collect::<BTreeMap<_, _>>()
        )
    }

    #[test]
    fn only_a_column_of_another_type_and_anothers_table_stand_in_the_way() {
        for there in [
            with_own(&[]),
            with_own(&[("at", "datetime"), ("n", "integer"), ("gone", "varchar(7)")]),
        ] {
            assert_eq!(said(&there), [""; 0]);
        }
        assert_eq!(
            said(&with_own(&[("at", "datetime"), ("n", "varchar(7)")])),
            [
                "sink s: the column `N` of the table `t` is varchar(7) and should be integer: rows that are there are not changed; \
              name another column, or another `table`, under `sinks.s.mariadb`"
            ]
        );
        assert_eq!(
            said(&json!({ "id": "integer", "at": "text" })),
            [
                "sink s: the table `t` has no column `kafka_epoch`, so it is none of ours; \
              name another `table` under `sinks.s.mariadb`"
            ]
        );
    }
}
