//! The agents' binaries beside the deployer's. `cargo test --workspace` has built them; a `cargo test` of the deployer alone leaves
//! them out, or as they once were.

#![expect(clippy::disallowed_methods, reason = "tests call cargo")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::SystemTime;

/// Builds the agents beside `binary` unless they are there and newer than what they are made of. Another build than the
/// workspace's resolves other features, and compiles the agents' libraries once more.
pub(crate) fn built_beside(binary: &str) {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let beside = Path::new(binary).parent().expect("a directory");
        let agents = ["producer", "consumer"].map(|agent| changed(&beside.join(agent)));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let sources = newest(&root.join("agent/src"))
            .max(newest(&root.join("agent/kafka-admin")))
            .max(changed(&root.join("agent/Cargo.toml")))
            .max(changed(&root.join("Cargo.lock")));
        if agents.iter().all(|agent| agent.is_some() && *agent >= sources) {
            return;
        }
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "agent", "--bins"]);
        if beside.ends_with("release") {
            build.arg("--release");
        }
        let done = build.status().is_ok_and(|status| status.success());
        assert!(
            done,
            "the agents are not beside {binary} and could not be built: `cargo build --workspace` first"
        );
    });
}

/// When a file was last written; `None`: it is not there.
fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|data| data.modified()).ok()
}

/// When anything in a directory was last written.
fn newest(directory: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .map(|path: PathBuf| {
            if path.is_dir() {
                newest(&path)
            } else {
                changed(&path)
            }
        })
        .max()
        .flatten()
}
