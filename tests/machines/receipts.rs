//! Receipts that are lost, damaged or of another time.

use crate::deployer_command::{Deployer, subtest};
use crate::support::may_run;

const PLAIN: &str = "nodes: { vm1: {} }\n";

#[test]
fn receipts_that_cannot_be_used() {
    if !may_run("receipts_that_cannot_be_used") {
        return;
    }
    let deployer = Deployer::new(PLAIN);
    deployer.run(&["up"]).code(0);
    let machine = deployer.place().join("machines/vm1");
    let (path, id) = (deployer.receipt_path(), deployer.id());
    let whole = std::fs::read_to_string(&path).expect("a receipt");

    subtest("a proof that is owed is something to do", || {
        let owing = whole.replacen('{', "{ \"unproven\": true,", 1);
        std::fs::write(&path, owing).expect("a file");
        let words = "nothing to do but to prove what an earlier `up` changed";
        let plan = deployer.run(&["plan"]).code(2);
        assert_eq!(plan.out, format!("{words}\n"));
        let plan = deployer.run(&["plan", "--json"]).code(2);
        assert_eq!(plan.json()["unproven"], true);
        deployer.run(&["up"]).code(0).says(&[words]);
        let plan = deployer.run(&["plan"]).code(0);
        assert_eq!(plan.out, "nothing to do\n");
    });
    subtest("a receipt of a newer version is refused", || {
        std::fs::write(&path, whole.replace("\"version\": 2", "\"version\": 99")).expect("a file");
        for words in [&["up"][..], &["plan"], &["status"], &["teardown", "--yes"]] {
            deployer
                .run(words)
                .code(1)
                .says(&["has format 99", "knows formats up to"]);
        }
        assert!(machine.exists());
    });
    subtest("a damaged receipt is no base for up", || {
        std::fs::write(&path, &whole[..whole.len() / 2]).expect("a file");
        for words in [&["up"][..], &["plan"], &["status"]] {
            deployer.run(words).code(1).says(&["is damaged"]);
        }
        assert!(machine.exists());
    });
    subtest("teardown with a damaged receipt", || {
        deployer
            .teardown()
            .says(&["is damaged; going by what is there"]);
    });
    subtest("B6: a damaged receipt of what is gone already", || {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        std::fs::write(&path, "x").expect("a file");
        deployer
            .run(&["teardown", "--yes"])
            .code(0)
            .says(&["is damaged; going by what is there", "nothing is left"]);
        assert!(!path.parent().expect("a directory").exists());
    });
    subtest("T15, T13: a teardown by id lets a namesake live", || {
        deployer.run(&["up"]).code(0);
        let (lost, directory) = (deployer.id(), path.parent().expect("a directory"));
        std::fs::remove_dir_all(directory).expect("it is there");
        deployer.run(&["up"]).code(0);
        let receipt = std::fs::read_to_string(&path).expect("a receipt");
        let cables = |id: &str| {
            let ports = std::fs::read_dir(format!("/sys/class/net/dp-{id}/brif"));
            ports.map_or(0, Iterator::count)
        };
        let living = deployer.id();
        assert!(cables(&lost) > 0 && cables(&living) > 0);
        deployer
            .run(&["teardown", "--yes", "--id", &lost])
            .code(0)
            .says(&["nothing is left"]);
        assert!(cables(&lost) == 0 && cables(&living) > 0);
        assert_eq!(std::fs::read_to_string(&path).expect("it lives"), receipt);
        assert!(directory.join("secrets.json").exists());
        deployer.run(&["status"]).code(0);
        deployer.teardown();
    });
    subtest("teardown with the receipt lost", || {
        deployer.run(&["up"]).code(0);
        assert_ne!(deployer.id(), id, "an id is used once");
        let id = deployer.id();
        std::fs::remove_dir_all(path.parent().expect("a directory")).expect("it is there");
        deployer.run(&["teardown", "--yes"]).code(1).says(&[
            "there is no deployment",
            &format!("{} --id {id}", deployer.name),
        ]);
        deployer
            .run(&["teardown", "--yes", "--id", "0123456789ab"])
            .code(64);
        deployer
            .run(&["teardown", "--yes", "--id", &id])
            .code(0)
            .says(&["nothing is left"]);
        deployer.assert_gone();
    });
}
