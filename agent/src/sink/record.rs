//! What a sink gets.

use rdkafka::message::{BorrowedMessage, Message};

use super::headers::{self, Header};

/// A Kafka record, taken out of the client's memory.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The partition it came from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Kafka's timestamp in milliseconds, if it has one.
    pub timestamp: Option<i64>,
    /// Its key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Its value, if it has one.
    pub value: Option<Vec<u8>>,
    /// Its headers, in their order.
    pub headers: Vec<Header>,
}

impl Record {
    /// Copies a message out of the client's memory.
    pub fn of(message: &BorrowedMessage<'_>) -> Self {
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: message.headers().map_or_else(Vec::new, headers::take),
        }
    }

    /// Returns about how many bytes the record holds.
    pub fn bytes(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::len)
            + self.key.as_ref().map_or(0, Vec::len)
            + self.headers.iter().map(Header::bytes).sum::<usize>()
    }

    /// Returns the id that the record's place in its topic gives it.
    pub fn place(&self, epoch: &str) -> String {
        format!("{epoch}-{:04x}-{:012x}", self.partition, self.offset)
    }
}
