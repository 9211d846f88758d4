//! The figures of `deployer guide local`, measured: how long `up` and `teardown` take, each beside something named that does the same.
//!
//! ```text
//! cargo bench -p deployer                          # all figures, as root, on Linux; some ten minutes, the build not counted
//! cargo bench -p deployer -- unchanged teardown    # some of them
//! cargo bench -p deployer -- --repetitions 5       # more often than three times
//! cargo bench -p deployer -- --deployer PROGRAM    # another build of it, to compare the two
//! ```
//!
//! The agents lie beside the deployer: `cargo build --release` comes first. With `-p deployer` cargo then builds many dependencies
//! once more, with fewer features; `--workspace --bench figures` in its place spares some of that.
//!
//! | figure      | what is measured                                               | beside                                 |
//! |-------------|----------------------------------------------------------------|----------------------------------------|
//! | `first`     | `up` on new machines (image and jars cached), canaries proven  | the target, 20 s                       |
//! | `unchanged` | `up` with nothing to do, 4 machines                            | the target, 1 s, and an equal Ansible play |
//! | `twenty`    | `up` with nothing to do, 20 machines without roles             | `ssh HOST true` on all at once         |
//! | `teardown`  | `teardown` of 4 machines                                       | the target, 5 s                        |
//! | `security`  | `up`, unchanged `up`, 1 KB events sent, stored; `security: on` | the same with `security: off`          |
//! | `streams`   | `up -i trucks`, data proven; the first batch; memory of `-i logins` | the targets, 35 s, 10 s, 1.6 GB   |
//! | `alerts`    | from a window's end to its mail at the relay                   | the target, grace and 10 s             |
//!
//! What is compared runs in turns, so that a busy moment of the box meets both; of each, the fastest, the middle and the slowest
//! run are printed, and ratios are those of the middle ones (of `security` the middle one of the turns). A figure that misses its
//! target makes the exit code 1.
//!
//! The play is made from what `up` has put on the machines: the same packages, users, directories, files (content, owner and
//! mode), units and ports, in tasks with loops, which is quicker than a task an item. It runs as well as Ansible can: as many
//! forks as hosts, pipelining, no facts, connections that stand already. Ansible comes by pip into the build's directory; the
//! machines get Python by apt. Where one of them cannot be had, the comparison is said to be missing and is no failure.
//!
//! All machines are the bench's own and are taken away at its end. The first run on a box makes what later ones find cached,
//! outside of what is measured.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench runs the box's programs, reads its own arguments and tells by printing"
)]

use std::process::ExitCode;

mod alerts;
mod ansible;
mod figures;
mod lab;
#[path = "../shared/python.rs"]
mod python;
mod samples;
mod security;
#[path = "../shared/smtp.rs"]
mod smtp;
mod streams;

use figures::Figures;

/// The figures there are.
const NAMES: [&str; 7] = [
    "first",
    "unchanged",
    "twenty",
    "teardown",
    "security",
    "streams",
    "alerts",
];

/// Those of the four machines.
const FOUR: [&str; 3] = ["first", "unchanged", "teardown"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs this too, without the word by which `cargo bench` calls.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("figures are measured by `cargo bench -p deployer`");
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(words) => {
            println!("{words}");
            ExitCode::FAILURE
        }
    }
}

/// Measures; whether all targets are met.
fn run(arguments: &[String]) -> Result<bool, String> {
    let mut repetitions = 3;
    let mut deployer = env!("CARGO_BIN_EXE_deployer");
    let mut wanted: Vec<&str> = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => {}
            "--repetitions" => {
                repetitions = words
                    .next()
                    .and_then(|number| number.parse().ok())
                    .filter(|number| *number > 0)
                    .ok_or("--repetitions: how many?")?;
            }
            "--deployer" => deployer = words.next().ok_or("--deployer: which?")?,
            name if NAMES.contains(&name) => wanted.push(name),
            other => {
                return Err(format!(
                    "there is no figure `{other}`; there are {}",
                    NAMES.join(", ")
                ));
            }
        }
    }
    if wanted.is_empty() {
        wanted = NAMES.to_vec();
    }
    if !rustix::process::geteuid().is_root() {
        return Err("nothing was measured: the machines of this box need root".into());
    }
    let mut figures = Figures::begin(deployer, repetitions)?;
    let four: Vec<&str> = wanted
        .iter()
        .filter(|name| FOUR.contains(name))
        .copied()
        .collect();
    if !four.is_empty() {
        figures.four_machines(&four)?;
    }
    if wanted.contains(&"twenty") {
        figures.twenty_machines()?;
    }
    if wanted.contains(&"security") {
        figures.security()?;
    }
    if wanted.contains(&"streams") {
        figures.streams()?;
    }
    if wanted.contains(&"alerts") {
        figures.alerts()?;
    }
    Ok(figures.end())
}
