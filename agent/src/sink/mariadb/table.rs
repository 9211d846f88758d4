//! Tables: what they are made with, and the statements on their rows.

use std::collections::BTreeMap;
use std::iter::repeat_n;

use super::column::{Column, Form};

/// The longest id, in characters.
pub(super) const ID_CHARACTERS: usize = 255;
/// Columns of each table: a row's id, and where its record was.
pub(super) const OWN: [&str; 5] = [
    "id",
    "kafka_epoch",
    "kafka_partition",
    "kafka_offset",
    "kafka_timestamp",
];

/// A table and its columns.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Its name.
    pub(super) name: String,
    /// The columns that are not its own.
    pub(super) columns: Vec<Column>,
}

impl Table {
    /// A table for canaries.
    pub(super) fn of_canaries(name: String) -> Self {
        let column = |(name, form): (&str, Form)| Column {
            name: name.to_owned(),
            form,
            from: name.to_owned(),
        };
        let columns = [
            ("client", Form::Text),
            ("run", Form::Text),
            ("sequence", Form::Integer),
        ];
        Self {
            name,
            columns: columns.map(column).into(),
        }
    }

    /// The table of what can never be a row.
    pub(super) fn letters(&self) -> String {
        letters(&self.name)
    }

    /// The columns that are there, with their types.
    pub(super) const COLUMNS: &str = "SELECT column_name, column_type FROM information_schema.columns \
         WHERE table_schema = DATABASE() AND table_name = ?";

    /// The statements by which it becomes what it should be, by the columns that are there with their types. No column is taken away.
    ///
    /// # Errors
    /// The column that has another type already, and what to do.
    pub(super) fn wanted(&self, there: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
        // Texts are compared as they are: `a` is not `A`.
        let options = "ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
        let id = format!("id VARCHAR({ID_CHARACTERS}) NOT NULL PRIMARY KEY");
        let mut statements = vec![format!(
            "CREATE TABLE IF NOT EXISTS `{}` ({id}, reason LONGTEXT NOT NULL, letter JSON NOT NULL) {options}",
            self.letters()
        )];
        let name = &self.name;
        if there.is_empty() {
            let columns = self.columns.iter();
            let columns: String = columns
                .map(|column| format!("`{}` {}, ", column.name, column.form.sql()))
                .collect();
            statements.push(format!(
                "CREATE TABLE IF NOT EXISTS `{name}` ({id}, {columns}kafka_epoch VARCHAR(64) NOT NULL, kafka_partition INT NOT NULL, \
                 kafka_offset BIGINT NOT NULL, kafka_timestamp BIGINT, KEY (kafka_timestamp)) {options}"
            ));
            return Ok(statements);
        }
        let own = OWN.iter().map(|own| (*own, None));
        let columns = self.columns.iter();
        let columns = columns.map(|column| (column.name.as_str(), Some(column.form)));
        for (column, form) in own.chain(columns) {
            match (there.get(column), form) {
                (None, None) => {
                    return Err(format!(
                        "the table `{name}` has no column `{column}`, so it is none of ours: name another one"
                    ));
                }
                (None, Some(form)) => statements.push(format!(
                    "ALTER TABLE `{name}` ADD COLUMN IF NOT EXISTS `{column}` {}",
                    form.sql()
                )),
                (Some(kind), Some(form)) if !form.is(kind) => {
                    return Err(format!(
                        "the column `{column}` of the table `{name}` is {kind}, and {} is wanted: name another column, or another table",
                        form.sql()
                    ));
                }
                _ => {}
            }
        }
        Ok(statements)
    }

    /// How many values a row has.
    pub(super) fn width(&self) -> usize {
        OWN.len() + self.columns.len()
    }

    /// Adds rows; fails where the id of one is there.
    pub(super) fn insert(&self, rows: usize) -> String {
        let names = self.names().collect::<Vec<_>>().join(", ");
        format!(
            "INSERT INTO `{}` ({names}) VALUES {}",
            self.name,
            repeat_n(tuple(self.width()), rows)
                .collect::<Vec<_>>()
                .join(", ")
        )
    }

    /// Adds rows, or puts them in the places of those with their ids.
    pub(super) fn upsert(&self, rows: usize) -> String {
        let set = self.names().skip(1);
        let set: Vec<String> = set.map(|name| format!("{name}=VALUES({name})")).collect();
        format!(
            "{} ON DUPLICATE KEY UPDATE {}",
            self.insert(rows),
            set.join(", ")
        )
    }

    /// The ids of rows that are there.
    pub(super) fn ids(&self, rows: usize) -> String {
        format!("SELECT id FROM `{}` WHERE id IN {}", self.name, tuple(rows))
    }

    /// The ids of rows that are there with the same values. What is empty there is of before its column.
    pub(super) fn same(&self, rows: usize) -> String {
        let columns = self.columns.iter();
        let columns: String = columns
            .map(|column| format!(" AND (`{0}` IS NULL OR `{0}` <=> ?)", column.name))
            .collect();
        let one = format!("(id = ?{columns})");
        let all = repeat_n(one.as_str(), rows)
            .collect::<Vec<_>>()
            .join(" OR ");
        format!("SELECT id FROM `{}` WHERE {all}", self.name)
    }

    /// The ids of rows that are there, with the places of their records; nobody else changes them meanwhile.
    pub(super) fn places(&self, rows: usize) -> String {
        format!(
            "SELECT {} FROM `{}` WHERE id IN {} FOR UPDATE",
            OWN.join(", "),
            self.name,
            tuple(rows)
        )
    }

