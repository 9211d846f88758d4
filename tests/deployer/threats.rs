//! The guide's page of threats: each of its lines names a test that there is, and each component that listens or holds a secret has
//! lines of its own. A new one brings them.

use std::collections::BTreeMap;

use deployer::component::{self, Component};
use deployer::guide;
use deployer::topology::{Security, Topology};

use super::cases::runs;
use super::templates::World;

/// The parts of the page that are no lists of threats.
const OTHERS: [&str; 2] = ["Who", "What stops none of it"];

/// Heading → its lines, each as one.
fn threats() -> BTreeMap<String, Vec<String>> {
    let page = guide::page("threats").expect("the page").text();
    let mut parts = BTreeMap::<String, Vec<String>>::new();
    let mut heading = String::new();
    for line in page.lines() {
        if let Some(next) = line.strip_prefix("## ") {
            next.clone_into(&mut heading);
        } else if let Some(first) = line.strip_prefix("* ") {
            let lines = parts.entry(heading.clone()).or_default();
            lines.push(first.to_owned());
        } else if let Some(more) = line.strip_prefix("  ") {
            let last = parts.get_mut(&heading).and_then(|lines| lines.last_mut());
            let last = last.expect("a line that is gone on with");
            last.push(' ');
            last.push_str(more);
        }
    }
    parts.retain(|heading, _| !OTHERS.contains(&heading.as_str()));
    parts
}

#[test]
fn each_threat_names_a_test_that_tries_it() {
    for (heading, lines) in threats() {
        for line in lines {
            let named = line
                .strip_suffix("`)")
                .and_then(|line| line.rsplit_once("(`"));
            let (_, test) = named.unwrap_or_else(|| panic!("{heading}: no test: {line}"));
            runs(test).unwrap_or_else(|why| panic!("{heading}: {test}: {why}"));
        }
    }
}

/// Whether others could want something of it: it listens, holds a secret, or logs in somewhere.
fn is_exposed(component: &dyn Component, topology: &Topology) -> bool {
    topology.nodes.values().any(|node| {
        !component.ports(node, topology).is_empty()
            || !component.secrets().is_empty()
            || !component.rights(node, topology).is_empty()
            || component.shows_certificate()
    })
}

#[test]
fn each_component_that_listens_or_holds_a_secret_has_its_threats() {
    let mut world = World::new("apache");
    world.topology.security = Security::On;
    let threats = threats();
    let exposed = component::ALL
        .iter()
        .filter(|one| is_exposed(**one, &world.topology));
    let mut missing: Vec<&str> = exposed.map(|component| component.title()).collect();
    assert!(missing.len() > 4, "{missing:?}");
    missing.retain(|title| !threats.contains_key(*title));
    assert!(
        missing.is_empty(),
        "deployer/guide/threats.md says nothing of {missing:?}"
    );
}
