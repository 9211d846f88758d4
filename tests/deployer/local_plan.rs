//! What the local cloud would do, from what it sees: the pure planner alone.

use std::collections::BTreeSet;
use std::fmt::Write;

use deployer::cloud::local::NETWORK_NOTE;
use deployer::cloud::local::observed::{Observed, ObservedImage, ObservedMachine};
use deployer::cloud::local::plan::plan;
use deployer::cloud::{CloudPlan, Wanted, WantedMachine};
use deployer::secret::Secret;
use deployer::topology;

fn settings() -> topology::LocalCloud {
    topology::LocalCloud {
        network: "10.213.0.0/16".into(),
        ..topology::LocalCloud::default()
    }
}

fn wanted(nodes: &[&str]) -> Wanted {
    let machine = |node: &str| WantedMachine {
        node: node.into(),
        memory_mib: 2048,
        open: false,
        profile: None,
        host_key: Secret::new("a private key"),
        host_key_public: format!("ssh-ed25519 {node}"),
    };
    Wanted {
        id: "0123456789ab".into(),
        deployment: "utilization".into(),
        machines: nodes.iter().map(|n| ((*n).into(), machine(n))).collect(),
        packages: BTreeSet::from(["nftables".into()]),
        user_key: "ssh-ed25519 user".into(),
        ..Wanted::default()
    }
}

/// A box on which the deployment's network stands, with machines: their number in the network, and whether they run.
fn observed(machines: &[(&str, u8, bool)]) -> Observed {
    let machine = |(node, number, runs): &(&str, u8, bool)| {
        let machine = ObservedMachine {
            address: [10, 213, 7, *number].into(),
            host_key: format!("ssh-ed25519 {node}"),
            image_there: true,
            runs: *runs,
        };
        ((*node).to_owned(), machine)
    };
    Observed {
        directory: true,
        network: Some("10.213.7.0/24".parse().expect("a network")),
        bridge: true,
        table: Some(true),
        network_ready: true,
        image: Some(image(true)),
        machines: machines.iter().map(machine).collect(),
        ..Observed::default()
    }
}

fn image(there: bool) -> ObservedImage {
    ObservedImage {
        name: "bookworm-0a1b2c3d4e5f".into(),
        there,
    }
}

fn shown(wanted: &Wanted, observed: &Observed) -> String {
    match plan(wanted, observed, &settings(), "/state/key") {
        Ok(plan) => text(&plan),
        Err(error) => error.to_string(),
    }
}

fn text(plan: &CloudPlan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let node = step.node.as_deref().unwrap_or("-");
        writeln!(text, "{} {node}: {}", step.stage, step.words).expect("text");
        if let Some(loses) = &step.loses {
            writeln!(text, "    loses {loses}").expect("text");
        }
        let operation = serde_json::to_string(&step.operation).expect("JSON");
        writeln!(text, "    {operation}").expect("text");
    }
    for machine in &plan.machines {
        let networks = &machine.networks;
        writeln!(
            text,
            "runs {}: {networks:?} {:?}",
            machine.id, machine.access
        )
        .expect("text");
    }
    for (what, nodes) in [("orphan", &plan.orphans), ("lost", &plan.lost)] {
        for node in nodes {
            writeln!(text, "{what} {node}").expect("text");
        }
    }
    text
}

#[test]
fn everything_is_made_from_nothing() {
    let observed = Observed {
        image: Some(image(false)),
        ..Observed::default()
    };
    insta::assert_snapshot!(shown(&wanted(&["vm1-1", "vm2"]), &observed));
}

#[test]
fn nothing_is_done_where_all_runs() {
    let observed = observed(&[("vm1-1", 2, true), ("vm2", 3, true)]);
    insta::assert_snapshot!(shown(&wanted(&["vm1-1", "vm2"]), &observed));
}

#[test]
fn one_more_machine_takes_the_lowest_free_address() {
    let observed = observed(&[("vm1-1", 2, true), ("vm3", 4, true)]);
    insta::assert_snapshot!(shown(&wanted(&["vm1-1", "vm2", "vm3"]), &observed));
}

