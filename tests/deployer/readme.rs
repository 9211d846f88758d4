//! The README's two commands, typed as they stand, with other programs in the place of those they call.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::sshd::command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The command below a comment that begins so.
fn command_of(number: &str) -> String {
    let text = fs::read_to_string(root().join("README.md")).expect("the README");
    let mut lines = text.lines();
    lines
        .find(|line| line.starts_with(&format!("# {number}. ")))
        .expect("its comment");
    lines.next().expect("a command").to_owned()
}

/// A box on which each program writes down how it was called; `sudo` does what it is asked for, too.
fn a_box(programs: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, text).expect("a program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    };
    let log = directory.path().join("log").display().to_string();
    for name in programs {
        let then = if *name == "bin/sudo" { "\"$@\"" } else { "" };
        let called = name.rsplit('/').next().unwrap_or(name);
        write(
            name,
            &format!("#!/bin/sh\necho {called} \"$@\" >>{log}\n{then}\n"),
        );
    }
    directory
}

/// What a shell calls when the command is typed there.
fn typed(shell: &str, command_line: &str, a_box: &TempDir) -> Vec<String> {
    let output = command(Path::new(shell))
        .args(["-c", command_line])
        .current_dir(a_box.path())
        .env("PATH", a_box.path().join("bin"))
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command_line}: {said}");
    let log = fs::read_to_string(a_box.path().join("log")).expect("calls");
    log.lines().map(str::to_owned).collect()
}

#[test]
fn both_commands_work_with_sudo_and_without() {
    for (number, last) in [
        ("1", "deployer up"),
        ("2", "cargo test --workspace --no-fail-fast"),
    ] {
        let line = command_of(number);
        for shell in ["/bin/sh", "/bin/bash"] {
            let plain = ["bin/apt-get", "bin/cargo", "target/release/deployer"];
            let calls = typed(shell, &line, &a_box(&plain));
            assert_eq!(calls[0], "apt-get update");
            assert!(calls[1].starts_with("apt-get install -y "), "{calls:?}");
            assert_eq!(calls.last().map(String::as_str), Some(last));
            let with = [&plain[..], &["bin/sudo"]].concat();
            let calls = typed(shell, &line, &a_box(&with));
            assert_eq!(calls[1], "apt-get update", "{calls:?}");
            assert!(calls[0].ends_with("sudo apt-get update"), "{calls:?}");
            assert!(calls[2].contains("sudo apt-get install -y "), "{calls:?}");
            assert_eq!(calls.last().map(String::as_str), Some(last));
        }
    }
}

/// What `.ci/run` tests with is what users are told to type, and nothing else is installed for it.
#[test]
fn ci_uses_the_readmes_command() {
    let run = fs::read_to_string(root().join(".ci/run")).expect(".ci/run");
    assert!(run.contains("sed -n '/^# 2\\. the tests/{n;p}' README.md"));
    assert!(
        !run.contains("apt-get"),
        ".ci/run installs something itself"
    );
    assert!(command_of("2").ends_with("&& cargo test --workspace --no-fail-fast"));
}
