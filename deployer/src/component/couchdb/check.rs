//! What of an inventory CouchDB would refuse, or never look at.

use super::{CouchdbSection, Distribution, settings};
use crate::component::refusal::refuse;
use crate::inventory::{Findings, Inventory, Problem};

/// Looks at all that concerns CouchDB.
pub(super) fn check(inventory: &Inventory, findings: &mut Findings<'_>) {
    let said: &CouchdbSection = inventory.sections.get();
    match (said.distribution, &said.archive) {
        (Distribution::Archive, None) => findings.add(
            "couchdb.distribution",
            "`archive` needs a release as tar.gz",
            "name the file in `couchdb.archive`",
        ),
        (Distribution::Auto | Distribution::Apache | Distribution::Pouchdb, Some(_)) => findings
            .add(
                "couchdb.archive",
                "is used with `distribution: archive` only",
                "set `couchdb.distribution: archive`, or leave the archive out",
            ),
        _ => {}
    }
    match (&said.repository, &said.repository_key) {
        (Some(repository), None) if repository.starts_with("http://") => findings.add(
            "couchdb.repository",
            "is read over http, where anybody on the way may answer: its key has to be given",
            "name the file with it in `couchdb.repository_key`, or take https",
        ),
        (None, Some(_)) => findings.add(
            "couchdb.repository_key",
            "is the key of another repository than Apache's, whose own is known",
            "name the repository in `couchdb.repository`, or leave the key out",
        ),
        _ => {}
    }
    if said.distribution == Distribution::Pouchdb && !said.settings.is_empty() {
        findings.add(
            "couchdb.settings",
            "the stand-in `pouchdb` takes no settings of CouchDB",
            "leave them out, or take another `couchdb.distribution`",
        );
    }
    for (section, keys) in &said.settings {
        for (name, value) in keys {
            let checked = settings::check(section, name, &value.0);
            refuse(
                format!("couchdb.settings.{section}.{name}"),
                checked,
                findings,
            );
        }
    }
}

/// What the one that was chosen takes no notice of.
pub(super) fn without_effect(inventory: &Inventory, chosen: Distribution) -> Vec<Problem> {
    let said = &inventory.sections.get::<CouchdbSection>().settings;
    if chosen == Distribution::Pouchdb && !said.is_empty() {
        let message = "the stand-in for CouchDB takes no settings: they have no effect";
        return vec![inventory.problem("couchdb.settings", message, None)];
    }
    let mut found = Vec::new();
    for (section, keys) in said {
        for key in keys.keys() {
            if let Some(doubt) = settings::doubt(section, key) {
                let key = format!("couchdb.settings.{section}.{key}");
                found.push(inventory.problem(key, doubt.message, doubt.hint));
            }
        }
    }
    found
}
