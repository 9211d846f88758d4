//! The guide's blocks marked `sh`, as a reader types them: one after the other, in the order of the pages, on one deployment of this
//! box.

#![expect(
    clippy::disallowed_methods,
    reason = "the reader's shell, with the deployer on its path"
)]

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use deployer::guide::PAGES;

use crate::blocks::blocks;
use crate::command_line::{Running, Said};
use crate::deployer_command::{Deployer, subtest};
use crate::support::may_run;

#[test]
fn what_the_guide_says_to_type_works() {
    if !may_run("what_the_guide_says_to_type_works") {
        return;
    }
    let mut deployer = Deployer::new("nodes: { vm1: {} }\n");
    // Readers name nothing: it is the inventory that is built in, below the home that they have.
    deployer.name = "utilization".to_owned();
    let home = deployer.directory.path().join("home");
    fs::create_dir(&home).expect("a home");
    deployer.state_dir = home.join("deployer");
    let mut typed = 0;
    for page in PAGES {
        for block in blocks(&page.text()) {
            if block.kind == "sh" {
                let place = format!("guide {}, line {}", page.topic, block.line);
                subtest(&place, || typed_well(&deployer, &home, &block.text));
                typed += 1;
            }
        }
    }
    assert!(typed >= 5, "{typed} blocks");
    deployer.teardown();
}

/// Types a block, again where a node had no time for an answer: this box may be that busy.
fn typed_well(deployer: &Deployer, home: &Path, text: &str) {
    for _ in 0..3 {
        let said = type_in(deployer, home, text);
        if !said.all().contains("no answer within") {
            said.code(0);
            return;
        }
    }
    type_in(deployer, home, text).code(0);
}

/// Types a block into a shell that ends at the first line that fails.
fn type_in(deployer: &Deployer, home: &Path, text: &str) -> Said {
    let programs = Path::new(env!("CARGO_BIN_EXE_deployer")).parent();
    let programs = programs.expect("its directory").display();
    let path = std::env::var("PATH").expect("a path");
    let child = Command::new("sh")
        .args(["-e", "-c", text])
        .current_dir(home)
        .env("PATH", format!("{programs}:{path}"))
        .env("XDG_STATE_HOME", home)
        .env("XDG_RUNTIME_DIR", deployer.directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    Running::new(child.expect("a shell"), &[text]).finish()
}
