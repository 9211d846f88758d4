//! Whether an action has anything to do, from what the node says. The plan shows it, the runner skips by it: the same
//! function, so they cannot disagree.

use similar::TextDiff;

use crate::component::{self, Difference};
use crate::facts::{Facts, FileFact};
use crate::inspect::Inspect;
use crate::step::{self, Access, Action, Content, Manifest, StateMark};
use crate::{firewall, hosts_table};

use super::query::alternatives;
use super::unit::{self, Need};

/// Whether an action has anything to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It is so already.
    Satisfied,
    /// It is not so.
    Differs {
        /// What is there instead, in words.
        because: String,
        /// The difference as a unified diff, for text that may be shown; of topics a line for each thing that differs.
        diff: Option<String>,
    },
}

impl From<Option<Difference>> for Check {
    fn from(difference: Option<Difference>) -> Self {
        difference.map_or(Self::Satisfied, |Difference { because, diff }| {
            Self::Differs { because, diff }
        })
    }
}

impl Check {
    fn differs(because: impl Into<String>) -> Self {
        Self::Differs {
            because: because.into(),
            diff: None,
        }
    }

    /// Satisfied, unless there is something to say against it.
    fn unless(because: Option<impl Into<String>>) -> Self {
        because.map_or(Self::Satisfied, Self::differs)
    }
}

