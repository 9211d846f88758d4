//! The security group in the plan: made where it is missing, its rules mended where they differ. Pure.

use std::collections::BTreeSet;

use super::network::{Network, pick, resource_name};
use super::notes::note;
use super::operation::{Operation, Ref};
use super::plan::{View, ssh_from, stage, step};
use super::rules;
use crate::cloud::{CloudError, CloudStep};

/// The security group, and its rules where they differ.
pub(super) fn plan(
    view: &View<'_>,
    net: &mut Network,
    steps: &mut Vec<CloudStep>,
) -> Result<(), CloudError> {
    let here = view
        .observed
        .groups
        .iter()
        .filter(|group| Ref::Id(group.vpc.clone()) == net.vpc);
    let id = pick(
        view,
        note::GROUP,
        here.clone().map(|group| group.id.as_str()),
    );
    let seen = here
        .clone()
        .find(|group| Some(group.id.as_str()) == id)
        .map(|group| group.rules.clone())
        .unwrap_or_default();
    net.group = Ref::to(id, note::GROUP);
    if id.is_none() {
        let operation = Operation::CreateGroup {
            vpc: net.vpc.clone(),
        };
        steps.push(step(
            stage::NETWORK,
            format!("make the security group {}", resource_name(&view.wanted.id)),
            "CreateSecurityGroup",
            operation,
        ));
    }
    let wanted = rules::wanted(view.wanted, &ssh_from(view.wanted, view.settings)?);
    let missing: BTreeSet<rules::Rule> = wanted.difference(&seen).cloned().collect();
    if !missing.is_empty() {
        let words = format!("let in {}", listed(&missing));
        let operation = Operation::Allow {
            group: net.group.clone(),
            rules: missing,
            ssh_from: view.wanted.notes.get(note::SSH_FROM).cloned(),
        };
        steps.push(step(
            stage::ROUTES,
            words,
            "AuthorizeSecurityGroupIngress",
            operation,
        ));
    }
    let foreign: BTreeSet<rules::Rule> = seen.difference(&wanted).cloned().collect();
    if let (Some(group), false) = (id, foreign.is_empty()) {
        let words = format!(
            "let in no more {}, which the inventory does not have",
            listed(&foreign)
        );
        let operation = Operation::Revoke {
            group: group.into(),
            rules: foreign,
        };
        steps.push(step(
            stage::ROUTES,
            words,
            "RevokeSecurityGroupIngress",
            operation,
        ));
    }
    Ok(())
}

fn listed(rules: &BTreeSet<rules::Rule>) -> String {
    rules
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
