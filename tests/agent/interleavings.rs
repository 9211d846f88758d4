//! Any interleaving of crashes, replies and second consumers makes each event one document, written once; where documents are
//! replaced, each key has one of its newest record, and never an older one after a newer one.
//!
//! The writer works on the double's database without a network and with a clock that only jumps, so that thousands of
//! courses take seconds. A course is all in its seed, which a failure shows.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

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
                let before = database.get(&id);
                let row = if index >= stored {
                    Row::Failed("by chance".into())
                } else if database.put(value).get("ok").is_some() {
                    Row::Stored
                } else {
                    Row::Conflict
                };
                let moment = |document: &Value| document["kafka"]["timestamp"].as_i64();
                let [before, after] =
                    [before, database.get(&id)].map(|found| found.as_ref().and_then(moment));
                assert!(before <= after, "{id}: an older record over a newer one");
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

const DATABASES: [&str; 2] = ["t1", "t1-dead-letters"];

fn topic(replace: bool) -> Topic {
    Topic {
        name: "t1".into(),
        database: "t1".into(),
        epoch: "e0".into(),
        canary: false,
        replace,
    }
}

fn unsure(chance: &mut StdRng, seed: u64) -> &'static Unsure {
    Box::leak(Box::new(Unsure {
        state: Mutex::new(State {
            mishaps: chance.random_range(0..15),
            chance: StdRng::seed_from_u64(seed + 1),
            databases: DATABASES
                .map(|name| (name.to_owned(), Database::default()))
                .into(),
        }),
        crash: Notify::new(),
    }))
}

async fn course(seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    let records = partition(&mut chance);
    let topic = topic(false);
    let store = unsure(&mut chance, seed);
    let writer = Writer::new(Arc::new(Documents::new(store)), Metrics::default());
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
    let [documents, dead] = DATABASES.map(|name| &state.databases[name]);
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

/// Makes the records of two partitions, one after the other in time: some keys are in both, some values never fit.
fn partitions(chance: &mut StdRng) -> [Vec<Record>; 2] {
    let mut partitions = [Vec::new(), Vec::new()];
    for number in 0..60 {
        let partition = chance.random_range(0..2);
        let records: &mut Vec<Record> = &mut partitions[partition];
        let large = "x".repeat(if chance.random_bool(0.1) { LARGEST } else { 0 });
        records.push(Record {
            partition: i32::try_from(partition).unwrap(),
            offset: i64::try_from(records.len()).unwrap(),
            timestamp: Some(number),
            key: Some(format!("k{}", chance.random_range(0..5)).into_bytes()),
            value: Some(
                json!({"n": number, "large": large})
                    .to_string()
                    .into_bytes(),
            ),
            ..Record::default()
        });
    }
    partitions
}

async fn replacing_course(seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    let partitions = partitions(&mut chance);
    let topic = topic(true);
    let store = unsure(&mut chance, seed);
    let writer = Writer::new(Arc::new(Documents::new(store)), Metrics::default());
    let (mut committed, mut positions) = ([0; 2], [0; 2]);
    while (0..2).any(|one| positions[one] < partitions[one].len()) {
        let one = chance.random_range(0..2);
        let (records, position) = (&partitions[one], positions[one]);
        let end = (position + chance.random_range(1..10)).min(records.len());
        // Another consumer: of the other partition, or of this one, and has not heard yet that it is ours.
        let of = chance.random_range(0..2);
        let until = if of == one { end } else { positions[of] };
        let other = &partitions[of][chance.random_range(0..=until)..until];
        let written = async {
            if chance.random_bool(0.5) {
                let batch = writer.write(&topic, &records[position..end]);
                tokio::join!(batch, writer.write(&topic, other));
            } else {
                writer.write(&topic, &records[position..end]).await;
            }
            chance.random_bool(0.5)
        };
        tokio::select! {
            () = store.crash.notified() => positions = committed,
            commits = written => {
                positions[one] = end;
                if commits {
                    committed = positions;
                }
            }
        }
    }
    let (mut expected, mut letters) = (BTreeMap::new(), BTreeMap::new());
    let mut all: Vec<&Record> = partitions.iter().flatten().collect();
    all.sort_by_key(|record| record.timestamp);
    for record in all {
        let Record {
            partition, offset, ..
        } = record;
        let value: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        if value["large"] == "" {
            expected.insert(record.key.clone(), value["n"].clone());
            // Those before it may be passed over before it is known that they do not fit.
            let others = letters.values_mut().filter(|(key, _)| *key == record.key);
            others.for_each(|(_, must)| *must = false);
        } else {
            let id = format!("e0-{partition:04x}-{offset:012x}");
            letters.insert(id, (record.key.clone(), true));
        }
    }
    let state = store.state();
    let [documents, dead] = DATABASES.map(|name| &state.databases[name]);
    let live = documents.live().into_iter();
    let found: BTreeMap<Option<Vec<u8>>, Value> = live
        .map(|(id, document)| (Some(id.into_bytes()), document["n"].clone()))
        .collect();
    assert_eq!(found, expected, "seed {seed}");
    let dead = dead.live();
    assert!(
        dead.keys().all(|id| letters.contains_key(id)),
        "seed {seed}"
    );
    let must = letters.iter().filter(|(_, (_, must))| *must);
    let mut must = must.map(|(id, _)| id);
    assert!(
        must.all(|id| dead.contains_key(id)),
        "seed {seed}: a record is lost"
    );
}

#[tokio::test(start_paused = true)]
async fn each_key_has_the_document_of_its_newest_record_in_any_course() {
    for seed in 0..COURSES {
        tokio::time::timeout(std::time::Duration::from_hours(24), replacing_course(seed))
            .await
            .unwrap_or_else(|_| panic!("seed {seed} comes to no end"));
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
