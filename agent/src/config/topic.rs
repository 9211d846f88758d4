//! A topic that is read.

use serde::Deserialize;

/// A topic and the database its events go to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// The topic's name.
    pub name: String,
    /// The name of its database in `CouchDB`; empty where it does not go there.
    #[serde(default)]
    pub database: String,
    /// A random word that changes when the topic is made anew, so that its offsets stay unique.
    pub epoch: String,
    /// Whether this is the topic of the canaries.
    #[serde(default)]
    pub canary: bool,
    /// Whether each key has one document in its database, of its newest record.
    #[serde(default)]
    pub replace: bool,
}

impl Topic {
    /// Returns whether it goes to `CouchDB`.
    pub fn has_database(&self) -> bool {
        !self.database.is_empty()
    }

    /// Returns the database for what can never be stored.
    pub fn dead_letters(&self) -> String {
        dead_letters(&self.database)
    }
}

/// Returns the database for what `database` can never store.
fn dead_letters(database: &str) -> String {
    format!("{database}-dead-letters")
}
