//! What units may do on a machine, as its systemd says it, and that what is read there is whole all the same.

use std::collections::BTreeSet;

use crate::deployer_command::Deployer;
use crate::watch;

/// The most exposure that `systemd-analyze security` may find in an agent's unit.
const AGENT: f64 = 4.0;
/// The most that it may find in any other.
const OTHER: f64 = 5.0;

/// The script that asks systemd how exposed a unit is: 0 is not at all, 10 is entirely.
pub(crate) fn question(unit: &str) -> String {
    format!("systemd-analyze security --no-pager {unit}")
}

/// What is answered is within bounds.
pub(crate) fn is_closed_in(unit: &str, answer: &str) {
    let exposure = answer
        .lines()
        .find_map(|line| line.split_once("Overall exposure level for "))
        .and_then(|(_, rest)| rest.split_once(": ")?.1.split(' ').next()?.parse().ok());
    let exposure: f64 = exposure.unwrap_or_else(|| panic!("{unit}: {answer}"));
    let is_agent = unit.ends_with("-producer.service") || unit.ends_with("-consumer.service");
    let most = if is_agent { AGENT } else { OTHER };
    assert!(exposure <= most, "{unit}: {exposure}\n{answer}");
}

/// All units of a deployment are, on local machines.
pub(crate) fn units_are_closed_in(deployer: &Deployer) {
    let unit_of = |role: &str| format!("{}-{role}.service", deployer.name);
    let services = watch::units(deployer).into_keys().map(|name| {
        let (node, role) = name.split_once(' ').expect("a node and a role");
        (node.to_owned(), unit_of(role))
    });
    let others = watch::nodes(deployer).into_iter().flat_map(|node| {
        let units = [unit_of("hosts"), "deployer-network.service".to_owned()];
        units.map(|unit| (node.clone(), unit))
    });
    for (node, unit) in services.chain(others) {
        is_closed_in(&unit, &deployer.on(&node, &["sh", "-c", &question(&unit)]));
    }
}

/// The processes that were there before a unit began, as root's shell sees them.
const EARLIER: &str =
    "began=$(systemctl show --property=ExecMainStartTimestampMonotonic --value $0)
age=$(awk -v began=$began '{print int($1 - began / 1000000) + 2}' /proc/uptime)
ps -e -o etimes=,pid= | awk -v age=$age '$1 > age {print $2}'";

/// What `top` shows in an event of a node's producer is what root's shell sees.
pub(crate) fn top_sees_all_processes(deployer: &Deployer, node: &str, topic: &str) {
    let unit = format!("{}-producer.service", deployer.name);
    let earlier = EARLIER.replace("$0", &unit);
    let earlier: BTreeSet<u64> = deployer
        .on(node, &["sh", "-c", &earlier])
        .lines()
        .map(|pid| pid.trim().parse().expect("a number"))
        .collect();
    assert!(earlier.contains(&1), "{earlier:?}");
    let newest = deployer
        .run(&["docs", "-n", "1", "--topic", topic])
        .code(0)
        .out;
    let newest: serde_json::Value = serde_json::from_str(&newest).expect("a document");
    let processes = newest["processes"].as_array().expect("processes");
    let shown: BTreeSet<u64> = processes
        .iter()
        .filter_map(|process| process["pid"].as_u64())
        .collect();
    let hidden: Vec<&u64> = earlier.difference(&shown).collect();
    assert!(hidden.is_empty(), "{hidden:?} of {earlier:?}");
    let users: BTreeSet<&str> = processes
        .iter()
        .filter_map(|process| process["user"].as_str())
        .collect();
    assert!(users.contains("root"), "{users:?}");
}
