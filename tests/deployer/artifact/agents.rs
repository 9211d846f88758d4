use std::env::consts::ARCH;
use std::path::Path;

use deployer::artifact::ArtifactError;
use deployer::artifact::agents::{Agent, Agents, LibcVersion, find};
use deployer::artifact::cache::Cache;
use deployer::artifact::portable::{MOST_BYTES, OLDEST_LIBC, problems};
use deployer::step::sha256;
use tempfile::tempdir;

/// A real program of this box.
fn program() -> Vec<u8> {
    std::fs::read("/bin/true").unwrap()
}

fn agent<'a>(agents: &'a Agents, name: &str) -> &'a Agent {
    agents.each().find(|agent| agent.name == name).expect("it")
}

#[test]
fn both_agents_are_found_and_looked_into() {
    let directory = tempdir().unwrap();
    for name in ["producer", "consumer", "deployer"] {
        std::fs::write(directory.path().join(name), program()).unwrap();
    }
    let beside = find(None, &directory.path().join("deployer"), ARCH).unwrap();
    let named = find(
        Some(directory.path()),
        Path::new("/elsewhere/deployer"),
        ARCH,
    )
    .unwrap();
    assert_eq!(beside, named);
    for name in ["producer", "consumer"] {
        let agent = agent(&named, name);
        assert_eq!(agent.path, directory.path().join(name));
        assert_eq!(agent.machine, ARCH);
        let libc = agent.libc.unwrap();
        assert!(
            libc >= "2.2".parse().unwrap() && libc < "3.0".parse().unwrap(),
            "{libc}"
        );
    }
    let sum = sha256(&program());
    let artifacts = named
        .artifacts(&Cache::new(directory.path().join("cache")))
        .unwrap();
    for name in ["producer", "consumer"] {
        assert_eq!(artifacts[name].identity, format!("{name} sha256:{sum}"));
        assert_eq!(artifacts[name].sha256.as_ref(), Some(&sum));
    }
}

#[test]
fn portable_agents_are_preferred_in_their_folder() {
    let directory = tempdir().unwrap();
    let place = directory.path();
    let portable = place.join("agents").join(ARCH);
    std::fs::create_dir_all(&portable).unwrap();
    for name in ["producer", "consumer"] {
        std::fs::write(place.join(name), b"not looked at").unwrap();
        std::fs::write(portable.join(name), program()).unwrap();
    }
    let beside = find(None, &place.join("deployer"), ARCH).unwrap();
    assert_eq!(agent(&beside, "producer").path, portable.join("producer"));
    for named in [portable.parent().unwrap(), &portable] {
        let found = find(Some(named), Path::new("/elsewhere/deployer"), ARCH).unwrap();
        assert_eq!(found, beside);
    }
    // Those for another kind of machine lie beside them.
    let (other, word) = match ARCH {
        "aarch64" => ("x86_64", 0x3e),
        _ => ("aarch64", 0xb7),
    };
    std::fs::create_dir(place.join("agents").join(other)).unwrap();
    for name in ["producer", "consumer"] {
        let mut program = program();
        program[18] = word;
        std::fs::write(place.join("agents").join(other).join(name), program).unwrap();
    }
    let found = find(None, &place.join("deployer"), other).unwrap();
    assert_eq!(agent(&found, "consumer").machine, other);
    std::fs::remove_file(portable.join("consumer")).unwrap();
    let error = find(None, &place.join("deployer"), ARCH)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no `consumer`") && error.contains(ARCH),
        "{error}"
    );
}

#[test]
fn what_is_not_fit_to_be_shipped_is_told() {
    let directory = tempdir().unwrap();
    let place = directory.path();
    let mut large = program();
    large.resize(MOST_BYTES + 1, 0);
    large.extend(b"/box/of/somebody/source.rs");
    for name in ["producer", "consumer"] {
        std::fs::write(place.join(name), &large).unwrap();
    }
    let found = find(Some(place), Path::new("deployer"), ARCH).unwrap();
    let mut agent = agent(&found, "producer").clone();
    agent.libc = Some("2.36".parse().unwrap());
    let box_of_somebody =
        [Path::new("/box/of/somebody"), Path::new("/box/of/some")].map(Into::into);
    assert_eq!(
        problems(&agent, &box_of_somebody).unwrap(),
        [
            "it needs glibc 2.36, newer than 2.31".to_owned(),
            format!("it has {} bytes, more than {MOST_BYTES}", large.len()),
            "it holds the path /box/of/somebody".to_owned(),
        ]
    );
    std::fs::write(place.join("producer"), program()).unwrap();
    agent.libc = Some(OLDEST_LIBC);
    assert!(problems(&agent, &box_of_somebody).unwrap().is_empty());
}

/// Those that `build-agents` made, where it did.
#[test]
fn agents_that_were_built_to_be_shipped_are_fit_for_it() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let machines = ["x86_64", "aarch64"];
    for (profile, machine) in ["release", "debug"]
        .map(|at| machines.map(|machine| (at, machine)))
        .concat()
    {
        let place = target.join(profile).join("agents").join(machine);
        if !place.is_dir() {
            eprintln!(
                "not looked into: {}; `deployer build-agents` makes it",
                place.display()
            );
            continue;
        }
        let agents = find(Some(&place), Path::new("deployer"), ARCH).unwrap();
        for agent in agents.each() {
            assert_eq!(agent.machine, machine);
            assert_eq!(problems(agent, &[source.into()]).unwrap(), [""; 0]);
        }
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
        let error = find(named, &place.join("deployer"), ARCH).unwrap_err();
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
        std::fs::write(directory.path().join("consumer"), bytes).unwrap();
        let error = find(Some(directory.path()), Path::new("deployer"), ARCH).unwrap_err();
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
