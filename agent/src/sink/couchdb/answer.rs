//! `CouchDB`'s answers: what they say of a request and of each of its documents.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Row, Trouble};

/// An answer of the server.
#[derive(Debug)]
pub struct Answer {
    /// The true status.
    pub status: StatusCode,
    /// The body; null where it is not JSON.
    pub body: Value,
}

impl Answer {
    /// An answer as it came; what is no JSON is null.
    pub(super) fn of(status: StatusCode, bytes: &[u8]) -> Self {
        Self {
            status,
            body: serde_json::from_slice(bytes).unwrap_or(Value::Null),
        }
    }

    /// Describes an answer that was not wanted, in a few words.
    pub fn describe(&self) -> String {
        let part = |name: &str| {
            self.body
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let text = format!(
            "HTTP {} {} {}",
            self.status.as_u16(),
            part("error"),
            part("reason")
        );
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        text.chars().take(300).collect()
    }

    /// Sorts an answer that was not wanted.
    pub fn trouble(&self) -> Trouble {
        match self.status.as_u16() {
            401 | 403 | 404 => Trouble::Denied(self.describe()),
            408 | 409 | 412 | 425 | 429 => Trouble::Away(self.describe()),
            400..=499 => Trouble::Rejected(self.describe()),
            _ => Trouble::Away(self.describe()),
        }
    }
}

/// The answer to a question for documents.
#[derive(Deserialize)]
pub(super) struct GetRows {
    pub(super) rows: Vec<GetRow>,
}

/// A document that was asked for; one that is not there has an error instead.
#[derive(Deserialize)]
pub(super) struct GetRow {
    pub(super) id: Option<String>,
    pub(super) doc: Option<Box<RawValue>>,
}

/// One row of an answer to `_bulk_docs`.
#[derive(Deserialize)]
pub(super) struct PutRow {
    pub(super) id: Option<String>,
    ok: Option<bool>,
    rev: Option<String>,
    error: Option<String>,
    reason: Option<Value>,
}

impl PutRow {
    /// What became of its document.
    pub(super) fn outcome(self) -> Row {
        let reason = || {
            let reason = self.reason.as_ref().map(|reason| {
                reason
                    .as_str()
                    .map_or_else(|| reason.to_string(), str::to_owned)
            });
            format!(
                "{}: {}",
                self.error.as_deref().unwrap_or("?"),
                reason.unwrap_or_default()
            )
        };
        match self.error.as_deref() {
            None if self.ok == Some(true) || self.rev.is_some() => Row::Stored,
            Some("conflict") => Row::Conflict,
            Some(
                "forbidden" | "unauthorized" | "doc_validation" | "bad_request" | "illegal_docid",
            ) => Row::Refused(reason()),
            _ => Row::Failed(reason()),
        }
    }
}
