//! Waiting until Kafka is whole: all brokers are there and every partition has all its copies.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::AdminError;
use super::metadata::{Client, Cluster, Expected, client, fetch_async};
use crate::config::ConsumerConfig;

/// How often Kafka is asked.
const EVERY: Duration = Duration::from_millis(100);
/// How long one question may take.
const ASK: Duration = Duration::from_secs(2);

/// What `wait-in-sync` prints.
#[derive(Debug, Serialize)]
pub struct InSync {
    brokers: Vec<i32>,
    missing: Vec<String>,
}

impl InSync {
    /// Returns whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Waits until there are `brokers` brokers and every partition of every topic has all its copies; says on stderr what
/// is missing until then.
///
/// # Errors
/// When the Kafka client cannot be made.
pub async fn wait(
    config: &ConsumerConfig,
    brokers: usize,
    timeout: Duration,
) -> Result<InSync, AdminError> {
    let client = client(config)?;
    let expected = Expected::new(config, brokers);
    let (cluster, missing) = wait_for(&client, Instant::now() + timeout, |cluster| {
        cluster.missing(&expected, |_| true)
    })
    .await;
    Ok(InSync {
        brokers: cluster.brokers.iter().map(|broker| broker.id).collect(),
        missing,
    })
}

/// Asks until `missing` finds nothing missing, or the deadline; returns the cluster as it was seen last, and what is
/// missing.
pub(super) async fn wait_for(
    client: &Client,
    deadline: Instant,
    missing: impl Fn(&Cluster) -> Vec<String>,
) -> (Cluster, Vec<String>) {
    let mut cluster = Cluster::default();
    let mut told = Vec::new();
    loop {
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        let missing = match fetch_async(client, ASK.min(left)).await {
            Ok(seen) => {
                cluster = seen;
                missing(&cluster)
            }
            // The deadline cut the question short: what was seen before it says more.
            Err(_) if left < ASK && !told.is_empty() => told.clone(),
            Err(error) => vec![crate::error::chain(&error)],
        };
        if missing.is_empty() || Instant::now() >= deadline {
            return (cluster, missing);
        }
        if missing != told {
            tracing::info!(missing = missing.len(), "waiting for Kafka: {}", missing[0]);
            told = missing;
        }
        tokio::time::sleep(EVERY).await;
    }
}
