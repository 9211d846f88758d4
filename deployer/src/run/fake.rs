//! A world in memory for tests: nodes are their facts, and every action changes them as it would change a machine. Refuses what a
//! machine would refuse (an owner that does not exist, a unit without its file), fails or dies at a chosen step, and
//! notes when two brokers were away at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::json;

use super::{Executor, StepError};
use crate::facts::{Facts, FileFact, Query, System, UnitFact};
use crate::host::{HostError, Line};
use crate::step::{self, Access, Action, Manifest};
use crate::{firewall, hosts_table};

/// The world.
#[derive(Debug, Default)]
pub struct FakeWorld {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    nodes: BTreeMap<String, Facts>,
    unreachable: BTreeSet<String>,
    topics: BTreeMap<String, u32>,
    databases: BTreeSet<String>,
    /// Brokers that were restarted and that nobody has waited for since.
    rejoining: BTreeSet<String>,
    violations: Vec<String>,
    log: Vec<String>,
    asked: usize,
    process_ids: u32,
    fails_in: Option<usize>,
    dies_in: Option<usize>,
}

impl FakeWorld {
    /// A world of fresh Debian machines.
    pub fn new<'a>(nodes: impl IntoIterator<Item = &'a str>) -> Self {
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
    pub fn add(&self, node: &str) {
        let system = System {
            os: "debian".into(),
            version: "12".into(),
            codename: "bookworm".into(),
            architecture: "x86_64".into(),
            libc: "2.36".into(),
            memory_mib: 2048,
            disk_free_mib: 20_000,
            clock_skew_ms: 0,
        };
        let fresh = Facts {
            system,
            ..Facts::default()
        };
        self.state().nodes.insert(node.into(), fresh);
    }

    /// Takes a machine away with its data; topics live with ZooKeeper, databases with CouchDB.
    pub fn lose(&self, node: &str) {
        let mut state = self.state();
        let lost = state.nodes.remove(node).unwrap_or_default();
        if lost.units.keys().any(|unit| is(unit, "zookeeper")) {
            state.topics.clear();
        }
        if lost.units.keys().any(|unit| is(unit, "couchdb")) {
            state.databases.clear();
        }
    }

    /// Makes a machine silent, or lets it answer again.
    pub fn reachable(&self, node: &str, reachable: bool) {
        let mut state = self.state();
        if reachable {
            state.unreachable.remove(node);
        } else {
            state.unreachable.insert(node.into());
        }
    }

    /// Changes a machine behind the deployer's back.
    pub fn edit(&self, node: &str, change: impl FnOnce(&mut Facts)) {
        if let Some(facts) = self.state().nodes.get_mut(node) {
            change(facts);
        }
    }

    /// Removes a topic behind the deployer's back.
    pub fn remove_topic(&self, topic: &str) {
        self.state().topics.remove(topic);
    }

    /// Lets the action after `done` further ones fail, once, with nothing done.
    pub fn fail_after(&self, done: usize) {
        self.state().fails_in = Some(done);
    }

    /// Ends the deployer after `done` further actions: whatever it asks or does then fails, until [`FakeWorld::revive`].
    pub fn die_after(&self, done: usize) {
        self.state().dies_in = Some(done);
    }

    /// Starts the deployer again; whether it had died.
    pub fn revive(&self) -> bool {
        self.state().dies_in.take() == Some(0)
    }

    /// What was done, in order: `vm2: start kafka.service`.
    pub fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    /// How many questions were answered.
    pub fn asked(&self) -> usize {
        self.state().asked
    }

    /// Moments in which two brokers were away at once because of us.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// All facts of a node, whether asked for or not.
    pub fn facts(&self, node: &str) -> Facts {
        self.state().nodes.get(node).cloned().unwrap_or_default()
    }

    /// Asks a node, as [`Executor::ask`].
    pub fn ask_now(&self, node: &str, query: &Query) -> Result<Facts, HostError> {
        let mut state = self.state();
        state.reach(node)?;
        state.asked += 1;
        Ok(state.answer(node, query))
    }

    /// Asks all nodes that exist and answer.
    pub fn ask_all(&self, queries: &BTreeMap<String, Query>) -> BTreeMap<String, Facts> {
        queries
            .iter()
            .filter_map(|(node, query)| Some((node.clone(), self.ask_now(node, query).ok()?)))
            .collect()
    }

    /// Does an action, as [`Executor::apply`].
    pub fn apply_now(&self, node: &str, action: &Action) -> Result<(), StepError> {
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

    async fn apply(
        &self,
        node: &str,
        action: &Action,
        line: Line<'_>,
    ) -> Result<(), StepError> {
        line("in memory");
        self.apply_now(node, action)
    }
}

/// Whether a unit's name ends with a role's.
fn is(unit: &str, role: &str) -> bool {
    unit.strip_suffix(".service")
        .is_some_and(|name| name.ends_with(role))
}

fn failed(command: &str, output: &str) -> StepError {
    StepError::Failed {
        command: command.into(),
        status: 1,
        output: vec![output.into()],
    }
}

fn never(what: String, seconds: u64) -> StepError {
    StepError::Deadline {
        what,
        seconds,
        output: Vec::new(),
    }
}

/// The unit whose file a path is.
fn unit_of(path: &str) -> Option<&str> {
    path.strip_prefix("/etc/systemd/system/")
        .filter(|unit| !unit.contains('/'))
}

impl State {
    fn reach(&self, node: &str) -> Result<(), HostError> {
        let detail = if self.dies_in == Some(0) {
            "the deployer was killed"
        } else if self.unreachable.contains(node) || !self.nodes.contains_key(node) {
            "no such machine"
        } else {
            return Ok(());
        };
        Err(HostError::Connection {
            node: node.into(),
            detail: detail.into(),
        })
    }

    fn answer(&self, node: &str, query: &Query) -> Facts {
        let all = &self.nodes[node];
        let mut facts = all.clone();
        facts.files.retain(|path, _| query.files.contains_key(path));
        for (path, file) in &mut facts.files {
            if !query.files[path] {
                file.text = None;
            }
        }
        facts.units.retain(|unit, _| query.units.contains(unit));
        facts.packages.retain(|name| query.packages.contains(name));
        facts.users.retain(|user| query.users.contains(user));
        facts.tables.retain(|table| query.tables.contains(table));
        let manifest = facts.manifest.take();
        facts.manifest = manifest.filter(|manifest| manifest.deployment == query.deployment);
        let tool = query.pipeline.as_ref().filter(|tool| {
            all.files.contains_key(&tool.program) && all.files.contains_key(&tool.config)
        });
        facts.pipeline = tool.map(|_| self.pipeline(&query.deployment));
        facts
    }

    /// The nodes on which a unit of a role runs.
    fn running(&self, role: &str) -> Vec<&str> {
        self.nodes
            .iter()
            .filter(|(_, facts)| {
                let mut units = facts.units.iter();
                units.any(|(unit, fact)| is(unit, role) && fact.runs())
            })
            .map(|(node, _)| node.as_str())
            .collect()
    }

    fn pipeline(&self, deployment: &str) -> serde_json::Value {
        let brokers: Vec<(usize, &String)> = self
            .nodes
            .iter()
            .filter(|(_, facts)| facts.units.keys().any(|unit| is(unit, "kafka")))
            .map(|(node, _)| node)
            .enumerate()
            .collect();
        let running = self.running("kafka");
        let is_running = |node: &String| running.contains(&node.as_str());
        let replicas: Vec<usize> = brokers.iter().map(|(id, _)| id + 1).collect();
        let isr: Vec<usize> = brokers
            .iter()
            .filter(|(_, node)| is_running(node) && !self.rejoining.contains(*node))
            .map(|(id, _)| id + 1)
            .collect();
        let partition = |id| json!({"id": id, "leader": isr.first().map_or(-1, |id| i64::try_from(*id).unwrap_or(-1)), "replicas": replicas, "isr": isr});
        let topics: Vec<_> = self
            .topics
            .iter()
            .map(|(name, count)| {
                let partitions: Vec<_> = (0..*count).map(partition).collect();
                json!({"name": name, "partitions": partitions, "messages": 0, "lag": 0})
            })
            .collect();
        let members: Vec<_> = brokers
            .iter()
            .filter(|(_, node)| is_running(node))
            .map(|(id, node)| {
                json!({"id": id + 1, "host": format!("{node}.{deployment}.internal"), "port": 9092})
            })
            .collect();
        let (kafka, couchdb) = (!running.is_empty(), !self.running("couchdb").is_empty());
        let error = |reachable: bool| (!reachable).then_some("connection refused");
        let databases: Vec<_> = self
            .databases
            .iter()
            .map(|name| {
                json!({"name": name, "topic": name, "documents": 0, "newest": null, "dead_letters": 0})
            })
            .collect();
        json!({
            "kafka": {"reachable": kafka, "error": error(kafka), "brokers": members,
                "topics": if kafka { topics } else { Vec::new() }},
            "couchdb": {"reachable": couchdb, "error": error(couchdb), "vendor": "fake",
                "databases": if couchdb { databases } else { Vec::new() }},
        })
    }

    fn node(&mut self, node: &str) -> &mut Facts {
        self.nodes.entry(node.into()).or_default()
    }

    fn file(
        &mut self,
        node: &str,
        path: &str,
        access: &Access,
        file: FileFact,
    ) -> Result<(), StepError> {
        let facts = self.node(node);
        for name in [&access.owner, &access.group] {
            if name != "root" && !facts.users.contains(name) {
                return Err(failed("chown", &format!("invalid user or group: '{name}'")));
            }
        }
        let file = FileFact {
            owner: access.owner.clone(),
            group: access.group.clone(),
            mode: access.mode,
            ..file
        };
        facts.files.insert(path.into(), file);
        if let Some(unit) = unit_of(path) {
            facts.units.entry(unit.into()).or_default().loaded = true;
        }
        Ok(())
    }

    #[deny(clippy::wildcard_enum_match_arm)]
    fn apply(&mut self, node: &str, action: &Action) -> Result<(), StepError> {
        match action {
            Action::WriteManifest { manifest } => self.node(node).manifest = Some(manifest.clone()),
            Action::InstallPackages { packages } => {
                let there = &mut self.node(node).packages;
                for entry in packages {
                    let mut names = entry.split('|').map(str::trim);
                    if !names.clone().any(|name| there.contains(name)) {
                        there.extend(names.next().map(str::to_owned));
                    }
                }
            }
            Action::InstallCouchdbPackage { .. } => {
                for path in [step::COUCHDB_KEYRING, step::COUCHDB_SOURCES] {
                    let access = Access::root("root", 0o644);
                    self.file(node, path, &access, FileFact::default())?;
                }
                let facts = self.node(node);
                facts.packages.insert(step::COUCHDB_PACKAGE.into());
                facts.users.insert("couchdb".into());
                facts
                    .units
                    .entry("couchdb.service".into())
                    .or_default()
                    .loaded = true;
            }
            Action::CreateUser { user, .. } => {
                self.node(node).users.insert(user.clone());
            }
            Action::CreateDirectory { path, access, .. } => {
                self.file(node, path, access, directory())?;
            }
            Action::WriteFile {
                path,
                content,
                access,
            } => self.file(node, path, access, text(content))?,
            Action::SeedFile {
                path,
                content,
                access,
            } => {
                if !self.node(node).files.contains_key(path) {
                    self.file(node, path, access, text(content))?;
                }
            }
            Action::UploadFile {
                sha256,
                path,
                access,
                ..
            } => {
                let sha256 = sha256.clone();
                let file = FileFact {
                    sha256,
                    ..FileFact::default()
                };
                self.file(node, path, access, file)?;
            }
            Action::UnpackArchive {
                identity,
                path,
                access,
                ..
            } => {
                self.remove_below(node, path);
                self.file(node, path, access, directory())?;
                let mark = FileFact {
                    sha256: step::sha256(step::archive_mark(identity).as_bytes()),
                    ..FileFact::default()
                };
                self.file(node, &step::archive_marker(path), access, mark)?;
            }
            Action::WriteHostsTable { entries, .. } => {
                self.node(node).hosts_block = Some(hosts_table::block_text(entries));
            }
            Action::WriteFirewall {
                table,
                ports,
                members,
            } => {
                let rules = step::Content::open(firewall::ruleset(table, ports, members));
                let access = Access::root("root", 0o644);
                self.file(node, &firewall::rules_path(table), &access, text(&rules))?;
                let unit = step::Content::open(firewall::unit_text(table));
                self.file(node, &firewall::unit_path(table), &access, text(&unit))?;
                let facts = self.node(node);
                facts.tables.insert(table.clone());
                let fact = facts.units.entry(firewall::unit(table)).or_default();
                fact.enabled = true;
                fact.active = "active".into();
            }
            Action::StartUnit { unit, reads, .. } => self.start(node, unit, reads)?,
            Action::WaitForPort {
                port,
                unit,
                seconds,
            } => {
                let facts = self.node(node);
                if !facts.units.get(unit).is_some_and(UnitFact::runs) {
                    let what = format!("{node}: nothing listens on port {port}");
                    return Err(never(what, *seconds));
                }
                facts.ports.insert(*port, unit.clone());
            }
            Action::PreparePipeline {
                topics, databases, ..
            } => {
                for (role, needed) in [
                    ("kafka", !topics.is_empty()),
                    ("couchdb", !databases.is_empty()),
                ] {
                    if needed && self.running(role).is_empty() {
                        return Err(never(format!("{node}: no {role} answers"), 120));
                    }
                }
                for (name, partitions) in topics {
                    let there = self.topics.entry(name.clone()).or_default();
                    *there = (*there).max(*partitions);
                }
                self.databases.extend(databases.iter().cloned());
                self.rejoining.clear();
            }
            Action::WaitInSync { brokers, .. } => {
                if self.running("kafka").len() < *brokers {
                    return Err(never(format!("{node}: a broker is missing"), 120));
                }
                self.rejoining.clear();
            }
            Action::StopUnit { unit } => self.stop(node, unit),
            Action::RemoveFile { path } => {
                let facts = self.node(node);
                facts.files.remove(path);
                if let Some(unit) = unit_of(path) {
                    facts.units.remove(unit);
                }
                let manifest = facts.manifest.take();
                facts.manifest =
                    manifest.filter(|manifest| *path != Manifest::path(&manifest.deployment));
            }
            Action::RemoveDirectory { path, .. } => self.remove_below(node, path),
            Action::RemoveEmptyDirectory { path } => {
                let files = &mut self.node(node).files;
                let inside = format!("{path}/");
                if !files.keys().any(|path| path.starts_with(&inside)) {
                    files.remove(path);
                }
            }
            Action::RemoveUser { user } => {
                self.node(node).users.remove(user);
            }
            Action::RemoveHostsTable { .. } => self.node(node).hosts_block = None,
            Action::RemoveFirewall { table } => {
                let facts = self.node(node);
                facts.tables.remove(table);
                facts.files.remove(&firewall::rules_path(table));
                facts.files.remove(&firewall::unit_path(table));
                facts.units.remove(&firewall::unit(table));
            }
        }
        Ok(())
    }

    fn remove_below(&mut self, node: &str, path: &str) {
        let inside = format!("{path}/");
        let files = &mut self.node(node).files;
        files.retain(|other, _| other != path && !other.starts_with(&inside));
    }

    fn start(
        &mut self,
        node: &str,
        unit: &str,
        reads: &BTreeMap<String, String>,
    ) -> Result<(), StepError> {
        self.process_ids += 1;
        let process_id = 1000 + self.process_ids;
        let facts = self.node(node);
        let loaded: BTreeMap<String, String> = reads
            .keys()
            .filter_map(|path| Some((path.clone(), facts.files.get(path)?.sha256.clone())))
            .collect();
        let Some(fact) = facts.units.get_mut(unit).filter(|fact| fact.loaded) else {
            let command = format!("systemctl enable {unit}");
            return Err(failed(&command, "Unit could not be found."));
        };
        fact.enabled = true;
        let ran = fact.runs();
        if ran && fact.reads == *reads {
            return Ok(());
        }
        fact.active = "active".into();
        fact.sub = "running".into();
        fact.main_pid = process_id;
        fact.reads = loaded;
        if is(unit, "kafka") && ran {
            let others: Vec<&String> = self
                .rejoining
                .iter()
                .filter(|other| *other != node)
                .collect();
            if !others.is_empty() {
                let words = format!("{node} restarted while {others:?} was not in sync");
                self.violations.push(words);
            }
            self.rejoining.insert(node.into());
        }
        Ok(())
    }

    fn stop(&mut self, node: &str, unit: &str) {
        self.rejoining.remove(node);
        let facts = self.node(node);
        facts.ports.retain(|_, owner| owner != unit);
        if let Some(fact) = facts.units.get_mut(unit) {
            *fact = UnitFact {
                loaded: fact.loaded,
                active: "inactive".into(),
                sub: "dead".into(),
                ..UnitFact::default()
            };
        }
    }
}

fn directory() -> FileFact {
    FileFact {
        directory: true,
        ..FileFact::default()
    }
}

fn text(content: &step::Content) -> FileFact {
    FileFact {
        sha256: content.sha256(),
        text: (!content.secret).then(|| content.text.clone()),
        ..FileFact::default()
    }
}
