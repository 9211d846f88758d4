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
            let checked = settings::check(section, name, &value.0, inventory.security);
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
    let is_on = inventory.security.is_on();
    let mut found = Vec::new();
    if inventory.says("couchdb.tls_port") && !(is_on && chosen != Distribution::Pouchdb) {
        let message = "CouchDB speaks no TLS here: it has no effect";
        found.push(inventory.problem("couchdb.tls_port", message, None));
    }
    if chosen == Distribution::Pouchdb {
        if is_on {
            let message = "the stand-in for CouchDB speaks plain text all the same";
            found.push(inventory.problem("security", message, None));
        }
        if !said.is_empty() {
            let message = "the stand-in for CouchDB takes no settings: they have no effect";
            found.push(inventory.problem("couchdb.settings", message, None));
        }
        return found;
    }
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
