//! A place for documents, and how it answers: `CouchDB` itself, or in tests what plays it.

use std::collections::HashMap;
use std::future::Future;

use serde_json::Value;

use crate::sink::document::Document;

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// It is stored.
    Stored,
    /// There is a document with this id already.
    Conflict,
    /// The database's rules refuse it for good.
    Refused(String),
    /// The store failed on it; it may be tried again.
    Failed(String),
}

/// What became of a request that was not answered document by document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The store is away, overloaded or failing: the same request may succeed later.
    #[error("{0}")]
    Away(String),
    /// The store does not let us in, or the database is missing: somebody must act.
    #[error("{0}")]
    Denied(String),
    /// The store refuses the request as it is; nothing of it is stored.
    #[error("{0}")]
    Rejected(String),
}

/// A place for documents.
pub trait Store: Send + Sync + 'static {
    /// Stores new documents with ids that differ from each other, and says what became of each. An id that is
    /// missing from the answer was not answered.
    fn put(
        &self,
        database: &str,
        documents: &[&Document],
    ) -> impl Future<Output = Result<HashMap<String, Row>, Trouble>> + Send;

    /// Returns the documents with these ids that exist.
    fn get(
        &self,
        database: &str,
        ids: &[&str],
    ) -> impl Future<Output = Result<HashMap<String, Value>, Trouble>> + Send;
}
