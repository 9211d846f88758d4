//! A strict double of `CouchDB` 3.5's answers, on loopback: true statuses, whole-batch refusals, conflicts by real
//! comparison, members, changes; and faults on demand.

mod database;
mod http;
mod routes;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

pub use database::Database;

/// What goes wrong with a request that writes documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request is answered with this status and nothing is stored.
    Status(u16),
    /// Everything is stored, the answer says "accepted by too few copies".
    BelowQuorum,
    /// The connection is reset before anything is stored.
    ResetBefore,
    /// Everything is stored, then the connection is reset: the answer is lost.
    ResetAfter,
    /// A part is stored, then the server fails.
    HalfThen500,
    /// A part is stored, and the rest answered as failed one by one.
    HalfRowsFail,
    /// The answer lacks the row of the first document, which is stored.
    RowMissing,
}

/// The double's memory.
pub struct State {
    pub databases: BTreeMap<String, Database>,
    /// Passwords by user.
    pub users: HashMap<String, String>,
    pub admin: (String, String),
    /// Faults of the next requests that write, in their order.
    pub faults: VecDeque<Fault>,
    /// What goes wrong with every write until this is taken away.
    pub lasting: Option<Fault>,
    /// Whether requests wait for their answer.
    pub hangs: bool,
    /// Whether who waits for news is never answered.
    pub deaf: bool,
    /// Whether rows are answered in another order than asked.
    pub shuffled: bool,
    /// The largest document, in bytes.
    pub max_document: usize,
    /// Every answer: method, path, status (0 is a reset).
    pub log: Vec<(String, String, u16)>,
}

/// A running double; its end ends the server.
pub struct Double {
    pub url: String,
    state: Arc<Mutex<State>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Double {
    /// Starts a double with the administrator `admin`/`adminpw` and nothing else.
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            databases: BTreeMap::new(),
            users: HashMap::new(),
            admin: ("admin".into(), "adminpw".into()),
            faults: VecDeque::new(),
            lasting: None,
            hangs: false,
            deaf: false,
            shuffled: true,
            max_document: 8_000_000,
            log: Vec::new(),
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serve = http::serve(listener, Arc::clone(&state));
        runtime.spawn(serve);
        Self {
            url,
            state,
            runtime: Some(runtime),
        }
    }

    /// Starts a double with the user `consumer`/`sesame` as the member of these databases and their dead letters.
    pub fn with_databases(names: &[&str]) -> Self {
        let double = Self::start();
        double
            .state()
            .users
            .insert("consumer".into(), "sesame".into());
        for name in names {
            double.make(name);
            double.make(&format!("{name}-dead-letters"));
        }
        double
    }

    /// Makes a database whose member is `consumer`.
    pub fn make(&self, name: &str) {
        let mut database = Database::default();
        database.members.push("consumer".into());
        self.state().databases.insert(name.into(), database);
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Makes the next writes fail so.
    pub fn fail_next(&self, faults: &[Fault]) {
        self.state().faults.extend(faults);
    }

    /// Returns the documents of a database, without `CouchDB`'s revision.
    pub fn documents(&self, database: &str) -> BTreeMap<String, Value> {
        self.state()
            .databases
            .get(database)
            .map(Database::live)
            .unwrap_or_default()
    }

    /// Returns how many documents a database has.
    pub fn count(&self, database: &str) -> usize {
        self.state()
            .databases
            .get(database)
            .map_or(0, Database::count)
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        // A runtime must not wait for its end inside of another one, which a test may be.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
