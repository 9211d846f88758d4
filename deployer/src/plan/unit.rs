//! What a unit needs so that it runs with the files as they should be.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Facts, UnitFact};
use crate::step::ARCHIVE_MARKER;

/// What a unit needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing.
    Nothing,
    /// To be started at boot too.
    Enable,
    /// To be started; why.
    Start(String),
    /// To be stopped and started again; why.
    Restart(String),
}

/// What a unit needs that should have read these files. One that fails again and again is started anew, unless what it runs is `foreign`:
/// that would fail as before.
pub(super) fn need(
    unit: &str,
    reads: &BTreeMap<String, String>,
    finishes: Option<&str>,
    foreign: bool,
    facts: &Facts,
) -> Need {
    let Some(fact) = facts.units.get(unit).filter(|fact| fact.loaded) else {
        return Need::Start("not installed".into());
    };
    let passes = matches!(fact.active.as_str(), "activating" | "deactivating");
    if is_up(fact) || (foreign && passes) {
        let changed = changed(reads, &fact.reads, "it started");
        return match changed.or_else(|| damaged(reads, facts)) {
            Some(changed) => Need::Restart(changed),
            None if fact.enabled => Need::Nothing,
            None => Need::Enable,
        };
    }
    if fact.sub == AUTO_RESTART {
        return Need::Start("it fails again and again".into());
    }
    let has_finished =
        fact.active == "inactive" && finishes.is_some_and(|state| says_finished(state, facts));
    match changed(reads, &fact.reads, "it finished") {
        _ if fact.active == "failed" => Need::Start("it has failed".into()),
        _ if !has_finished => Need::Start("not running".into()),
        Some(changed) => Need::Start(changed),
        None if fact.enabled => Need::Nothing,
        None => Need::Enable,
    }
}

/// The state systemd shows between two attempts of a unit that fails: it is `activating`, and yet nothing runs.
const AUTO_RESTART: &str = "auto-restart";

/// Whether the unit's process is there, or about to be.
pub(super) fn is_up(fact: &UnitFact) -> bool {
    fact.runs() && fact.sub != AUTO_RESTART
}

/// Whether the state file of a service says that it has done all it should.
fn says_finished(state: &str, facts: &Facts) -> bool {
    facts
        .files
        .get(state)
        .and_then(|file| file.text.as_deref())
        .and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok())
        .is_some_and(|state| state["finished"] == true)
}

/// Which files are other than those that were loaded, in words; `None`: all are the same.
fn changed(
    wanted: &BTreeMap<String, String>,
    loaded: &BTreeMap<String, String>,
    since: &str,
) -> Option<String> {
    if wanted == loaded {
        return None;
    }
    if loaded.is_empty() {
        return Some(format!("what it loaded when {since} is not known"));
    }
    let paths: BTreeSet<&String> = wanted.keys().chain(loaded.keys()).collect();
    let names: Vec<&str> = paths
        .into_iter()
        .filter(|path| wanted.get(*path) != loaded.get(*path))
        .map(|path| name(path))
        .collect();
    Some(format!("{} changed since {since}", names.join(", ")))
}

/// Which unpacked software it runs from is damaged, in words: what it has read already may have been, too.
fn damaged(reads: &BTreeMap<String, String>, facts: &Facts) -> Option<String> {
    let archives = reads
        .keys()
        .filter_map(|path| path.strip_suffix(ARCHIVE_MARKER));
    let mut damaged = archives
        .map(|path| path.trim_end_matches('/'))
        .filter(|path| {
            let damage = facts.archives.get(*path);
            damage.is_some_and(|damage| !damage.is_empty())
        });
    damaged
        .next()
        .map(|path| format!("{} is unpacked anew", name(path)))
}

/// The last part of a path; an archive's marker stands for its directory.
fn name(path: &str) -> &str {
    let path = path
        .strip_suffix(ARCHIVE_MARKER)
        .map_or(path, |directory| directory.trim_end_matches('/'));
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::{Need, need};
    use crate::facts::{Facts, FileFact, UnitFact};

    /// Facts of one unit that has loaded checksum 1 of its file.
    fn facts(active: &str, sub: &str, enabled: bool) -> Facts {
        let unit = UnitFact {
            loaded: true,
            active: active.into(),
            sub: sub.into(),
            enabled,
            reads: [("/etc/app.toml".to_owned(), "1".to_owned())].into(),
            ..UnitFact::default()
        };
        let state = FileFact {
            text: Some(r#"{"finished":true}"#.into()),
            ..FileFact::default()
        };
        Facts {
            units: [("app.service".to_owned(), unit)].into(),
            files: [("/var/state.json".to_owned(), state)].into(),
            ..Facts::default()
        }
    }

    fn need_of(facts: &Facts, checksum: &str, finishes: Option<&str>) -> Need {
        let reads = [("/etc/app.toml".to_owned(), checksum.to_owned())].into();
        need("app.service", &reads, finishes, false, facts)
    }

    #[test]
    fn a_running_unit_needs_nothing_until_its_files_change() {
        let running = facts("active", "running", true);
        assert_eq!(need_of(&running, "1", None), Need::Nothing);
        let because = "app.toml changed since it started".to_owned();
        assert_eq!(need_of(&running, "2", None), Need::Restart(because));
        let not_at_boot = facts("active", "running", false);
        assert_eq!(need_of(&not_at_boot, "1", None), Need::Enable);
    }

    #[test]
    fn a_stopped_unit_is_started_unless_it_has_finished() {
        let stopped = facts("inactive", "dead", true);
        assert_eq!(
            need_of(&stopped, "1", None),
            Need::Start("not running".into())
        );
        let state = Some("/var/state.json");
        assert_eq!(need_of(&stopped, "1", state), Need::Nothing);
        let because = "app.toml changed since it finished".to_owned();
        assert_eq!(need_of(&stopped, "2", state), Need::Start(because));
        let elsewhere = Some("/var/other.json");
        assert_eq!(
            need_of(&stopped, "1", elsewhere),
            Need::Start("not running".into())
        );
    }

    #[test]
    fn a_failing_unit_does_not_run() {
        let failing = facts("activating", "auto-restart", true);
        let because = "it fails again and again".to_owned();
        assert_eq!(need_of(&failing, "1", None), Need::Start(because));
        let reads = [("/etc/app.toml".to_owned(), "1".to_owned())].into();
        assert_eq!(
            need("app.service", &reads, None, true, &failing),
            Need::Nothing
        );
        let failed = facts("failed", "failed", true);
        let state = Some("/var/state.json");
        assert_eq!(
            need_of(&failed, "1", state),
            Need::Start("it has failed".into())
        );
        assert_eq!(
            need_of(&Facts::default(), "1", None),
            Need::Start("not installed".into())
        );
    }
}
