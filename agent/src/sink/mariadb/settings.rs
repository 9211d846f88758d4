//! Which `MariaDB` it is, as whom rows are written, and what they are made of.

use std::path::PathBuf;

use serde::Deserialize;

use super::asked::Kept;
use super::client::Client;
use super::column::Column;
use super::table::{OWN, Table, letters};
use super::{Rows, Tables};
use crate::config::error::ConfigError;
use crate::config::files;
use crate::config::values::not_empty;
use crate::sink::asked::Asked;
use crate::sink::{OpenError, Sink};

/// The longest name of a table or a column.
/// <https://mariadb.com/kb/en/identifier-names/>
const NAME_CHARACTERS: usize = 64;

/// Where the rows go, as whom they are written, and what they are made of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    #[serde(default = "default_port")]
    pub port: u16,
    /// The certificates, in PEM, of which one must have signed the server's, which names `host`. Plain text where this is missing.
    pub ca_file: Option<PathBuf>,
    /// The user who writes the rows.
    pub user: String,
    /// The file that holds this user's password.
    pub password_file: PathBuf,
    /// The database.
    pub database: String,
    /// The table; what can never be in it goes to `<table>_dead_letters`.
    pub table: String,
    /// Its columns beside its own.
    pub columns: Vec<Column>,
    /// Whether each key has one row, of its newest record.
    #[serde(default)]
    pub replace: bool,
    /// The database whose table of the same name takes the canaries; where this is missing none come.
    pub canaries: Option<String>,
}

fn default_port() -> u16 {
    3306
}

impl Settings {
    /// Reads the password.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, or is open to everybody.
    pub(super) fn password(&self) -> Result<String, ConfigError> {
        files::password("password_file", &self.password_file)
    }

    fn table(&self) -> Table {
        Table {
            name: self.table.clone(),
            columns: self.columns.clone(),
        }
    }

    /// Opens a database with one of its tables.
    fn place(&self, database: &str, table: Table) -> Result<(Client, Table), ConfigError> {
        Ok((Client::open(self, database)?, table))
    }

    fn events(&self) -> Result<(Client, Table), ConfigError> {
        self.place(&self.database, self.table())
    }

    fn canaries(&self) -> Result<Option<(Client, Table)>, ConfigError> {
        let database = self.canaries.as_ref();
        let table = Table::of_canaries(self.table.clone());
        database
            .map(|database| self.place(database, table))
            .transpose()
    }
}

impl crate::sink::Settings for Settings {
    fn check(&self) -> Result<(), (String, String)> {
        not_empty("host", &self.host)?;
        not_empty("user", &self.user)?;
        name("database", &self.database)?;
        if let Some(canaries) = &self.canaries {
            name("canaries", canaries)?;
        }
        name("table", &self.table)?;
        name("table", &letters(&self.table))?;
        let mut names = Vec::new();
        for column in &self.columns {
            name("columns", &column.name)?;
            not_empty("columns", &column.from)?;
            let lower = column.name.to_lowercase();
            let problem = match lower.as_str() {
                own if OWN.contains(&own) => "is a column of every table",
                twice if names.iter().any(|name| name == twice) => "is there twice",
                _ => {
                    names.push(lower);
                    continue;
                }
            };
            let problem = format!("{:?} {problem}", column.name);
            return Err(("columns".to_owned(), problem));
        }
        not_empty("password_file", &self.password_file.display().to_string())
    }

    fn check_files(&self) -> Result<(), ConfigError> {
        self.password()?;
        let roots = self.ca_file.as_ref();
        let roots = roots.map(|file| files::certificates("ca_file", file));
        roots.transpose().map(drop)
    }

    fn takes_canaries(&self) -> bool {
        self.canaries.is_some()
    }

    fn open(&self) -> Result<Box<dyn Sink>, OpenError> {
        let (client, table) = self.events()?;
        let canaries = self.canaries()?;
        Ok(Box::new(Tables {
            events: Rows::new(client, table, self.replace),
            canaries: canaries.map(|(client, table)| Rows::new(client, table, false)),
        }))
    }

    fn asked(&self) -> Result<Box<dyn Asked>, OpenError> {
        let kept = |(client, table)| Kept { client, table };
        Ok(Box::new(Tables {
            events: kept(self.events()?),
            canaries: self.canaries()?.map(kept),
        }))
    }
}

/// Checks a name that stands in statements.
fn name(key: &str, value: &str) -> Result<(), (String, String)> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let problem = if value.is_empty() || !value.chars().all(is_plain) {
        "must be of a-z, A-Z, 0-9 and _"
    } else if value.len() > NAME_CHARACTERS {
        "is longer than 64 characters"
    } else {
        return Ok(());
    };
    Err((key.to_owned(), format!("{value:?} {problem}")))
}
