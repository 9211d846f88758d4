//! The command line as a user meets it: exit codes, and words on the right channel.

use std::process::{Command, Output};

use tempfile::TempDir;

#[expect(
    clippy::disallowed_methods,
    reason = "the deployer itself, as its users start it"
)]
fn deployer(home: &TempDir, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deployer"))
        .args(arguments)
        .current_dir(home.path())
        .env("HOME", home.path())
        .env_remove("XDG_STATE_HOME")
        .env_remove("XDG_CACHE_HOME")
        .output()
        .expect("deployer")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn wrong_use_ends_with_64_and_says_why() {
    let home = tempfile::tempdir().expect("directory");
    for (arguments, words) in [
        (vec!["bogus"], "unrecognized subcommand"),
        (vec!["up", "--cloud", "moon"], "this build knows the clouds"),
        (
            vec!["plan", "-i", "missing.yaml"],
            "cannot read the inventory missing.yaml",
        ),
        (vec!["verify", "-n", "0"], "0 is not in 1..=10000"),
        (vec!["ssh"], "required arguments"),
    ] {
        let output = deployer(&home, &arguments);
        assert_eq!(
            output.status.code(),
            Some(64),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(
            said(&output).contains(words),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(output.stdout.is_empty(), "{arguments:?} printed data");
    }
}

#[test]
fn without_a_deployment_every_verb_says_so() {
    let home = tempfile::tempdir().expect("directory");
    for verb in [
        vec!["status"],
        vec!["docs"],
        vec!["dead-letters"],
        vec!["export", "there.gz"],
        vec!["verify"],
        vec!["logs", "kafka"],
        vec!["produce"],
    ] {
        let output = deployer(&home, &verb);
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {}", said(&output));
        assert!(
            said(&output).contains("there is no deployment"),
            "{verb:?}: {}",
            said(&output)
        );
        assert!(
            said(&output).contains("next: deployer up makes one"),
            "{verb:?}: {}",
            said(&output)
        );
    }
}

#[test]
fn init_writes_an_inventory_once() {
    let home = tempfile::tempdir().expect("directory");
    let first = deployer(&home, &["init"]);
    assert!(first.status.success(), "{}", said(&first));
    let text = std::fs::read(home.path().join("inventory.yaml")).expect("written");
    assert!(deployer::inventory::parse(&text, "inventory.yaml").is_ok());
    let second = deployer(&home, &["init"]);
    assert_eq!(second.status.code(), Some(64));
    assert_eq!(
        std::fs::read(home.path().join("inventory.yaml")).expect("kept"),
        text
    );
}

#[test]
fn data_is_on_standard_output() {
    let home = tempfile::tempdir().expect("directory");
    let schema = deployer(&home, &["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).expect("JSON");
    assert!(schema["properties"]["nodes"].is_object());
    let completions = deployer(&home, &["completions", "bash"]);
    assert!(String::from_utf8_lossy(&completions.stdout).contains("_deployer"));
}
