//! A world in memory for tests: nodes are their facts, and every action changes them as it would change a machine. Refuses what a
//! machine would refuse (an owner that does not exist, a unit without its file), fails or dies at a chosen step, and
//! notes when two brokers were away at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use deployer::facts::{Facts, Query, System};
use deployer::host::{HostError, Line};
use deployer::run::{Executor, StepError};
use deployer::step::Action;

mod state;

use state::{State, failed, is};

/// The world.
#[derive(Debug, Default)]
pub(crate) struct FakeWorld {
    state: Mutex<State>,
}

impl FakeWorld {
    /// A world of fresh Debian machines.
    pub(crate) fn new<'a>(nodes: impl IntoIterator<Item = &'a str>) -> Self {
        let world = Self::default();
        for node in nodes {
            world.add(node);
        }
        world
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a fresh machine, or puts one in another's place.
    pub(crate) fn add(&self, node: &str) {
        let system = System {
            os: "debian".into(),
            version: "12".into(),
            codename: "bookworm".into(),
            architecture: "x86_64".into(),
            libc: "2.36".into(),
            foreign_init: false,
            filters: Default::default(),
            memory_mib: 2048,
            disk_free_mib: 20_000,
            software_free_mib: Some(20_000),
            software_noexec: false,
            unwritable: Vec::new(),
            closed: BTreeMap::new(),
            clock_skew_ms: 0,
        };
        let fresh = Facts {
            system,
            ..Facts::default()
        };
        self.state().nodes.insert(node.into(), fresh);
    }

    /// Takes a machine away with its data: databases live with CouchDB, topics with ZooKeeper, though brokers go on to tell of
    /// them until another ZooKeeper starts.
    pub(crate) fn lose(&self, node: &str) {
        let mut state = self.state();
        let lost = state.nodes.remove(node).unwrap_or_default();
        if lost.units.keys().any(|unit| is(unit, "zookeeper")) {
            state.zookeeper_is_new = true;
        }
        if lost.units.keys().any(|unit| is(unit, "couchdb")) {
            state.databases.clear();
        }
    }

    /// Makes a machine silent, or lets it answer again.
    pub(crate) fn reachable(&self, node: &str, reachable: bool) {
        let mut state = self.state();
        if reachable {
            state.unreachable.remove(node);
        } else {
            state.unreachable.insert(node.into());
        }
    }

    /// Changes a machine behind the deployer's back.
    pub(crate) fn edit(&self, node: &str, change: impl FnOnce(&mut Facts)) {
        if let Some(facts) = self.state().nodes.get_mut(node) {
            change(facts);
        }
    }

    /// Removes a topic behind the deployer's back.
    pub(crate) fn remove_topic(&self, topic: &str) {
        let mut state = self.state();
        state.topics.remove(topic);
        state.settings.remove(topic);
    }

    /// Sets a setting of a topic behind the deployer's back.
    pub(crate) fn alter_topic(&self, topic: &str, key: &str, value: &str) {
        let mut state = self.state();
        let settings = state.settings.entry(topic.into()).or_default();
        settings.insert(key.into(), value.into());
    }

    /// Lets brokers be asked where none listens until it is started anew.
    pub(crate) fn ask_in_vain(&self) {
        let mut state = self.state();
        let brokers = state.running("kafka").into_iter().map(str::to_owned);
        state.cut_off = brokers.collect();
        state.unasked = true;
    }

    /// Lets the action after `done` further ones fail, once, with nothing done.
    pub(crate) fn fail_after(&self, done: usize) {
        self.state().fails_in = Some(done);
    }

    /// Ends the deployer after `done` further actions: whatever it asks or does then fails, until [`FakeWorld::revive`].
    pub(crate) fn die_after(&self, done: usize) {
        self.state().dies_in = Some(done);
    }

    /// Starts the deployer again; whether it had died.
    pub(crate) fn revive(&self) -> bool {
        self.state().dies_in.take() == Some(0)
    }

    /// What was done, in order: `vm2: start kafka.service`.
    pub(crate) fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    /// Moments in which two brokers were away at once because of us.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// All facts of a node, whether asked for or not.
    pub(crate) fn facts(&self, node: &str) -> Facts {
        self.state().nodes.get(node).cloned().unwrap_or_default()
    }

    /// Asks a node, as [`Executor::ask`].
    pub(crate) fn ask_now(&self, node: &str, query: &Query) -> Result<Facts, HostError> {
        let state = self.state();
        state.reach(node)?;
        Ok(state.answer(node, query))
    }

    /// Asks all nodes that exist and answer.
    pub(crate) fn ask_all(&self, queries: &BTreeMap<String, Query>) -> BTreeMap<String, Facts> {
        queries
            .iter()
            .filter_map(|(node, query)| Some((node.clone(), self.ask_now(node, query).ok()?)))
            .collect()
    }

    /// Does an action, as [`Executor::apply`].
    pub(crate) fn apply_now(&self, node: &str, action: &Action) -> Result<(), StepError> {
        let mut state = self.state();
        state.reach(node)?;
        if let Some(done) = state.fails_in {
            state.fails_in = done.checked_sub(1);
            if done == 0 {
                return Err(failed("injected", "a failure for the test"));
            }
        }
        state.apply(node, action)?;
        state.log.push(format!("{node}: {}", action.describe()));
        if let Some(done) = &mut state.dies_in {
            *done = done.saturating_sub(1);
        }
        Ok(())
    }
}

#[async_trait]
impl Executor for FakeWorld {
    async fn ask(&self, node: &str, query: &Query) -> Result<Facts, HostError> {
        self.ask_now(node, query)
    }

    async fn apply(&self, node: &str, action: &Action, line: Line<'_>) -> Result<(), StepError> {
        line("in memory");
        self.apply_now(node, action)
    }
}
