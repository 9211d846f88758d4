//! `up` and `teardown` are killed at every call of AWS, before it is done and after it is done with its answer lost. Each time the
//! same command goes on where it was, there is one machine for each node, and after a teardown nothing is left.
//!
//! The real binary dies of SIGKILL; what answers by SSH is on a stage.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::bench::Bench;
use super::census::{census, client};
use super::desk::Desk;
use super::proxy::{Fault, Moment, Proxy};
use super::stage;

use deployer::cloud::Cloud as _;

/// A verb that dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Up,
    Teardown,
}

impl Verb {
    fn words(self) -> [&'static str; 2] {
        match self {
            Self::Up => ["up", "--yes"],
            Self::Teardown => ["teardown", "--yes"],
        }
    }
}

/// EC2 makes a machine some time after it was asked for it, and who asked is dead by then: what takes all away waits for the machine,
/// which would hold the network for ten minutes.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_comes_after_the_death_of_who_asked_for_it() {
    const REGION: &str = "sa-east-1";
    let Some(moto) = stage::moto() else { return };
    let ec2 = client(&moto.url(), REGION);
    let there = census(&ec2).await;
    let proxy = Proxy::start(moto.port).await;
    let desk = stage::desk();
    let file = desk.write("inventory.yaml", &stage::inventory(&proxy.url, REGION, ""));
    let later = Fault::DieAndDoLater(Duration::from_millis(1500));
    proxy.fault("RunInstances", 1, later);
    let up = [&Verb::Up.words()[..], &["--inventory", &file]].concat();
    let mut child = tokio::process::Command::from(desk.command(&up))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the deployer starts");
    proxy.killed().await;
    child.kill().await.expect("SIGKILL");
    let start = Instant::now();
    run(&desk, &file, Verb::Teardown).await;
    assert!(
        start.elapsed() < Duration::from_mins(2),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(census(&ec2).await, there);
}

/// Runs a verb that dies at a moment, runs it again, and takes all away; the table's line, or `None` where it came to its end.
async fn death(
    port: u16,
    region: &str,
    verb: Verb,
    moment: Moment,
    before: bool,
) -> Option<String> {
    let proxy = Proxy::start(port).await;
    let desk = stage::desk();
    let file = desk.write("inventory.yaml", &stage::inventory(&proxy.url, region, ""));
    let run = async |verb: Verb| run(&desk, &file, verb).await;
    if verb == Verb::Teardown {
        run(Verb::Up).await;
    }
    proxy.kill_at(moment, before);
    let words = verb.words();
    let mut command = tokio::process::Command::from(desk.command(&words));
    let mut child = command
        .args(["--inventory", &file])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the deployer starts");
    let died = tokio::select! {
        () = proxy.killed() => {
            child.kill().await.expect("SIGKILL");
            true
        }
        status = child.wait() => {
            let status = status.expect("a status");
            assert!(status.success(), "{verb:?} without a kill: {status}");
            false
        }
    };
    let calls = proxy.take_calls();
    let number = match moment {
        Moment::Number(number) => number,
        Moment::Named(name) => {
            let found = calls.iter().position(|call| call.action == name);
            found.unwrap_or(calls.len())
        }
    };
    let call = calls.get(number).map_or("", |call| call.action.as_str());
    proxy.spare();
    let when = if before { "before" } else { "after" };
    let place = format!("{verb:?} died {when} call {number} {call}");
    let mut bench = Bench::new(&proxy.url, region, "", &[]);
    if verb == Verb::Up {
        if died {
            run(Verb::Up).await;
        }
        bench.wanted.id = desk.id();
        let found = bench.aws().deployments().await.expect("deployments");
        let ours = found
            .into_iter()
            .find(|found| found.id == bench.wanted.id)
            .expect("found");
        let machines = ours
            .things
            .iter()
            .filter(|thing| thing.starts_with("machine"))
            .count();
        assert_eq!((machines, ours.nodes.len()), (2, 2), "{place}");
    }
    if died || verb == Verb::Up {
        run(Verb::Teardown).await;
    }
    died.then(|| format!("{:8} died {when:6} call {number:2} {call}", words[0]))
}

async fn run(desk: &Desk, file: &str, verb: Verb) {
    let mut command = tokio::process::Command::from(desk.command(&verb.words()));
    let output = command
        .args(["--inventory", file])
        .output()
        .await
        .expect("the deployer starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{verb:?}: {said}");
}

/// All calls, one after another, until it comes to its end.
async fn all(port: u16, region: &str, verb: Verb, before: bool) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = death(port, region, verb, Moment::Number(lines.len()), before).await {
        lines.push(line);
    }
    lines
}

/// Kills everywhere (`.ci/run full`), or at these calls only; the region must be as it was.
async fn matrix(region: &str, verb: Verb, some: &[(&'static str, bool)], least: usize) {
    let Some(moto) = stage::moto() else { return };
    let port = moto.port;
    let ec2 = client(&format!("http://127.0.0.1:{port}"), region);
    let there = census(&ec2).await;
    let full = std::env::vars().any(|(key, _)| key == "DEPLOYER_TEST_FULL");
    let lines: Vec<String> = if full {
        let (before, after) = tokio::join!(
            all(port, region, verb, true),
            all(port, region, verb, false)
        );
        assert!(before.len() >= least && after.len() >= least);
        before.into_iter().chain(after).collect()
    } else {
        let deaths = some
            .iter()
            .map(|(name, before)| death(port, region, verb, Moment::Named(name), *before));
        let lines: Vec<String> = join_all(deaths).await.into_iter().flatten().collect();
        assert_eq!(lines.len(), some.len(), "{lines:#?}");
        lines
    };
    assert_eq!(census(&ec2).await, there, "{lines:#?}");
    let mut table = String::new();
    for line in &lines {
        let _ = writeln!(table, "    {line:60} left at the end: 0");
    }
    eprintln!("{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn up_dies_at_calls() {
    let some = [
        ("CreateVpc", false),
        ("AttachInternetGateway", true),
        ("AuthorizeSecurityGroupIngress", false),
        ("RunInstances", false),
    ];
    matrix("ap-southeast-1", Verb::Up, &some, 25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn teardown_dies_at_calls() {
    let some = [
        ("TerminateInstances", false),
        ("DetachInternetGateway", false),
        ("DeleteVpc", true),
    ];
    matrix("ap-southeast-2", Verb::Teardown, &some, 20).await;
}
