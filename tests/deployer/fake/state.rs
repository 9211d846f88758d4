//! What the world in memory is made of, and what every action does to it.

use std::collections::{BTreeMap, BTreeSet};

use deployer::component::consumer::Wanted;
use deployer::component::kafka;
use deployer::facts::{Facts, FileFact, Query, TableFact, UnitFact};
use deployer::host::HostError;
use deployer::rights::Right;
use deployer::run::StepError;
use deployer::step::{self, Access, Action, Content, Manifest, StateMark};
use deployer::{firewall, hosts_table};
use serde_json::json;

/// The world's state.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) nodes: BTreeMap<String, Facts>,
    pub(super) unreachable: BTreeSet<String>,
    pub(super) topics: BTreeMap<String, u32>,
    /// Topic → the settings it has of its own.
    pub(super) settings: BTreeMap<String, BTreeMap<String, String>>,
    /// User → the mark of the password, and all that they may do.
    users: BTreeMap<String, u16>,
    rights: Vec<Right>,
    /// The next ZooKeeper to start knows no topic.
    pub(super) zookeeper_is_new: bool,
    pub(super) databases: BTreeSet<String>,
    readers: BTreeMap<String, BTreeSet<String>>,
    /// Brokers that were restarted and that nobody has waited for since.
    pub(super) rejoining: BTreeSet<String>,
    /// Brokers that ask for ZooKeeper where it was before it moved, or know another authority than one that was restarted.
    pub(super) cut_off: BTreeSet<String>,
    /// Nobody is asked where a broker listens, until one is started.
    pub(super) unasked: bool,
    /// Node and unit that was started → the ports at which it listened before.
    pub(super) left: BTreeMap<(String, String), BTreeSet<u16>>,
    pub(super) violations: Vec<String>,
    pub(super) log: Vec<String>,
    pub(super) process_ids: u32,
    pub(super) fails_in: Option<usize>,
    pub(super) dies_in: Option<usize>,
}

/// Whether a unit's name ends with a role's.
pub(super) fn is(unit: &str, role: &str) -> bool {
    unit.strip_suffix(".service")
        .is_some_and(|name| name.ends_with(role))
}

