//! The security group in the plan: made where it is missing, its rules mended where they differ. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::notes::note;
use super::operation::Operation;
use super::view::{View, stage, step};
use crate::cloud::caller::{self, SSH_FROM};
use crate::cloud::rules::{self, Rule};
use crate::cloud::{CloudError, CloudStep};

/// Plans the group; its id if it is there.
pub(super) fn plan(
    view: &View<'_>,
    steps: &mut Vec<CloudStep>,
) -> Result<Option<String>, CloudError> {
    let noted = view.wanted.notes.get(note::GROUP);
    let mut groups = view.observed.groups.iter();
    let group = groups
        .clone()
        .find(|group| Some(&group.id) == noted)
        .or_else(|| groups.next());
    if group.is_none() {
        let words = "make the security group".into();
        steps.push(step(stage::LEASE, words, Operation::Group));
    }
    let id = group.map(|group| group.id.clone());
    let seen = group.map(|group| group.rules.clone()).unwrap_or_default();
    let ssh_from = caller::ssh_from(&view.settings.ssh_from, &view.wanted.notes)?;
    let wanted = rules::wanted(view.wanted, &ssh_from);
    let missing: BTreeSet<Rule> = wanted
        .iter()
        .filter(|rule| !seen.contains_key(rule))
        .cloned()
        .collect();
    if !missing.is_empty() {
        let words = format!("let in {}", listed(missing.iter()));
        let operation = Operation::Allow {
            group: id.clone(),
            rules: missing,
            ssh_from: view.wanted.notes.get(SSH_FROM).cloned(),
        };
        steps.push(step(stage::ACCESS, words, operation));
    }
    let foreign: BTreeMap<String, String> = seen
        .iter()
        .filter(|(rule, _)| !wanted.contains(rule))
        .map(|(rule, id)| (rule.to_string(), id.clone()))
        .collect();
    if !foreign.is_empty() {
        let words = format!(
            "let in no more {}, which the inventory does not have",
            listed(foreign.keys())
        );
        let operation = Operation::Revoke { rules: foreign };
        steps.push(step(stage::ACCESS, words, operation));
    }
    Ok(id)
}

fn listed<T: ToString>(all: impl Iterator<Item = T>) -> String {
    let words: Vec<String> = all.map(|one| one.to_string()).collect();
    words.join(", ")
}
