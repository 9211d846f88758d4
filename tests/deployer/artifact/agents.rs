use std::path::Path;

use deployer::artifact::ArtifactError;
use deployer::artifact::agents::{LibcVersion, find};
use deployer::step::sha256;
use tempfile::tempdir;

/// A real program of this box.
fn program() -> Vec<u8> {
    std::fs::read("/bin/true").unwrap()
}

#[test]
fn both_agents_are_found_and_looked_into() {
    let directory = tempdir().unwrap();
    for name in ["producer", "consumer", "deployer"] {
        std::fs::write(directory.path().join(name), program()).unwrap();
    }
    let beside = find(None, &directory.path().join("deployer")).unwrap();
    let named = find(Some(directory.path()), Path::new("/elsewhere/deployer")).unwrap();
    assert_eq!(beside, named);
    for (agent, name) in [(&named.producer, "producer"), (&named.consumer, "consumer")] {
        assert_eq!(agent.path, directory.path().join(name));
        assert_eq!(agent.machine, std::env::consts::ARCH);
        let libc = agent.libc.unwrap();
        assert!(
            libc >= "2.2".parse().unwrap() && libc < "3.0".parse().unwrap(),
            "{libc}"
        );
    }
    let sum = sha256(&program());
    let artifacts = named.artifacts().unwrap();
    for name in ["producer", "consumer"] {
        assert_eq!(artifacts[name].identity, format!("{name} sha256:{sum}"));
        assert_eq!(artifacts[name].sha256.as_ref(), Some(&sum));
    }
}

#[test]
fn an_absent_agent_is_named_with_the_way_to_get_it() {
    let directory = tempdir().unwrap();
    let release = directory.path().join("release");
    let debug = directory.path().join("debug");
    for place in [&release, &debug] {
        std::fs::create_dir(place).unwrap();
        std::fs::write(place.join("producer"), program()).unwrap();
    }
    for (named, place, cure) in [
        (None, &release, "`cargo build --release -p agent`"),
        (None, &debug, "`cargo build -p agent`"),
        (Some(&*release), &debug, "--agents must name"),
    ] {
        let error = find(named, &place.join("deployer")).unwrap_err();
        assert!(matches!(error, ArtifactError::NoAgent { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("no `consumer` in /") && text.contains(cure),
            "{text}"
        );
    }
}

#[test]
fn what_no_node_can_run_is_refused() {
    let mut other_machine = program();
    other_machine[18] = 0xf3; // RISC-V
    let mut damaged = program();
    damaged.truncate(1000);
    for (bytes, why) in [
        (other_machine, "it is for another machine"),
        (damaged, "not a Linux program"),
        (b"#!/bin/sh\n".to_vec(), "not a Linux program"),
    ] {
        let directory = tempdir().unwrap();
        std::fs::write(directory.path().join("producer"), bytes).unwrap();
        let error = find(Some(directory.path()), Path::new("deployer")).unwrap_err();
        assert!(matches!(error, ArtifactError::NotUsable { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn versions_of_glibc_are_compared_as_numbers() {
    let version = |text: &str| text.parse::<LibcVersion>().unwrap();
    assert!(version("2.9") < version("2.31"));
    assert!(version("2.36") < version("3.0"));
    assert_eq!(version("2.3.4"), version("2.3"));
    assert_eq!(version("2.36").to_string(), "2.36");
    assert!("unknown".parse::<LibcVersion>().is_err());
}
