//! A deployment whose state lies on its machines, too: other laptops take it over, one at a time changes it.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::deployer_command::{Deployer, subtest};
use crate::support::may_run;

const PASSPHRASE: &str = "correct horse battery staple";

/// Writes a passphrase for its owner alone.
fn passphrase(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, format!("{text}\n")).expect("a file");
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
    path.display().to_string()
}

fn inventory(passphrase: &str, more: &str) -> String {
    format!(
        "security: on\nstate_copy: {{ passphrase_file: {passphrase} }}\nnodes: {{ vm1: {{}}, vm2: {{}}{more} }}\n"
    )
}

/// Where a machine's copy lies, as its box sees it.
fn copy(deployer: &Deployer, node: &str) -> PathBuf {
    let disk = deployer
        .place()
        .join("machines")
        .join(node)
        .join("disk/upper");
    disk.join("etc/deployer")
        .join(&deployer.name)
        .join("state.age")
}

fn mark(deployer: &Deployer, node: &str) -> Value {
    let text = std::fs::read(copy(deployer, node).with_extension("json")).expect("a mark");
    serde_json::from_slice(&text).expect("JSON")
}

#[test]
fn a_deployment_survives_its_laptop() {
    if !may_run("a_deployment_survives_its_laptop") {
        return;
    }
    let ann = Deployer::new("").with("USER", "ann");
    let file = passphrase(ann.directory.path(), "passphrase", PASSPHRASE);
    ann.write(&inventory(&file, ""));
    let plan = ann.run(&["plan"]).code(2);
    plan.says(&["write the encrypted copy of the state"]);
    ann.run(&["up", "--yes"]).code(0);

    subtest(
        "the copy is on each node, for root alone, and tells nothing",
        || {
            for node in ["vm1", "vm2"] {
                let path = copy(&ann, node);
                let text = std::fs::read_to_string(&path).expect("a copy");
                assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
                for path in [path.clone(), path.with_extension("json")] {
                    let metadata = std::fs::metadata(&path).expect("a file");
                    assert_eq!((metadata.mode() & 0o777, metadata.uid()), (0o600, 0));
                    let text = std::fs::read_to_string(&path).expect("a text");
                    let secrets = ann.secrets().to_string();
                    let words = secrets.split('"').filter(|word| word.len() >= 16);
                    for secret in words.chain([PASSPHRASE, "PRIVATE KEY"]) {
                        assert!(!text.contains(secret), "{}: {secret}", path.display());
                    }
                }
            }
            assert_eq!(mark(&ann, "vm1"), mark(&ann, "vm2"));
            assert_eq!(mark(&ann, "vm1")["number"], 1);
        },
    );
    subtest("nothing changed: nothing is written", || {
        let before = std::fs::read(copy(&ann, "vm1")).expect("a copy");
        ann.run(&["up", "--yes"]).code(0).says(&["nothing to do"]);
        ann.run(&["plan"]).code(0).says(&["nothing to do"]);
        ann.run(&["status"]).code(0);
        assert_eq!(std::fs::read(copy(&ann, "vm1")).expect("a copy"), before);
    });

    let id = ann.id();
    let bob = ann.beside(true, "").with("USER", "bob");
    bob.write(&inventory(&file, ""));
    let adopt = |more: &[&str]| {
        let words = ["adopt", "--yes", "--cloud", "local", "--id", &id];
        bob.run(&[&words[..], more].concat())
    };
    let with_file = ["--passphrase-file", file.as_str()];
    subtest("what is wrong is refused, and nothing is written", || {
        let wrong = passphrase(ann.directory.path(), "wrong", "wrong horse battery staple");
        let said = adopt(&["--passphrase-file", &wrong]).code(1);
        said.says(&["the passphrase is not the one"]);
        adopt(&[])
            .code(64)
            .says(&["no terminal", "--passphrase-file"]);
        let identity = ["--identity", file.as_str()];
        adopt(&identity)
            .code(1)
            .says(&["by a passphrase, not for keys"]);
        let other = ["adopt", "--yes", "--cloud", "local", "--id", "0123456789ab"];
        let said = bob.run(&[&other[..], &with_file].concat()).code(1);
        said.says(&["no machine that was reached has a copy"]);
        let whole = std::fs::read(copy(&ann, "vm1")).expect("a copy");
        for node in ["vm1", "vm2"] {
            std::fs::write(copy(&ann, node), &whole[..whole.len() / 2]).expect("a half");
        }
        let said = adopt(&with_file).code(1);
        said.says(&["the copy was not opened: it is damaged"]);
        ann.run(&["status"])
            .code(1)
            .says(&["the encrypted copy of the state"]);
        // One that is whole will do.
        std::fs::write(copy(&ann, "vm2"), &whole).expect("a copy");
        assert!(!bob.receipt_path().exists());
    });
    subtest(
        "killed between a copy and its mark: the copy is good",
        || {
            let path = copy(&ann, "vm2").with_extension("json");
            let whole = std::fs::read_to_string(&path).expect("a mark");
            let sha256 = mark(&ann, "vm2")["sha256"]
                .as_str()
                .expect("a sum")
                .to_owned();
            std::fs::write(&path, whole.replace(&sha256, &"0".repeat(64))).expect("a mark");
            // Not under the machine that runs: it would see neither that one nor another in its place.
            let there = format!("/etc/deployer/{}/state.age", ann.name);
            ann.on("vm1", &["rm", &there]);
            adopt(&with_file).code(0);
            std::fs::write(&path, whole).expect("a mark");
            let directory = bob.receipt_path();
            std::fs::remove_dir_all(directory.parent().expect("a directory")).expect("taken over");
        },
    );
    subtest("at a terminal it asks, and shows no passphrase", || {
        for (answer, passphrase, code, words) in [
            (
                "",
                "wrong horse battery",
                1,
                "the passphrase is not the one",
            ),
            ("n\n", PASSPHRASE, 130, "nothing was done"),
        ] {
            let mut asked = bob.at_terminal(&["adopt", "--cloud", "local", "--id", &id]);
            asked.until(&format!("Passphrase of {}: ", bob.name));
            asked.answer(&format!("{passphrase}\n"));
            if !answer.is_empty() {
                asked.until("? [y/N] ");
                asked.answer(answer);
            }
            let (ended, said) = asked.end();
            assert_eq!(ended, code, "{said}");
            assert!(said.contains(words) && !said.contains(passphrase), "{said}");
            assert!(!bob.receipt_path().exists());
        }
    });
    subtest("another laptop takes it over", || {
        adopt(&with_file).code(0).says(&["is taken over"]);
        for path in [bob.receipt_path(), bob.secrets_path()] {
            let mode = std::fs::metadata(&path).expect("a file").mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
        let directory = bob.receipt_path();
        let directory = directory.parent().expect("a directory");
        assert_eq!(
            std::fs::metadata(directory).expect("it").mode() & 0o777,
            0o700
        );
        assert_eq!(bob.secrets(), ann.secrets());
        // vm1's is gone.
        bob.run(&["plan"])
            .code(2)
            .says(&["vm1: write the encrypted copy of the state"]);
        bob.run(&["up", "--yes"]).code(0);
        bob.run(&["plan"]).code(0).says(&["nothing to do"]);
        bob.run(&["status"]).code(0);
        adopt(&with_file).code(64).says(&["is here already"]);
    });
    subtest("the laptop that is behind is told so", || {
        bob.write(&inventory(&file, ", vm3: {}"));
        bob.run(&["up", "--yes"]).code(0);
        assert_eq!(
            mark(&bob, "vm3")["by"]
                .as_str()
                .expect("who")
                .split('@')
                .next(),
            Some("bob")
        );
        let receipt = std::fs::read(ann.receipt_path()).expect("a receipt");
        for verb in ["plan", "up"] {
            let said = ann
                .run(&[&[verb][..], if verb == "up" { &["--yes"] } else { &[] }].concat())
                .code(1);
            said.says(&[
                "was changed from another laptop",
                "bob@",
                &format!("adopt --id {id}"),
            ]);
        }
        let said = ann.run(&["teardown", "--yes"]).code(1);
        said.says(&["was changed from another laptop", "bob@"]);
        assert_eq!(
            std::fs::read(ann.receipt_path()).expect("a receipt"),
            receipt
        );
        let words = ["adopt", "--yes", "--cloud", "local", "--id", &id];
        ann.run(&[&words[..], &with_file].concat()).code(0);
        ann.write(&inventory(&file, ", vm3: {}"));
        // Whoever goes on proves that all arrives.
        ann.run(&["plan"])
            .code(2)
            .says(&["nothing to do but to prove"]);
    });
    subtest("one at a time", || {
        bob.write(&inventory(&file, ", vm3: {}, vm4: {}"));
        let mut first = bob.start(&["up", "--yes"]);
        assert!(first.until(|line| line.contains("vm4")));
        let node = "/run/deployer-".to_owned() + &bob.name + ".turn";
        crate::support::within(Duration::from_secs(30), "bob's turn", || {
            let held = ann.run(&["ssh", "vm1", "--", "cat", &node]).out;
            held.contains("bob@").then_some(()).ok_or(held)
        });
        ann.write(&inventory(&file, ", vm3: {}, vm5: {}"));
        let said = ann.run(&["up", "--yes"]).code(1);
        said.says(&["bob@", "runs `deployer up` since", "nothing was changed"]);
        first.finish().code(0);
        ann.run(&["up", "--yes"])
            .code(1)
            .says(&["was changed from another laptop"]);
        let words = ["adopt", "--yes", "--cloud", "local", "--id", &id];
        ann.run(&[&words[..], &with_file].concat()).code(0);
    });
    subtest("without the key the copies go", || {
        ann.write("security: on\nnodes: { vm1: {}, vm2: {}, vm3: {}, vm4: {} }\n");
        ann.run(&["up", "--yes"]).code(0);
        assert!(!copy(&ann, "vm1").exists() && !copy(&ann, "vm4").exists());
        ann.run(&["plan"]).code(0).says(&["nothing to do"]);
    });
    ann.teardown();
}
