//! Each unit that we write is closed in, whatever component it is of. How well is asked on real machines:
//! `tests/machines/sandbox.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use deployer::cloud::aws::ttl;
use deployer::component::producer::{Client, NAME, Source, SourceFile};
use deployer::component::program::{self, OnNode};
use deployer::component::{self, Component};
use deployer::template::SANDBOX;
use deployer::{firewall, hosts_table, layout};

use super::templates::{DISTRIBUTIONS, World, files};

/// The text of the unit or drop-in that a component has on a node.
fn unit(world: &World, node: &str, component: &dyn Component) -> String {
    let node = &world.topology.nodes[node];
    let actions = component.install(node, &world.context());
    let actions = actions.expect("rendered");
    let unit = files(&actions)
        .into_iter()
        .find(|(path, _)| path.starts_with("/etc/systemd/system/"));
    let (_, content) = unit.unwrap_or_else(|| panic!("{} has no unit", component.name()));
    content.text.clone()
}

/// The value of a directive that stands once.
fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let all: Vec<&str> = unit
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .collect();
    let [value] = all[..] else {
        panic!("{key}: {all:?} in {unit}");
    };
    value
}

#[test]
fn the_unit_of_every_component_is_closed_in() {
    let mut seen = BTreeSet::new();
    for distribution in DISTRIBUTIONS {
        let mut world = World::new(distribution);
        let all = b"{name: x, monitoring: {node_exporter: true}, mariadb: {phpmyadmin: true}, programs: {p: {on: vm1, run: ./p}}, nodes: {vm1: }}";
        let all = layout::parse(all, "x.yaml").expect("a good inventory");
        world.topology.sections = all.sections;
        world.add_streams();
        world.add_tables();
        let here = OnNode(vec!["p".to_owned()]);
        let node = world.topology.nodes.get_mut("vm2").expect("a node");
        node.sections.add(program::NAME, here);
        for (name, node) in &world.topology.nodes {
            for component in component::of_node(node, &world.topology) {
                let unit = unit(&world, name, component);
                assert!(unit.contains(SANDBOX), "{}: {unit}", component.name());
                assert_eq!(value(&unit, "PrivateTmp"), "yes");
                assert_eq!(value(&unit, "ProtectHome"), "yes");
                // `top` sees what root sees.
                let processes = if component.name() == NAME {
                    "default"
                } else {
                    "invisible"
                };
                assert_eq!(value(&unit, "ProtectProc"), processes);
                // Users are shown by their names, and just-in-time compilers work.
                assert!(!unit.contains("PrivateUsers"), "{unit}");
                assert!(!unit.contains("MemoryDenyWriteExecute"), "{unit}");
                seen.insert(component.name());
            }
        }
    }
    let rows = component::ALL.iter().map(|component| component.name());
    assert_eq!(seen, rows.collect(), "a component has no unit here");
}

#[test]
fn so_are_the_units_of_no_component() {
    let units = [
        hosts_table::unit_text("x"),
        firewall::unit_text("x"),
        ttl::service_unit(),
    ];
    for unit in units {
        assert!(unit.contains(SANDBOX), "{unit}");
    }
}

#[test]
fn no_unit_is_written_without_the_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    let mut directories = vec![root.join("src"), root.join("../templates")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let kind = path.extension().and_then(|extension| extension.to_str());
            if path.is_dir() {
                directories.push(path);
            } else if matches!(kind, Some("rs" | "sh" | "tera")) {
                let text = fs::read_to_string(&path).expect("a text");
                for unit in text.split("[Service]").skip(1) {
                    let is_closed_in = ["{SANDBOX}", r#"{% include "sandbox" %}"#];
                    let is_closed_in = is_closed_in.iter().any(|list| unit.contains(list));
                    assert!(is_closed_in, "{}", path.display());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 5, "units are written elsewhere: {seen}");
}

#[test]
fn a_file_is_read_wherever_it_lies() {
    let mut world = World::new("pouchdb");
    let node = world.topology.nodes.get_mut("vm1-1").expect("a client");
    let client: &mut Client = node.sections.get_mut();
    client.source = Source::File;
    client.file = Some(SourceFile {
        path: "/home/ada/log".into(),
        group: "adm".into(),
    });
    let unit = unit(&world, "vm1-1", component::named(NAME).expect("a row"));
    assert!(unit.contains(SANDBOX), "{unit}");
    assert_eq!(value(&unit, "ProtectHome"), "read-only");
    assert_eq!(value(&unit, "PrivateTmp"), "no");
}