pub(super) fn failed(command: &str, output: &str) -> StepError {
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
    /// Whether a node can be asked and told now.
    pub(super) fn reach(&self, node: &str) -> Result<(), HostError> {
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

    /// What a node answers.
    pub(super) fn answer(&self, node: &str, query: &Query) -> Facts {
        let all = &self.nodes[node];
        let mut facts = all.clone();
        facts
            .files
            .retain(|path, _| query.files.contains_key(path) || query.unread.contains(path));
        for (path, file) in &mut facts.files {
            if query.files.get(path) != Some(&true) {
                file.text = None;
            }
        }
        facts.units.retain(|unit, _| query.units.contains(unit));
        facts.packages.retain(|name| query.packages.contains(name));
        facts.users.retain(|user| query.users.contains(user));
        facts.tables.retain(|table, _| query.tables.contains(table));
        facts
            .archives
            .retain(|path, _| query.archives.contains(path));
        let manifest = facts.manifest.take();
        facts.manifest = manifest.filter(|manifest| manifest.deployment == query.deployment);
        let tool = query.pipeline.as_ref().filter(|tool| {
            all.files.contains_key(&tool.program) && all.files.contains_key(&tool.config)
        });
        facts.pipeline = tool.map(|_| self.pipeline(&query.deployment));
        facts
    }

    /// The nodes on which a unit of a role runs.
    pub(super) fn running(&self, role: &str) -> Vec<&str> {
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
                json!({"name": name, "partitions": partitions, "messages": 0, "lag": 0,
                    "config": self.settings.get(name).cloned().unwrap_or_default()})
            })
            .collect();
        let members: Vec<_> = brokers
            .iter()
            .filter(|(_, node)| is_running(node))
            .map(|(id, node)| {
                json!({"id": id + 1, "host": format!("{node}.{deployment}.internal"), "port": 9092})
            })
            .collect();
        let kafka = !running.is_empty() && !self.unasked;
        let couchdb = !self.running("couchdb").is_empty();
        let error = |reachable: bool| (!reachable).then_some("connection refused");
        let databases: Vec<_> = self
            .databases
            .iter()
            .map(|name| {
                json!({"name": name, "topic": name, "documents": 0, "newest": null, "dead_letters": 0,
                    "readers": self.readers.get(name).cloned().unwrap_or_default()})
            })
            .collect();
        json!({
            "kafka": {"reachable": kafka, "error": error(kafka), "brokers": members,
                "topics": if kafka { topics } else { Vec::new() },
                "users": self.users, "rights": self.rights},
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

    /// Does an action.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub(super) fn apply(&mut self, node: &str, action: &Action) -> Result<(), StepError> {
        match action {
            Action::WriteManifest { manifest } => self.node(node).manifest = Some(manifest.clone()),
            Action::InstallPackages { packages } => {
                for entry in packages {
                    let mut names = entry.split('|').map(str::trim);
                    let there = &self.node(node).packages;
                    if !names.clone().any(|name| there.contains(name))
                        && let Some(name) = names.next()
                    {
                        self.package(node, name);
                    }
                }
            }
            Action::InstallFromRepository(wanted) => {
                let line = Content::open(step::repository_line(&wanted.repository));
                let access = Access::root("root", 0o644);
                self.file(node, &wanted.keyring(), &access, text(&wanted.key))?;
                self.file(node, &wanted.sources(), &access, text(&line))?;
                self.package(node, &wanted.package);
                self.node(node).users.insert(wanted.package.clone());
            }
            Action::CreateUser { user, .. } => {
                self.node(node).users.insert(user.clone());
            }
            Action::CreateDirectory { path, access, .. } => {
                self.file(node, path, access, directory())?;
            }
            Action::OpenDirectories { paths } => {
                for path in paths {
                    self.file(node, path, &Access::root("root", 0o755), directory())?;
                }
            }
            Action::LinkFile { path, .. } => {
                let access = Access::root("root", 0o755);
                self.file(node, path, &access, FileFact::default())?;
            }
            Action::WriteFile {
                path,
                content,
                access,
                ..
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
                let archives = &mut self.node(node).archives;
                archives.insert(path.clone(), String::new());
            }
            Action::WriteHostsTable { block, entries } => {
                let lines = hosts_table::block_text(entries);
                let access = Access::root("root", 0o644);
                let kept = step::Content::open(hosts_table::marked(block, &lines));
                self.file(node, &hosts_table::kept_path(block), &access, text(&kept))?;
                let unit = step::Content::open(hosts_table::unit_text(block));
                self.file(node, &hosts_table::unit_path(block), &access, text(&unit))?;
                let facts = self.node(node);
                facts.hosts_block = Some(lines);
                let fact = facts.units.entry(hosts_table::unit(block)).or_default();
                fact.enabled = true;
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
                let loaded = TableFact {
                    rules: rules.sha256(),
                    untouched: true,
                };
                facts.tables.insert(table.clone(), loaded);
                let fact = facts.units.entry(firewall::unit(table)).or_default();
                fact.enabled = true;
            }
            Action::WriteStateCopy { deployment, digest } => {
                let (copy, access) = (Content::secret("closed"), Access::root("root", 0o600));
                let mark = StateMark {
                    version: StateMark::VERSION,
                    id: String::new(),
                    deployment: deployment.clone(),
                    number: 1,
                    digest: digest.clone().unwrap_or_default(),
                    sha256: copy.sha256(),
                    written: String::new(),
                    by: String::new(),
                };
                let mark = Content::open(serde_json::to_string(&mark).unwrap_or_default());
                self.file(
                    node,
                    &StateMark::copy_path(deployment),
                    &access,
                    text(&copy),
                )?;
                self.file(node, &StateMark::path(deployment), &access, text(&mark))?;
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
                let left = self.left.remove(&(node.to_owned(), unit.clone()));
                let moves = left.is_some_and(|left| !left.is_empty() && !left.contains(port));
                if moves && is(unit, "zookeeper") {
                    let brokers = self.running("kafka").into_iter().map(str::to_owned);
                    self.cut_off = brokers.collect();
                }
            }
            Action::CallTool {
                component, wanted, ..
            } if component == kafka::NAME => {
                let brokers = wanted["brokers"]
                    .as_u64()
                    .and_then(|count| usize::try_from(count).ok());
                let missing = brokers.is_none_or(|brokers| self.running("kafka").len() < brokers);
                if missing || !self.cut_off.is_empty() {
                    return Err(never(format!("{node}: a broker is missing"), 120));
                }
                self.rejoining.clear();
            }
            Action::CallTool { wanted, .. } => {
                let Ok(Wanted {
                    topics,
                    settings,
                    databases,
                    // The consumer makes them.
                    tables: _,
                    readers,
                    users,
                    rights,
                }) = serde_json::from_value(wanted.clone())
                else {
                    return Err(never(
                        format!("{node}: {wanted} is nothing to prepare"),
                        120,
                    ));
                };
                for (role, needed) in [
                    ("kafka", !topics.is_empty()),
                    ("couchdb", !databases.is_empty()),
                ] {
                    if needed && self.running(role).is_empty() {
                        return Err(never(format!("{node}: no {role} answers"), 120));
                    }
                }
                for (name, partitions) in topics {
                    let there = self.topics.entry(name).or_default();
                    *there = (*there).max(partitions);
                }
                self.settings.extend(settings);
                (self.users, self.rights) = (users, rights);
                self.databases.extend(databases);
                self.readers = readers;
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
            Action::RemoveHostsTable { block } => {
                let facts = self.node(node);
                facts.hosts_block = None;
                facts.files.remove(&hosts_table::kept_path(block));
                facts.files.remove(&hosts_table::unit_path(block));
                facts.units.remove(&hosts_table::unit(block));
            }
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

    /// A package, with the unit that it brings where a drop-in waits for one.
    fn package(&mut self, node: &str, name: &str) {
        let facts = self.node(node);
        facts.packages.insert(name.to_owned());
        let drop_ins = format!("/etc/systemd/system/{name}.service.d/");
        if facts.files.keys().any(|path| path.starts_with(&drop_ins)) {
            let unit = facts.units.entry(format!("{name}.service"));
            unit.or_default().loaded = true;
        }
    }

    fn remove_below(&mut self, node: &str, path: &str) {
        let inside = format!("{path}/");
        let facts = self.node(node);
        let files = &mut facts.files;
        files.retain(|other, _| other != path && !other.starts_with(&inside));
        facts.archives.remove(path);
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
        let before = std::mem::replace(&mut fact.reads, loaded);
        let other = |files: &BTreeMap<String, String>| {
            let mut files = files.iter();
            let agreed = files.find(|(path, _)| path.ends_with("/kafka/authority.pem"));
            agreed.map(|(_, sum)| sum.clone())
        };
        let apart = ran && other(&before) != other(reads);
        let ports = std::mem::take(&mut facts.ports);
        let (left, others) = ports.into_iter().partition(|(_, owner)| owner == unit);
        facts.ports = others;
        let left: BTreeMap<u16, String> = left;
        let left = left.into_keys().collect();
        self.left.insert((node.to_owned(), unit.to_owned()), left);
        if apart && self.cut_off.is_empty() {
            let brokers = self.running("kafka").into_iter().map(str::to_owned);
            self.cut_off = brokers.collect();
        }
        if is(unit, "zookeeper") && std::mem::take(&mut self.zookeeper_is_new) {
            self.topics.clear();
        }
        self.unasked &= !is(unit, "kafka");
        if is(unit, "kafka") && ran && !self.cut_off.remove(node) {
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
