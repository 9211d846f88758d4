//! Sources that make their events up: the same seed gives the same events, and a restart goes on where they were.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Batch, Checkpoint, Source, Start};
use crate::event::{Payload, Taken};

/// The most events of a batch.
const MOST: usize = 500;
/// Events that come later than this are not made up for: nobody has waited for them.
const LATE: Duration = Duration::from_secs(1);
/// The longest time between two events.
const LONGEST: u64 = 86_400_000;

/// Makes events up. What it must remember of those it made are its fields.
pub(super) trait Generator: Debug + Serialize + DeserializeOwned + Send + 'static {
    /// By what a run of it is known.
    const NAME: &'static str;

    /// Begins.
    fn new(seed: u64) -> Self;

    /// Makes the next event, which is of this moment; `None` is the end. Chance is another one for each event.
    fn make(&mut self, chance: &mut ChaCha8Rng, at: Timestamp) -> Option<Payload>;

    /// How long it is to the next event, where nobody has said.
    fn pause(chance: &mut ChaCha8Rng) -> Duration;
}

/// What is asked of a generator: how fast events come, and which.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default, bound = "")]
pub(super) struct Settings<G> {
    /// The same seed gives the same events; without one they are others in each run.
    seed: Option<u64>,
    /// Milliseconds from one event to the next; 0: as fast as they can be sent.
    interval_ms: Option<u64>,
    #[serde(skip)]
    generator: PhantomData<fn() -> G>,
}

impl<G> Default for Settings<G> {
    fn default() -> Self {
        Self {
            seed: None,
            interval_ms: None,
            generator: PhantomData,
        }
    }
}

impl<G: Generator> super::Settings for Settings<G> {
    fn check(&self) -> Result<(), (String, String)> {
        if self.interval_ms.is_none_or(|interval| interval <= LONGEST) {
            return Ok(());
        }
        let problem = "must be at most a day".to_owned();
        Err(("source.interval_ms".to_owned(), problem))
    }

    /// What makes a run this run; its pace does not.
    fn identity(&self, count: u64) -> String {
        let seed = self.seed.map_or_else(String::new, |seed| seed.to_string());
        format!("{} {count} {seed}", G::NAME)
    }

    fn open(&self, start: Start) -> Box<dyn Source> {
        Box::new(Generated::<G> {
            made: Made::read(&start.checkpoint, self.seed),
            interval: self.interval_ms.map(Duration::from_millis),
            due: Instant::now(),
        })
    }
}

/// The events made so far.
#[derive(Debug, Serialize, Deserialize)]
struct Made<G> {
    seed: u64,
    events: u64,
    generator: G,
}

impl<G: Generator> Made<G> {
    fn new(seed: Option<u64>) -> Self {
        let seed = seed.unwrap_or_else(rand::random);
        Self {
            seed,
            events: 0,
            generator: G::new(seed),
        }
    }

    fn read(checkpoint: &Checkpoint, seed: Option<u64>) -> Self {
        if checkpoint.is_empty() {
            return Self::new(seed);
        }
        serde_json::from_slice(&checkpoint.0).unwrap_or_else(|error| {
            tracing::error!(%error, "where the source was is not understood; it begins again");
            Self::new(seed)
        })
    }

    fn checkpoint(&self) -> Checkpoint {
        #[expect(clippy::expect_used, reason = "numbers always have a JSON form")]
        let text = serde_json::to_vec(self).expect("numbers are JSON");
        Checkpoint(text)
    }

    /// Makes the next event, and says how long it is to the one after it.
    fn next(&mut self, at: Timestamp) -> Option<(Payload, Duration)> {
        // A stream for each event, so that a restart needs to know no more than its number.
        let mut chance = ChaCha8Rng::seed_from_u64(self.seed);
        chance.set_stream(self.events);
        let pause = G::pause(&mut chance);
        let payload = self.generator.make(&mut chance, at)?;
        self.events += 1;
        Some((payload, pause))
    }
}

/// A generator at work.
struct Generated<G> {
    made: Made<G>,
    /// Between events; `None`: as the generator says.
    interval: Option<Duration>,
    /// When the next event is due.
    due: Instant,
}

impl<G: Generator> Generated<G> {
    async fn take(&mut self) -> Option<Batch> {
        tokio::time::sleep_until(self.due).await;
        let now = Instant::now();
        if now - self.due > LATE {
            self.due = now;
        }
        let mut events = Vec::new();
        while self.due <= now && events.len() < MOST {
            let at = Timestamp::now();
            let Some((payload, pause)) = self.made.next(at) else {
                break;
            };
            events.push(Taken { at, payload });
            self.due += self.interval.unwrap_or(pause);
        }
        (!events.is_empty()).then(|| Batch {
            events,
            checkpoint: self.made.checkpoint(),
        })
    }
}

impl<G: Generator> Source for Generated<G> {
    fn next(&mut self) -> BoxFuture<'_, Option<Batch>> {
        Box::pin(self.take())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Makes events with a seed, all of one moment, and begins again from a checkpoint after each `restart` of them.
    pub(in crate::source) fn make<G: Generator>(
        seed: u64,
        count: usize,
        restart: usize,
    ) -> Vec<serde_json::Value> {
        let mut made = Made::<G>::new(Some(seed));
        let at = Timestamp::UNIX_EPOCH;
        let mut events = Vec::new();
        while events.len() < count {
            let Some((payload, _)) = made.next(at) else {
                break;
            };
            events.push(serde_json::to_value(payload).expect("is JSON"));
            if events.len() % restart == 0 {
                made = Made::read(&made.checkpoint(), Some(seed + 1));
            }
        }
        events
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Numbers(u64);

    impl Generator for Numbers {
        const NAME: &'static str = "Numbers";

        fn new(_: u64) -> Self {
            Self(0)
        }

        fn make(&mut self, _: &mut ChaCha8Rng, _: Timestamp) -> Option<Payload> {
            self.0 += 1;
            let line = self.0.to_string();
            (self.0 <= 2000).then_some(Payload::Line { line })
        }

        fn pause(_: &mut ChaCha8Rng) -> Duration {
            Duration::from_millis(250)
        }
    }

    fn open(interval_ms: Option<u64>) -> Box<dyn Source> {
        let settings = Settings::<Numbers> {
            interval_ms,
            ..Settings::default()
        };
        super::super::Settings::open(&settings, Start::default())
    }

    #[tokio::test(start_paused = true)]
    async fn events_come_as_fast_as_asked_and_are_not_made_up_for() {
        for (interval, seconds) in [(None, 500), (Some(100), 200), (Some(1), 2), (Some(0), 0)] {
            let (mut source, began) = (open(interval), Instant::now());
            let mut events = 0;
            while let Some(batch) = source.next().await {
                events += batch.events.len();
            }
            assert_eq!(events, 2000);
            let took = began.elapsed().as_millis();
            let expected = seconds * 1000;
            assert!(
                took <= expected && took + 250 >= expected,
                "{interval:?}: {took}"
            );
        }
        let mut source = open(Some(100));
        source.next().await;
        tokio::time::advance(Duration::from_mins(1)).await;
        let batch = source.next().await.expect("a batch");
        assert_eq!(batch.events.len(), 1);
    }
}
