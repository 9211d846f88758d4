//! A cloud that the product has never heard of, by one row more: what all clouds do alike holds for it. `up`, `up` again, death at
//! each of its steps, and `teardown`, by the product's own entry with that row.

#![expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "a test plays the program"
)]

mod cloud;
mod host_keys;

use deployer::cloud::registry;
use deployer::entry;

use crate::deployer_command::{ARGUMENTS, BINARY, Deployer, subtest};
use crate::support::{gone, may_run};

/// Not a test by itself: the program with one cloud more.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by another test"]
async fn program() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else {
        return;
    };
    let arguments: Vec<String> = serde_json::from_str(&arguments).expect("JSON");
    let mut clouds = registry::built_in();
    clouds.push(&cloud::Provider);
    let words = std::iter::once("deployer".to_owned()).chain(arguments);
    let code = entry::run(clouds, words.map(Into::into)).await;
    std::process::exit(code.into());
}

/// A deployment on it. Its machines have no roles: what roles do is the same everywhere.
fn deployer(nodes: &str) -> Deployer {
    Deployer::new(&format!("cloud: hired\nnodes: {nodes}\n"))
        .played_by("third_cloud::program", cloud::KIND.name)
}

/// A verb that looks for agents, which are not beside this binary.
fn with_agents(words: &[&'static str]) -> Vec<&'static str> {
    let beside = BINARY.rsplit_once('/').expect("a path").0;
    [words, &["--agents", beside]].concat()
}

#[test]
fn a_cloud_of_one_more_row_passes_what_all_clouds_pass() {
    if !may_run("a_cloud_of_one_more_row_passes_what_all_clouds_pass") {
        return;
    }
    let deployer = deployer("{ vm1: { count: 2, roles: [] } }");
    let up = with_agents(&["up", "--yes"]);
    subtest("what is sold is said before it is made", || {
        let room = "✓ cloud hired: room for 2 machines";
        deployer.run(&with_agents(&["check"])).says(&[room]);
        let words = "2 machines will run on Hired, which charges nobody. They are hired for ever.";
        let asked = deployer.run(&with_agents(&["up"]));
        asked.code(64).says(&[words]);
        assert!(!deployer.receipt_path().exists());
    });
    subtest("up, and up again", || {
        deployer.run(&up).code(0).says(&["hired for ever"]);
        deployer.run(&up).code(0).says(&["nothing to do"]);
        deployer.run(&with_agents(&["plan"])).code(0);
        deployer.run(&["status"]).code(0);
        let said = deployer.on("vm1-2", &["hostname"]);
        assert!(said.ends_with("vm1-2\n"), "{said}");
    });
    subtest("what it cannot is refused in words", || {
        let words = "has no machine on AWS or Chameleon: only there machines end by themselves";
        deployer.run(&["extend", "6h"]).code(64).says(&[words]);
        let words = "only there SSH is let in by address";
        deployer.run(&["allow"]).code(64).says(&[words]);
    });
    subtest("it is listed, and goes without its receipt", || {
        let id = deployer.id();
        let list = deployer.run(&["list", "--cloud", "hired"]).code(0);
        list.says(&[&id, "vm1-1, vm1-2"]);
        std::fs::remove_file(deployer.receipt_path()).expect("a lost receipt");
        let words = ["teardown", "--yes", "--cloud", "hired", "--id", &id];
        deployer.run(&words).code(0).says(&["nothing is left"]);
        gone(&id);
    });
}

/// Dies of SIGKILL before each step and after it, until there is no further step; the next command goes on.
#[test]
fn death_at_each_step_of_a_cloud_of_one_more_row() {
    if !may_run("death_at_each_step_of_a_cloud_of_one_more_row") {
        return;
    }
    let up = with_agents(&["up", "--yes"]);
    let mut deaths = [0, 0];
    for when in ["begun", "done"] {
        for step in 0.. {
            let before = deaths;
            let place = format!("{step} {when}");
            let deployer = deployer("{ vm1: { roles: [] } }").with(cloud::DIES, &place);
            deaths[0] += usize::from(deployer.run(&up).code.is_none());
            let deployer = deployer.with(cloud::DIES, "");
            deployer.run(&up).code(0);
            deployer.run(&up).code(0).says(&["nothing to do"]);
            let deployer = deployer.with(cloud::DIES, &place);
            let said = deployer.run(&["teardown", "--yes"]);
            deaths[1] += usize::from(said.code.is_none());
            let deployer = deployer.with(cloud::DIES, "");
            if said.code.is_none() {
                deployer.teardown();
            } else {
                said.code(0).says(&["nothing is left"]);
                deployer.assert_gone();
            }
            if deaths == before {
                break;
            }
        }
    }
    // A network and a machine are made; a machine, the network and their directory are taken away.
    assert_eq!(deaths, [4, 6]);
}