/// Compares an action with the facts of its node, which must answer a query that has the action in it.
#[deny(clippy::wildcard_enum_match_arm)]
pub fn check(action: &Action, facts: &Facts) -> Check {
    match action {
        Action::WriteManifest { manifest } => manifest_differs(manifest, facts),
        Action::InstallPackages { packages } => {
            let missing: Vec<&str> = packages
                .iter()
                .filter(|entry| !alternatives(entry).any(|name| facts.packages.contains(name)))
                .map(String::as_str)
                .collect();
            let because = format!("missing: {}", missing.join(", "));
            Check::unless((!missing.is_empty()).then_some(because))
        }
        Action::InstallFromRepository(wanted) => {
            let keyring = facts.files.get(&wanted.keyring());
            let source = facts.files.get(&wanted.sources());
            let line = step::repository_line(&wanted.repository);
            let same = |file: &FileFact| {
                let text = file.text.as_deref().unwrap_or_default();
                text.lines().next() == Some(&line)
            };
            match (source, keyring) {
                (Some(source), Some(keyring)) if facts.packages.contains(&wanted.package) => {
                    let other_key =
                        (keyring.sha256 != wanted.key.sha256()).then_some("its key is another");
                    let other = (!same(source)).then_some("the repository is another");
                    Check::unless(other.or(other_key))
                }
                _ => Check::differs("missing"),
            }
        }
        Action::CreateUser { user, .. } => {
            Check::unless((!facts.users.contains(user)).then_some("missing"))
        }
        Action::CreateDirectory { path, access, .. } => match facts.files.get(path) {
            None => Check::differs("missing"),
            Some(file) if !file.directory => Check::differs("a file is there"),
            Some(file) => Check::unless(access_differs(access, file)),
        },
        Action::OpenDirectories { paths } => {
            let open = Access::root("root", 0o755);
            let closed = paths.iter().find_map(|path| {
                let because = match facts.files.get(path) {
                    None => "missing".to_owned(),
                    Some(file) if !file.directory => "a file is there".to_owned(),
                    Some(file) => access_differs(&open, file)?,
                };
                Some(format!("{path}: {because}"))
            });
            Check::unless(closed)
        }
        Action::LinkFile { path, .. } => match facts.files.get(path) {
            None => Check::differs("missing"),
            Some(file) if file.directory => Check::differs("a directory is there"),
            Some(file) => Check::unless((file.mode & 0o111 == 0).then_some("no program")),
        },
        Action::WriteFile {
            path,
            content,
            access,
            ..
        } => file_differs(content, access, facts.files.get(path)),
        Action::SeedFile { path, .. } => match facts.files.get(path) {
            None => Check::differs("missing"),
            Some(file) => Check::unless(file.directory.then_some("a directory is there")),
        },
        Action::UploadFile {
            path,
            sha256,
            access,
            ..
        } => match facts.files.get(path) {
            None => Check::differs("missing"),
            Some(file) if file.directory => Check::differs("a directory is there"),
            Some(file) if file.sha256 != *sha256 => Check::differs("content differs"),
            Some(file) => Check::unless(access_differs(access, file)),
        },
        Action::UnpackArchive { path, identity, .. } => {
            let mark = step::sha256(step::archive_mark(identity).as_bytes());
            match facts.files.get(&step::archive_marker(path)) {
                Some(marker) if marker.sha256 == mark => archive_differs(path, facts),
                Some(_) => Check::differs("another one is there"),
                None if facts.files.contains_key(path) => Check::differs("not whole"),
                None => Check::differs("missing"),
            }
        }
        Action::WriteHostsTable { block, entries } => {
            if let Some(unknown) = entries.iter().find(|(_, address)| address.is_none()) {
                return Check::differs(format!("the address of {} is not known yet", unknown.0));
            }
            let lines = hosts_table::block_text(entries);
            match text_differs(&lines, facts.hosts_block.as_deref()) {
                Check::Satisfied => Check::unless(not_kept(block, &lines, facts)),
                differs @ Check::Differs { .. } => differs,
            }
        }
        Action::WriteFirewall {
            table,
            ports,
            members,
        } => {
            if let Some(unknown) = members.iter().find(|(_, address)| address.is_none()) {
                return Check::differs(format!("the address of {} is not known yet", unknown.0));
            }
            firewall_differs(table, &firewall::ruleset(table, ports, members), facts)
        }
        Action::StartUnit {
            unit,
            reads,
            finishes,
            foreign,
        } => match unit::need(unit, reads, finishes.as_deref(), *foreign, facts) {
            Need::Nothing => Check::Satisfied,
            Need::Enable => Check::differs("not enabled"),
            Need::Start(because) => Check::differs(because),
            Need::Restart(because) => Check::differs(format!("restart: {because}")),
        },
        Action::WaitForPort { port, unit, .. } => match facts.ports.get(port) {
            None => Check::differs("nothing listens"),
            // Some hosts let not even root see whose it is.
            Some(owner) if owner.is_empty() || owner == unit => Check::Satisfied,
            Some(owner) => Check::differs(format!("{owner} listens there")),
        },
        Action::CallTool {
            component,
            wanted,
            reads,
            ..
        } => match reads
            .iter()
            .find(|(path, sha256)| !holds(path, sha256, facts))
        {
            Some((path, _)) => Check::differs(format!("{path} changes")),
            None => match component::named(component) {
                Some(component) => component.differs(wanted, facts.pipeline.as_ref()).into(),
                None => Check::differs(format!("nobody knows what {component} wants")),
            },
        },
        Action::WriteStateCopy { deployment, digest } => {
            Check::unless(state_copy_differs(deployment, digest.as_deref(), facts))
        }
        Action::StopUnit { unit } => {
            let there = facts.units.get(unit);
            let stopped = there.is_none_or(|unit| !unit.runs() && !unit.enabled);
            Check::unless((!stopped).then_some("it runs"))
        }
        Action::RemoveFile { path }
        | Action::RemoveDirectory { path, .. }
        | Action::RemoveEmptyDirectory { path } => {
            Check::unless(facts.files.contains_key(path).then_some("it is there"))
        }
        Action::RemoveUser { user } => {
            Check::unless(facts.users.contains(user).then_some("it is there"))
        }
        Action::RemoveHostsTable { block } => {
            let there = facts.hosts_block.is_some()
                || facts.files.contains_key(&hosts_table::unit_path(block));
            Check::unless(there.then_some("it is there"))
        }
        Action::RemoveFirewall { table } => {
            let there = facts.tables.contains_key(table)
                || facts.files.contains_key(&firewall::unit_path(table))
                || facts.files.contains_key(&firewall::rules_path(table));
            Check::unless(there.then_some("it is there"))
        }
    }
}

fn manifest_differs(wanted: &Manifest, facts: &Facts) -> Check {
    let Some(there) = &facts.manifest else {
        return Check::differs("missing");
    };
    if there == wanted {
        return Check::Satisfied;
    }
    let count = |here: &Manifest, there: &Manifest| {
        let items = here.items.iter().filter(|item| !there.items.contains(item));
        items.count() + here.packages.difference(&there.packages).count()
    };
    let (more, fewer) = (count(wanted, there), count(there, wanted));
    Check::differs(format!("lists change: {more} added, {fewer} removed"))
}

/// Why the copy of the state is not the one that should be there.
fn state_copy_differs(deployment: &str, digest: Option<&str>, facts: &Facts) -> Option<String> {
    let paths = [
        StateMark::copy_path(deployment),
        StateMark::path(deployment),
    ];
    let [Some(copy), Some(mark)] = paths.map(|path| facts.files.get(&path)) else {
        return Some("missing".into());
    };
    let text = mark.text.as_deref().unwrap_or_default();
    let Some(told) = StateMark::read(text).filter(|told| told.sha256 == copy.sha256) else {
        return Some("it is not as it was written".into());
    };
    if digest.is_some_and(|digest| digest != told.digest) {
        return Some(format!("{} is older", told.words()));
    }
    let access = Access::root("root", 0o600);
    access_differs(&access, copy).or_else(|| access_differs(&access, mark))
}

