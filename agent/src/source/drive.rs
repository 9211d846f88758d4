//! A source at work: its batches on their way to the producer, and what is safe on its way back.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::{Batch, Checkpoint, Source};

/// How long a source may take, at the end, over what is safe.
const LAST: Duration = Duration::from_secs(5);

/// A source that works in a task of its own.
#[derive(Debug)]
pub struct Running {
    batches: mpsc::Receiver<Batch>,
    safe: watch::Sender<Checkpoint>,
    task: JoinHandle<()>,
}

/// Lets a source work.
pub fn start(source: Box<dyn Source>) -> Running {
    let (sender, batches) = mpsc::channel(source.waiting());
    let (safe, told) = watch::channel(Checkpoint::default());
    let task = tokio::spawn(drive(source, sender, told));
    Running {
        batches,
        safe,
        task,
    }
}

impl Running {
    /// Waits for batches and takes up to `most` of them. None is the end of the source.
    pub async fn take(&mut self, batches: &mut Vec<Batch>, most: usize) -> usize {
        self.batches.recv_many(batches, most).await
    }

    /// Tells the source that every event up to a checkpoint is safe.
    pub fn safe(&self, checkpoint: Checkpoint) {
        self.safe.send_replace(checkpoint);
    }

    /// Takes nothing more.
    pub fn stop(&mut self) {
        self.batches.close();
    }

    /// Ends the source, after it has heard what is safe.
    pub async fn end(self) {
        let Self { safe, task, .. } = self;
        drop(safe);
        match tokio::time::timeout(LAST, task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the source did not end as it should"),
            Err(_) => tracing::warn!(
                "the source takes too long over what is safe; it hears it again at the next start"
            ),
        }
    }
}

async fn drive(
    mut source: Box<dyn Source>,
    batches: mpsc::Sender<Batch>,
    mut safe: watch::Receiver<Checkpoint>,
) {
    loop {
        let next = tokio::select! {
            biased;
            () = batches.closed() => break,
            next = source.next() => next,
        };
        let Some(batch) = next else { break };
        if !batch.events.is_empty() && batches.send(batch).await.is_err() {
            break;
        }
        if safe.has_changed().unwrap_or(false) {
            tell(&mut source, &mut safe).await;
        }
    }
    // The producer sees the end, and has more to say until it ends itself.
    drop(batches);
    while safe.changed().await.is_ok() {
        tell(&mut source, &mut safe).await;
    }
}

async fn tell(source: &mut Box<dyn Source>, safe: &mut watch::Receiver<Checkpoint>) {
    let checkpoint = safe.borrow_and_update().clone();
    source.safe(&checkpoint).await;
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::event::{Payload, Taken};

    /// Gives three events, each with its number as its checkpoint, and then nothing for ever.
    struct Three {
        given: u8,
        heard: Arc<Mutex<Vec<u8>>>,
    }

    impl Source for Three {
        fn next(&mut self) -> BoxFuture<'_, Option<Batch>> {
            Box::pin(async move {
                if self.given == 3 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    return Some(Batch::default());
                }
                self.given += 1;
                Some(Batch {
                    events: vec![Taken::now(Payload::Canary)],
                    checkpoint: Checkpoint(vec![self.given]),
                })
            })
        }

        fn safe<'a>(&'a mut self, checkpoint: &'a Checkpoint) -> BoxFuture<'a, ()> {
            self.heard.lock().expect("no panic").extend(&checkpoint.0);
            Box::pin(std::future::ready(()))
        }
    }

    #[tokio::test]
    async fn a_source_hears_what_is_safe_while_it_waits_and_at_its_end() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut running = start(Box::new(Three {
            given: 0,
            heard: Arc::clone(&heard),
        }));
        let mut batches = Vec::new();
        while batches.len() < 3 {
            assert!(running.take(&mut batches, 16).await > 0);
        }
        running.safe(batches[1].checkpoint.clone());
        while heard.lock().expect("no panic").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        running.stop();
        running.safe(batches[2].checkpoint.clone());
        running.end().await;
        assert_eq!(*heard.lock().expect("no panic"), [2, 3]);
    }
}