#[test]
fn after_a_reboot_of_the_box_machines_start_with_their_disks() {
    let observed = Observed {
        bridge: false,
        table: Some(false),
        network_ready: false,
        ..observed(&[("vm1-1", 2, false), ("vm2", 3, false)])
    };
    insta::assert_snapshot!(shown(&wanted(&["vm1-1", "vm2"]), &observed));
}

#[test]
fn a_machine_that_was_made_and_is_gone_is_lost() {
    let mut wanted = wanted(&["vm1-1", "vm2"]);
    wanted.made = BTreeSet::from(["vm1-1".into(), "vm2".into()]);
    insta::assert_snapshot!(shown(&wanted, &observed(&[("vm1-1", 2, true)])));
}

#[test]
fn a_machine_whose_image_was_deleted_is_lost() {
    let mut observed = observed(&[("vm1-1", 2, true), ("vm2", 3, false)]);
    let vm2 = observed.machines.get_mut("vm2").expect("vm2");
    vm2.image_there = false;
    observed.image = Some(image(false));
    insta::assert_snapshot!(shown(&wanted(&["vm1-1", "vm2"]), &observed));
}

#[test]
fn orphans_stay_until_they_are_to_be_removed_and_remains_go_at_once() {
    let mut observed = observed(&[("vm1-1", 2, true), ("vm1-2", 3, true), ("vm1-3", 4, true)]);
    observed.parts.insert("vm1-4".into());
    let mut wanted = wanted(&["vm1-1"]);
    wanted.remove.insert("vm1-3".into());
    insta::assert_snapshot!(shown(&wanted, &observed));
}

#[test]
fn a_teardown_removes_all_of_it() {
    let mut observed = observed(&[("vm1-1", 2, true), ("vm2", 3, false)]);
    observed.parts.insert("vm3".into());
    insta::assert_snapshot!(shown(&wanted(&[]), &observed));
}

#[test]
fn a_teardown_of_nothing_does_nothing() {
    assert_eq!(shown(&wanted(&[]), &Observed::default()), "");
}

#[test]
fn a_network_that_routes_or_others_use_is_not_taken() {
    let network = |wanted: &Wanted, taken: &[&str]| {
        let taken = taken.iter().map(|net| net.parse().expect("a network"));
        let observed = Observed {
            image: Some(image(true)),
            taken: taken.collect(),
            ..Observed::default()
        };
        let shown = shown(wanted, &observed);
        shown.lines().next().unwrap_or_default().to_owned()
    };
    let mut wanted = wanted(&["vm2"]);
    let first = network(&wanted, &[]);
    insta::assert_snapshot!(first);
    let used = first
        .split_whitespace()
        .find(|word| word.contains("/24"))
        .expect("a network");
    assert_ne!(network(&wanted, &[used]), first);
    wanted
        .notes
        .insert(NETWORK_NOTE.into(), "10.213.99.0/24".into());
    assert!(network(&wanted, &[used]).contains("10.213.99.0/24"));
    assert!(!network(&wanted, &["10.213.99.128/25"]).contains("10.213.99.0/24"));
    insta::assert_snapshot!(network(&wanted, &["10.0.0.0/8"]));
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let refused = |change: &dyn Fn(&mut Wanted, &mut topology::LocalCloud)| {
        let (mut wanted, mut settings) = (wanted(&["vm2"]), settings());
        change(&mut wanted, &mut settings);
        let observed = Observed {
            image: Some(image(true)),
            ..Observed::default()
        };
        plan(&wanted, &observed, &settings, "/state/key")
            .expect_err("refused")
            .to_string()
    };
    let many: Vec<String> = (0..254).map(|number| format!("vm{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let messages = [
        refused(&|_, settings| settings.network = "10.213.0.0".into()),
        refused(&|_, settings| settings.network = "10.213.0.0/25".into()),
        refused(&|wanted, _| wanted.id = "../etc".into()),
        refused(&|wanted, _| wanted.machines = self::wanted(&["../x"]).machines),
        refused(&|wanted, _| wanted.machines = self::wanted(&many).machines),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}
