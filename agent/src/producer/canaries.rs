//! Canaries: numbered events on a topic of their own that prove the way to `CouchDB`.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::ProducerError;
use super::delivery::{Client, Guarantee, QUEUE_WAIT};
use crate::config::{Connection, ProducerConfig};
use crate::event::{Origin, Payload, Taken, host_name};

/// What `canaries` prints.
#[derive(Debug, Serialize)]
pub struct Report {
    client: String,
    run: String,
    sent: u64,
    acked: u64,
    /// The place of the last one that Kafka confirmed.
    newest: Option<i64>,
}

impl Report {
    /// Returns whether Kafka confirmed every canary.
    pub fn is_complete(&self) -> bool {
        self.sent == self.acked
    }
}

/// Sends `count` canaries to a topic and waits for each to be confirmed by all replicas.
///
/// # Errors
/// When a file of the configuration cannot be used, or the Kafka client cannot be made.
pub async fn send(
    config: &ProducerConfig,
    run: &str,
    count: u64,
    topic: &str,
    timeout: Duration,
) -> Result<Report, ProducerError> {
    let deadline = Instant::now() + timeout;
    let (mut client, mut deliveries) = Client::new(
        Connection::of_producer(config)?,
        &config.client,
        Guarantee::Prompt(timeout),
    )?;
    client.warm_up(topic, timeout).await;
    let origin = Origin {
        client: config.client.clone(),
        host: host_name(),
        run: run.to_owned(),
    };
    for sequence in 1..=count {
        let taken = Taken::now(Payload::Canary);
        let rendered = origin.render(sequence, &taken);
        let (event, _) = rendered.map_err(|source| ProducerError::Render { sequence, source })?;
        while !client.send(sequence, topic, taken.at.as_millisecond(), &event) {
            tokio::time::sleep(QUEUE_WAIT).await;
        }
    }
    let (mut acked, mut reported) = (0, 0);
    let mut newest: Option<i64> = None;
    while reported < count {
        let Ok(Some(report)) = tokio::time::timeout_at(deadline, deliveries.recv()).await else {
            break;
        };
        reported += 1;
        match report.result {
            Ok(_) => {
                acked += 1;
                newest = newest.max(report.offset);
            }
            Err(error) => {
                tracing::error!(sequence = report.ticket, %error, "a canary was not confirmed");
            }
        }
    }
    if reported < count {
        tracing::error!(
            missing = count - reported,
            "not all canaries were confirmed in time"
        );
    }
    client.close();
    Ok(Report {
        client: config.client.clone(),
        run: run.to_owned(),
        sent: count,
        acked,
        newest,
    })
}
