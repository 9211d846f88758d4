//! The security group in the plan: made where it is missing, its rules mended where they differ. Pure.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use super::notes::note;
use super::observed::Group;
use super::operation::{Network, Operation, Ref};
use super::rules::{self, Rule, Way};
use super::settings::Settings;
use super::tags::resource_name;
use super::view::{View, pick, stage, step};
use crate::cloud::{CloudError, CloudStep, Wanted, caller};

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
    let seen = here.clone().find(|group| Some(group.id.as_str()) == id);
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
    let none = BTreeSet::new();
    let inwards = seen.map_or(&none, |group| &group.rules);
    if let Some(rules) = beyond(&wanted, inwards) {
        let words = format!("let in {}", listed(&rules));
        let operation = Operation::Allow {
            group: net.group.clone(),
            way: Way::In,
            rules,
            ssh_from: view.wanted.notes.get(note::SSH_FROM).cloned(),
        };
        let call = "AuthorizeSecurityGroupIngress";
        steps.push(step(stage::ROUTES, words, call, operation));
    }
    let Some(group) = seen else {
        // A new one lets everything out.
        return Ok(());
    };
    if let Some(rules) = beyond(&group.rules, &wanted) {
        let words = format!(
            "let in no more {}, which the inventory does not have",
            listed(&rules)
        );
        let operation = Operation::Revoke {
            group: group.id.clone(),
            way: Way::In,
            rules,
        };
        let call = "RevokeSecurityGroupIngress";
        steps.push(step(stage::ROUTES, words, call, operation));
    }
    ways_out(group, net, steps);
    Ok(())
}

/// Machines may reach everything: a rule that was taken away by hand is given back, one that was added is taken away.
fn ways_out(group: &Group, net: &Network, steps: &mut Vec<CloudStep>) {
    if let Some(rules) = beyond(&BTreeSet::from([Rule::everywhere()]), &group.out) {
        let operation = Operation::Allow {
            group: net.group.clone(),
            way: Way::Out,
            rules,
            ssh_from: None,
        };
        let words = "let everything out".into();
        let call = "AuthorizeSecurityGroupEgress";
        steps.push(step(stage::ROUTES, words, call, operation));
    }
    let usual = BTreeSet::from([Rule::everywhere(), Rule::everywhere6()]);
    if let Some(rules) = beyond(&group.out, &usual) {
        let words = format!(
            "take away the ways out {}, which the inventory does not have",
            listed(&rules).replace(" from ", " to ")
        );
        let operation = Operation::Revoke {
            group: group.id.clone(),
            way: Way::Out,
            rules,
        };
        let call = "RevokeSecurityGroupEgress";
        steps.push(step(stage::ROUTES, words, call, operation));
    }
}

/// The rules that only the first has; `None`: there is none.
fn beyond(one: &BTreeSet<Rule>, other: &BTreeSet<Rule>) -> Option<BTreeSet<Rule>> {
    let rules: BTreeSet<Rule> = one.difference(other).cloned().collect();
    (!rules.is_empty()).then_some(rules)
}

fn listed(rules: &BTreeSet<Rule>) -> String {
    rules
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The ranges that may use SSH: the user's, and those added with `allow`.
fn ssh_from(wanted: &Wanted, settings: &Settings) -> Result<BTreeSet<Ipv4Net>, CloudError> {
    caller::ssh_from(&settings.ssh_from, &wanted.notes)
}
