//! Any interleaving of crashes, replies and second consumers makes each event one document, written once.
//!
//! The writer works on the double's database without a network and with a clock that only jumps, so that thousands of
//! courses take seconds. A course is all in its seed, which a failure shows.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use agent::config::Topic;
use agent::consumer::Metrics;
use agent::consumer::writer::Writer;
use agent::sink::Record;
use agent::sink::couchdb::{Documents, Row, Store, Trouble};
use agent::sink::document::Document;
use agent::sink::document::document;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::double::Database;

const COURSES: u64 = 800;
/// The largest document of this store.
const LARGEST: usize = 500;

/// A store whose replies go wrong by chance, a limited number of times.
struct Unsure {
    state: Mutex<State>,
    crash: Notify,
}

struct State {
    chance: StdRng,
    mishaps: u32,
    databases: BTreeMap<String, Database>,
}

impl Unsure {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Ends the process, as its caller sees it: this never returns.
    async fn crash<T>(&self) -> T {
        self.crash.notify_one();
        std::future::pending().await
    }
}

impl State {
    /// Returns which of some mishaps happens now, if one does.
    fn mishap(&mut self, kinds: u32) -> Option<u32> {
        if self.mishaps == 0 || self.chance.random_bool(0.4) {
            return None;
        }
        self.mishaps -= 1;
        Some(self.chance.random_range(0..kinds))
    }
}

fn away() -> Trouble {
    Trouble::Away("by chance".into())
}

impl Store for &'static Unsure {
    async fn put(
        &self,
        database: &str,
        documents: &[&Document],
    ) -> Result<HashMap<String, Row>, Trouble> {
        // Others get their turn in between.
        tokio::task::yield_now().await;
        let (mishap, mut rows) = {
            let mut state = self.state();
            let mishap = state.mishap(8);
            match mishap {
                Some(0) => return Err(away()),
                Some(1) => return Err(Trouble::Denied("by chance".into())),
                _ => {}
            }
            let values: Vec<Value> = documents
                .iter()
                .map(|document| serde_json::from_str(&document.json).unwrap())
                .collect();
            let stored = match mishap {
                Some(2) => 0,
                Some(3..=5) => state.chance.random_range(0..=values.len()),
                _ => values.len(),
            };
            let database = state.databases.get_mut(database).unwrap();
            if Database::refusal(&values, LARGEST).is_some() {
                return Err(Trouble::Rejected("one is too large".into()));
            }
            let mut rows = HashMap::new();
            for (index, value) in values.into_iter().enumerate() {
                let id = value["_id"].as_str().unwrap().to_owned();
                let row = if index >= stored {
                    Row::Failed("by chance".into())
                } else if database.put(value).get("ok").is_some() {
                    Row::Stored
                } else {
                    Row::Conflict
                };
                assert!(
                    rows.insert(id, row).is_none(),
                    "an id is twice in a request"
                );
            }
            (mishap, rows)
        };
        match mishap {
            // A part or all is stored, and then: a crash, a lost answer, an answer without a row, an answer row by row.
            Some(2 | 3 | 6) => self.crash().await,
            Some(4) => Err(away()),
            Some(7) => {
                let id = documents[0].id.clone();
                rows.remove(&id);
                Ok(rows)
            }
            _ => Ok(rows),
        }
    }

    async fn get(&self, database: &str, ids: &[&str]) -> Result<HashMap<String, Value>, Trouble> {
        tokio::task::yield_now().await;
        let mishap = self.state().mishap(2);
        match mishap {
            Some(0) => Err(away()),
            Some(_) => self.crash().await,
            None => {
                let state = self.state();
                let found = ids
                    .iter()
                    .filter_map(|id| Some(((*id).to_owned(), state.databases[database].get(id)?)));
                Ok(found.collect())
            }
        }
    }
}

/// Makes a partition's records: our events, some sent twice, and others that fit or never will.
fn partition(chance: &mut StdRng) -> Vec<Record> {
    let mut sequence = 0;
    let value = |chance: &mut StdRng| match chance.random_range(0..10) {
        0 => "[1]".to_owned(),
        1 => "no JSON".to_owned(),
        2 => json!({"large": "x".repeat(LARGEST)}).to_string(),
        kind => {
            if kind > 4 || sequence == 0 {
                sequence += 1;
            }
            json!({"schema": 1, "client": "c", "run": "r", "sequence": sequence}).to_string()
        }
    };
    let mut value = value;
    let record = |offset| Record {
        partition: 0,
        offset,
        timestamp: None,
        key: None,
        value: Some(value(chance).into_bytes()),
        ..Record::default()
    };
    (0..30).map(record).collect()
}

async fn course(seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    let records = partition(&mut chance);
    let topic = Topic {
        name: "t1".into(),
        database: "t1".into(),
        epoch: "e0".into(),
        canary: false,
    };
    let databases = ["t1", "t1-dead-letters"];
    let store: &'static Unsure = Box::leak(Box::new(Unsure {
        state: Mutex::new(State {
            mishaps: chance.random_range(0..15),
            chance: StdRng::seed_from_u64(seed + 1),
            databases: databases
                .map(|name| (name.to_owned(), Database::default()))
                .into(),
        }),
        crash: Notify::new(),
    }));
    let writer = Writer::new(Box::new(Documents::new(store)), Metrics::default());
    let (mut committed, mut position) = (0, 0);
    while position < records.len() {
        let end = (position + chance.random_range(1..10)).min(records.len());
        let batch = &records[position..end];
        // Another consumer that has not heard yet that the partition is ours.
        let other = &records[chance.random_range(0..=position)..end];
        let both = chance.random_bool(0.3);
        let written = async {
            if both {
                tokio::join!(writer.write(&topic, batch), writer.write(&topic, other));
            } else {
                writer.write(&topic, batch).await;
            }
        };
        tokio::select! {
            () = store.crash.notified() => position = committed,
            () = written => {
                position = end;
                // Offsets are committed from time to time.
                if chance.random_bool(0.5) {
                    committed = position;
                }
            }
        }
    }
    let (mut expected, mut letters) = (BTreeMap::new(), Vec::new());
    for record in &records {
        match document("t1", "e0", record) {
            Ok(made) if made.json.len() <= LARGEST => {
                let mut body: Value = serde_json::from_str(&made.json).unwrap();
                body.as_object_mut().unwrap().remove("_id");
                expected.insert(made.id, body);
            }
            _ => letters.push(format!("e0-0000-{:012x}", record.offset)),
        }
    }
    let state = store.state();
    let [documents, dead] = databases.map(|name| &state.databases[name]);
    assert_eq!(documents.live(), expected, "seed {seed}");
    assert!(dead.live().keys().eq(&letters), "seed {seed}");
    for database in [documents, dead] {
        let writes = database.last_sequence();
        assert_eq!(
            writes,
            database.live().len() as u64,
            "seed {seed}: written twice"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_event_is_one_document_in_any_course() {
    for seed in 0..COURSES {
        tokio::time::timeout(std::time::Duration::from_hours(24), course(seed))
            .await
            .unwrap_or_else(|_| panic!("seed {seed} comes to no end"));
    }
}
