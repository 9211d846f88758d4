//! The headers of a record, as its document and its dead letter keep them: in their order, repeated ones included.

use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rdkafka::message::{BorrowedHeaders, Headers};
use serde::{Deserialize, Serialize};

/// A header. A value that is text is kept as it is, any other as base64; one that has no value has neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value, where that is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its value, where that is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
}

impl Header {
    /// Takes a header as Kafka has it.
    pub fn new(name: &str, value: Option<&[u8]>) -> Self {
        let text = value.map(|value| std::str::from_utf8(value).map(str::to_owned));
        let (value, value_base64) = match text {
            Some(Ok(text)) => (Some(text), None),
            Some(Err(_)) => (None, value.map(|value| STANDARD.encode(value))),
            None => (None, None),
        };
        Self {
            name: name.to_owned(),
            value,
            value_base64,
        }
    }

    /// Returns about how many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.name.len() + length(&self.value) + length(&self.value_base64)
    }
}

/// Copies headers out of the client's memory.
pub(crate) fn take(headers: &BorrowedHeaders) -> Vec<Header> {
    let take = |index| {
        // The binding of librdkafka panics at a name that is not UTF-8; such a record must not stop the others.
        let found = catch_unwind(AssertUnwindSafe(|| {
            let header = headers.try_get(index)?;
            Some(Header::new(header.key, header.value))
        }));
        found.unwrap_or_else(|_| Some(Header::new("\u{fffd}", None)))
    };
    (0..headers.count()).filter_map(take).collect()
}