    /// How many rows there are, and in the same question all tables of the database: each column's table, name and type.
    pub(super) fn count(&self) -> String {
        format!(
            "SELECT COUNT(*), (SELECT JSON_ARRAYAGG(JSON_ARRAY(table_name, column_name, column_type)) \
             FROM information_schema.columns WHERE table_schema = DATABASE()) FROM `{}`",
            self.name
        )
    }

    /// How many letters there are.
    pub(super) fn count_letters(&self) -> String {
        format!("SELECT COUNT(*) FROM `{}`", self.letters())
    }

    /// The letters whose ids are between two words.
    pub(super) fn lost(&self) -> String {
        format!(
            "SELECT letter FROM `{}` WHERE id >= ? AND id <= ?",
            self.letters()
        )
    }

    /// The next letters after an id.
    pub(super) fn page(&self, letters: usize) -> String {
        format!(
            "SELECT letter FROM `{}` WHERE id > ? ORDER BY id LIMIT {letters}",
            self.letters()
        )
    }

    /// The newest rows, as documents.
    pub(super) fn newest(&self) -> String {
        format!(
            "{} ORDER BY kafka_timestamp DESC, id DESC LIMIT ?",
            self.documents()
        )
    }

    /// The canaries of a run, as documents.
    pub(super) fn canaries(&self) -> String {
        format!("{} WHERE `run` = ?", self.documents())
    }

    /// Takes away the canaries of a run, and those that came before a moment.
    pub(super) fn remove_canaries(&self) -> String {
        format!(
            "DELETE FROM `{}` WHERE `run` = ? OR kafka_timestamp < ?",
            self.name
        )
    }

    /// Rows as documents.
    fn documents(&self) -> String {
        let columns = self.columns.iter();
        let columns: String = columns
            .map(|column| format!("'{0}', `{0}`, ", column.name))
            .collect();
        let place = OWN.iter().skip(1).map(|name| {
            let word = name.trim_start_matches("kafka_");
            format!("'{word}', {name}")
        });
        format!(
            "SELECT JSON_OBJECT('_id', id, {columns}'kafka', JSON_OBJECT({})) FROM `{}`",
            place.collect::<Vec<_>>().join(", "),
            self.name
        )
    }

    /// The names of the values of a row, in their order.
    fn names(&self) -> impl Iterator<Item = String> {
        let own = OWN.iter().map(|name| (*name).to_owned());
        let columns = self.columns.iter();
        own.chain(columns.map(|column| format!("`{}`", column.name)))
    }
}

/// The table of what can never be a row of another.
pub(super) fn letters(table: &str) -> String {
    format!("{table}_dead_letters")
}

/// Placeholders of some values.
fn tuple(width: usize) -> String {
    format!("({})", repeat_n("?", width).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements() {
        let table = Table {
            name: "t".into(),
            columns: vec![Column {
                name: "x".into(),
                form: Form::Double,
                from: "a.x".into(),
            }],
        };
        let own = "id, kafka_epoch, kafka_partition, kafka_offset, kafka_timestamp";
        let six = "(?, ?, ?, ?, ?, ?)";
        let insert = format!("INSERT INTO `t` ({own}, `x`) VALUES {six}, {six}");
        assert_eq!(table.insert(2), insert);
        assert_eq!(
            table.upsert(2),
            format!(
                "{insert} ON DUPLICATE KEY UPDATE kafka_epoch=VALUES(kafka_epoch), kafka_partition=VALUES(kafka_partition), \
                 kafka_offset=VALUES(kafka_offset), kafka_timestamp=VALUES(kafka_timestamp), `x`=VALUES(`x`)"
            )
        );
        let same = "(id = ? AND (`x` IS NULL OR `x` <=> ?))";
        assert_eq!(
            table.same(2),
            format!("SELECT id FROM `t` WHERE {same} OR {same}")
        );
        assert_eq!(table.ids(2), "SELECT id FROM `t` WHERE id IN (?, ?)");
    }

    #[test]
    fn a_table_becomes_what_it_should_be_and_loses_nothing() {
        let table = Table {
            name: "t".into(),
            columns: vec![Column {
                name: "x".into(),
                form: Form::Double,
                from: "a.x".into(),
            }],
        };
        let mut there = BTreeMap::new();
        let made = table.wanted(&there).expect("can be");
        assert!(made[0].starts_with("CREATE TABLE IF NOT EXISTS `t_dead_letters` "));
        assert!(made[1].contains("`x` DOUBLE, "));
        there.extend(OWN.map(|own| (own.to_owned(), "text".to_owned())));
        there.insert("y".to_owned(), "double".to_owned());
        let added = table.wanted(&there).expect("can be");
        assert_eq!(
            added[1..],
            ["ALTER TABLE `t` ADD COLUMN IF NOT EXISTS `x` DOUBLE"]
        );
        there.insert("x".to_owned(), "double".to_owned());
        assert_eq!(table.wanted(&there).expect("can be").len(), 1);
        there.insert("x".to_owned(), "bigint(20)".to_owned());
        let refused = table.wanted(&there).expect_err("has another type");
        assert!(
            refused.contains("is bigint(20), and DOUBLE is wanted"),
            "{refused}"
        );
        there.remove("id");
        let refused = table.wanted(&there).expect_err("is another's");
        assert!(refused.contains("none of ours"), "{refused}");
    }
}
