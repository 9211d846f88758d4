//! What an alert keeps beside: rows that cannot be judged.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::Instant;

use crate::config::topic::Topic;
use crate::sink::Later;
use crate::sink::asked::{Asked, Holding, Newest, lost_events};
use crate::sink::disk::{blocking, later};
use crate::sink::document::LOST;
use crate::sink::letters;

/// The directory of an alert, as it is.
pub(super) struct Beside {
    pub(super) directory: PathBuf,
}

impl Asked for Beside {
    fn holding<'a>(
        &'a self,
        topic: &'a Topic,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<Holding>, Later>> {
        Box::pin(async move {
            let letters = self.letters(topic, None).await?;
            let id = |letter: &&Value| letter["_id"].as_str().unwrap_or_default().to_owned();
            let lost = letters.iter().filter(|letter| id(letter).starts_with(LOST));
            Ok(Some(Holding {
                dead_letters: Some(letters.len() as u64),
                lost_events: Some(lost.map(lost_events).sum()),
                ..Holding::default()
            }))
        })
    }

    fn newest<'a>(
        &'a self,
        topic: &'a Topic,
        _n: usize,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<Newest>, Later>> {
        let words = format!("an alert on {} keeps no documents", topic.name);
        Box::pin(async move { Err(Later::Denied(words)) })
    }

    fn letters<'a>(
        &'a self,
        _topic: &'a Topic,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<Value>, Later>> {
        let directory = self.directory.clone();
        Box::pin(async move {
            // All come at once.
            if after.is_some() {
                return Ok(Vec::new());
            }
            let read = blocking(move || letters::read(&directory)).await;
            read.map_err(|error| later(&error))
        })
    }
}
