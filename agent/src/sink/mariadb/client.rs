//! `MariaDB` over `sqlx`, and what its errors mean for what was being written.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::mysql::{
    MySqlArguments, MySqlConnectOptions, MySqlDatabaseError, MySqlPool, MySqlPoolOptions, MySqlRow,
    MySqlSslMode,
};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor, MySql, Row};

use super::Settings;
use super::column::Cell;
use crate::config::error::ConfigError;
use crate::sink::Later;

/// How long one statement may take, connecting included.
const STATEMENT: Duration = Duration::from_secs(30);
/// How long connecting may take. What refuses connections meanwhile is asked again.
const CONNECTING: Duration = Duration::from_secs(5);
/// How many statements run side by side.
const CONNECTIONS: u32 = 4;

/// A database of a server, seen by one user. Knows the password, so this type has no Debug.
pub(super) struct Client {
    pub(super) pool: MySqlPool,
    /// Where it is, in the words of errors.
    place: String,
}

/// What became of a statement that was not carried out.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// The server is away, overloaded or failing, or does not let us in.
    Later(Later),
    /// A row with such an id is there.
    Twice,
    /// The table is not there.
    NoTable(String),
    /// The server refuses what the statement holds; nothing of it is there.
    Refused(String),
}

impl Client {
    /// Makes it; nothing is asked yet.
    pub(super) fn open(settings: &Settings, database: &str) -> Result<Self, ConfigError> {
        let options = MySqlConnectOptions::new()
            .host(&settings.host)
            .port(settings.port)
            .username(&settings.user)
            .password(&settings.password()?)
            .database(database)
            // Each statement is of its own length.
            .statement_cache_capacity(0)
            // They would be shown whole, and the errors that matter are told by whoever meets them.
            .disable_statement_logging();
        let options = match &settings.ca_file {
            Some(file) => options.ssl_mode(MySqlSslMode::VerifyIdentity).ssl_ca(file),
            None => options.ssl_mode(MySqlSslMode::Disabled),
        };
        let pool = MySqlPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECTING)
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            place: format!("MariaDB at {}:{}", settings.host, settings.port),
        })
    }

    /// Carries a statement out.
    pub(super) async fn execute(&self, text: String, cells: &[&Cell]) -> Result<(), Trouble> {
        let done = query(text, cells).execute(&self.pool);
        self.within(done).await.map(drop)
    }

    /// Asks for rows.
    pub(super) async fn rows(
        &self,
        text: String,
        cells: &[&Cell],
    ) -> Result<Vec<MySqlRow>, Trouble> {
        self.within(self.pool.fetch_all(query(text, cells))).await
    }

    /// Asks for ids.
    pub(super) async fn ids(
        &self,
        text: String,
        cells: &[&Cell],
    ) -> Result<HashSet<String>, Trouble> {
        let rows = self.rows(text, cells).await?;
        let ids = rows.iter().map(|row| row.try_get::<String, _>("id"));
        ids.collect::<Result<_, _>>()
            .map_err(|error| self.trouble(error))
    }

    /// Asks for a number.
    pub(super) async fn number(&self, text: &str) -> Result<u64, Trouble> {
        let asked = sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(&self.pool);
        self.within(asked).await
    }

    /// Waits for an answer.
    pub(super) async fn within<T>(
        &self,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, Trouble> {
        if let Ok(answer) = tokio::time::timeout(STATEMENT, asked).await {
            return answer.map_err(|error| self.trouble(error));
        }
        let words = format!("{}: no answer after {} s", self.place, STATEMENT.as_secs());
        Err(Trouble::Later(Later::Away(words)))
    }

    /// What an error means. Its words hold none of the statement's values.
    pub(super) fn trouble(&self, error: sqlx::Error) -> Trouble {
        let place = &self.place;
        let error = match error {
            sqlx::Error::Database(error) => error,
            // A certificate that is not trusted: somebody must act.
            sqlx::Error::Tls(error) => {
                return Trouble::Later(Later::Denied(format!("{place}: TLS: {error}")));
            }
            sqlx::Error::PoolTimedOut => {
                let seconds = CONNECTING.as_secs();
                let words = format!("{place} takes no connection ({seconds} s)");
                return Trouble::Later(Later::Away(words));
            }
            other => {
                let words = format!("{place}: {}", crate::error::chain(&other));
                return Trouble::Later(Later::Away(words));
            }
        };
        let number = error
            .try_downcast_ref::<MySqlDatabaseError>()
            .map_or(0, MySqlDatabaseError::number);
        let words = format!("{place}: {} ({number})", error.message());
        match meaning(number) {
            Meaning::Twice => Trouble::Twice,
            Meaning::NoTable => Trouble::NoTable(words),
            Meaning::Values => Trouble::Refused(words),
            Meaning::Rights => Trouble::Later(Later::Denied(words)),
            Meaning::Other => Trouble::Later(Later::Away(words)),
        }
    }
}

impl From<Trouble> for Later {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Later(later) => later,
            Trouble::Refused(words) | Trouble::NoTable(words) => Self::Denied(words),
            Trouble::Twice => Self::Away("another writes the same rows".to_owned()),
        }
    }
}

/// Kinds of errors.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// An id is there already.
    Twice,
    /// Values that can never be in the table.
    Values,
    /// The table is not there.
    NoTable,
    /// The user, the rights, the database or the table's columns are not what they should be.
    Rights,
    /// Anything else passes, or is mended by somebody, and is tried again.
    Other,
}

/// By its number: <https://mariadb.com/kb/en/mariadb-error-code-reference/>.
fn meaning(number: u16) -> Meaning {
    match number {
        1062 => Meaning::Twice,
        // No value where there must be one, out of range, a wrong value for the column, too long.
        1048 | 1264 | 1265 | 1292 | 1366 | 1406 => Meaning::Values,
        1146 => Meaning::NoTable,
        // Access to server, database, table, column; no database, no column, another way to log in.
        1044 | 1045 | 1049 | 1054 | 1142 | 1143 | 1698 => Meaning::Rights,
        _ => Meaning::Other,
    }
}

/// A statement with its values. Its text is made of names that were looked at.
pub(super) fn query<'q>(text: String, cells: &[&Cell]) -> Query<'q, MySql, MySqlArguments> {
    let mut query = sqlx::query(AssertSqlSafe(text));
    for cell in cells {
        query = match cell {
            Cell::Null => query.bind(None::<String>),
            Cell::Double(number) => query.bind(*number),
            Cell::Integer(number) => query.bind(*number),
            Cell::Boolean(value) => query.bind(*value),
            Cell::Text(text) => query.bind(text.clone()),
        };
    }
    query
}