/// Why a block of `/etc/hosts` would not outlive a start that makes the file anew.
fn not_kept(block: &str, lines: &str, facts: &Facts) -> Option<&'static str> {
    let same = |path: &str, text: &str| holds(path, &step::sha256(text.as_bytes()), facts);
    let kept = same(
        &hosts_table::kept_path(block),
        &hosts_table::marked(block, lines),
    );
    let written = same(
        &hosts_table::unit_path(block),
        &hosts_table::unit_text(block),
    );
    let unit = facts.units.get(&hosts_table::unit(block));
    let enabled = unit.is_some_and(|unit| unit.enabled);
    (!(kept && written && enabled)).then_some("not put back at boot")
}

/// Whether all of an unpacked archive is still what was unpacked.
pub(super) fn archive_differs(path: &str, facts: &Facts) -> Check {
    match facts.archives.get(path).map(String::as_str) {
        Some("") => Check::Satisfied,
        Some(damage) => Check::differs(damage),
        None => Check::differs("what is in it is not known"),
    }
}

/// Whether a table's files are as wanted, and its rules those of the files: from before us, from us, and by nobody since.
fn firewall_differs(table: &str, wanted: &str, facts: &Facts) -> Check {
    let files = [
        (firewall::rules_path(table), wanted.to_owned()),
        (firewall::unit_path(table), firewall::unit_text(table)),
    ];
    for (path, wanted) in &files {
        match facts.files.get(path) {
            None => return Check::differs("missing"),
            Some(file) if file.sha256 != step::sha256(wanted.as_bytes()) => {
                return Check::Differs {
                    because: "content differs".into(),
                    diff: diff(file.text.as_deref(), wanted),
                };
            }
            Some(_) => {}
        }
    }
    let enabled = facts
        .units
        .get(&firewall::unit(table))
        .is_some_and(|unit| unit.enabled);
    match facts.tables.get(table) {
        None => Check::differs("not loaded"),
        Some(loaded) if !loaded.untouched || loaded.rules != step::sha256(wanted.as_bytes()) => {
            Check::differs("the loaded rules are not those of its file")
        }
        Some(_) => Check::unless((!enabled).then_some("not loaded at boot")),
    }
}

fn file_differs(content: &Content, access: &Access, there: Option<&FileFact>) -> Check {
    match there {
        None => Check::differs("missing"),
        Some(file) if file.directory => Check::differs("a directory is there"),
        Some(file) if file.sha256 == content.sha256() => {
            Check::unless(access_differs(access, file))
        }
        Some(_) if content.secret => Check::differs("content differs (secret)"),
        Some(file) => Check::Differs {
            because: "content differs".into(),
            diff: diff(file.text.as_deref(), &content.text),
        },
    }
}

fn text_differs(wanted: &str, there: Option<&str>) -> Check {
    match there {
        None => Check::differs("missing"),
        Some(there) if there == wanted => Check::Satisfied,
        Some(there) => Check::Differs {
            because: "content differs".into(),
            diff: diff(Some(there), wanted),
        },
    }
}

/// What is there → what should be, as a unified diff.
fn diff(there: Option<&str>, wanted: &str) -> Option<String> {
    let diff = TextDiff::from_lines(there?, wanted);
    Some(diff.unified_diff().context_radius(1).to_string())
}

pub(super) fn access_differs(wanted: &Access, there: &FileFact) -> Option<String> {
    if there.mode != wanted.mode {
        return Some(format!(
            "mode {:04o} instead of {:04o}",
            there.mode, wanted.mode
        ));
    }
    ((&there.owner, &there.group) != (&wanted.owner, &wanted.group)).then(|| {
        format!(
            "owned by {}:{} instead of {}:{}",
            there.owner, there.group, wanted.owner, wanted.group
        )
    })
}

/// What the pipeline says of itself; `None`: nothing.
pub(super) fn inspect(facts: &Facts) -> Option<Inspect> {
    facts.pipeline.as_ref().and_then(Inspect::read)
}

/// Whether a file of a node has this content.
fn holds(path: &str, sha256: &str, facts: &Facts) -> bool {
    let file = facts.files.get(path);
    file.is_some_and(|file| file.sha256 == sha256)
}
