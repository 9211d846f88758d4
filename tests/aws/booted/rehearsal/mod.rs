//! `rehearse` against moto: what it does, what it refuses, that nothing is left whatever ends it, and that its report can be sent to
//! strangers. Where machines need not boot they are on a stage.

mod variants;

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_ec2::Client;
use rustix::process::{Pid, Signal, kill_process};

use super::account;
use crate::census::{census, client};
use crate::desk::{Desk, says};
use crate::limits::Account;
use crate::proxy::{Moment, Proxy};
use crate::stage;
use crate::watcher::THIS_BOX;

/// A user's box with an inventory, and the account it leads to.
struct Hall {
    desk: Desk,
    file: String,
    proxy: Proxy,
    /// Past the proxy.
    url: String,
    ec2: Client,
}

impl Hall {
    async fn new(region: &str) -> Option<Self> {
        let moto = stage::moto()?;
        let proxy = Proxy::start(moto.port).await;
        let mut desk = stage::desk();
        desk.set("USER", "somebody-here");
        let file = desk.write("inventory.yaml", &stage::inventory(&proxy.url, region, ""));
        let url = moto.url();
        let ec2 = client(&url, region);
        Some(Self {
            desk,
            file,
            proxy,
            url,
            ec2,
        })
    }

    fn words<'a>(&'a self, report: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let words = ["rehearse", "--cloud", "aws", "--inventory", &self.file];
        let report = ["--report", report];
        [&words[..], &report[..], more].concat()
    }

    /// Begins one; what it says goes to a file.
    fn begin(&self, report: &str, more: &[&str]) -> Child {
        let said = std::fs::File::create(self.desk.path("said")).expect("a file");
        self.desk
            .command(&self.words(report, more))
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .expect("the deployer starts")
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.desk.path("said")).expect("what it said")
    }

    /// Waits until a report has these words.
    async fn until(&self, report: &str, words: &str) {
        let start = Instant::now();
        while !std::fs::read_to_string(report).is_ok_and(|text| text.contains(words)) {
            assert!(
                start.elapsed() < Duration::from_mins(3),
                "{words}: {}",
                self.said()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn census(&self) -> std::collections::BTreeSet<String> {
        census(&self.ec2).await
    }
}

async fn end(mut child: Child) -> Option<i32> {
    let ended = tokio::task::spawn_blocking(move || child.wait().expect("a status"));
    ended.await.expect("a thread").code()
}

/// One machine that carries the whole pipeline. CouchDB is the stand-in, its packages being on no registry that every box reaches: so
/// in plain text.
fn pipeline(url: &str, region: &str) -> String {
    format!(
        "\
name: mine
cloud: aws
security: off
nodes: {{ vm1: {{ roles: [zookeeper, kafka, couchdb, consumer, producer] }} }}
kafka: {{ replication: 1 }}
couchdb: {{ distribution: pouchdb }}
producer: {{ count: 10, interval: 50ms }}
clouds: {{ aws: {{ region: {region}, endpoint_url: '{url}', ssh_from: [{THIS_BOX}] }} }}
"
    )
}

/// The whole of it on a booted machine, but that somebody shortens the half hour until it powers itself off.
#[tokio::test(flavor = "multi_thread")]
async fn all_is_tried_and_nothing_is_left() {
    const REGION: &str = "eu-west-1";
    let Some((moto, _watcher)) = account(REGION) else {
        return;
    };
    let url = moto.url();
    let proxy = Proxy::start(moto.port).await;
    let mut desk = Desk::new();
    desk.set("USER", "somebody-here");
    let file = desk.write("inventory.yaml", &pipeline(&proxy.url, REGION));
    let ec2 = client(&url, REGION);
    let hall = Hall {
        desk,
        file,
        proxy,
        url,
        ec2,
    };
    let there = hall.census().await;
    let report = hall.desk.path("report.md");
    let child = hall.begin(&report, &["--yes", "--least-policy"]);
    // `check` asks whether it might, too.
    hall.until(&report, "## 2/12 ").await;
    dies_when_done(&hall, "RunInstances").await;
    hall.until(&report, "0 of 1 machines are off").await;
    let state = hall.desk.path("state/rehearsals/aws");
    let over = "echo 1 | sudo tee /etc/deployer/expires; sudo systemctl start --no-block deployer-ttl.service";
    let mut command = hall
        .desk
        .anywhere(&["ssh", "vm1", "--state-dir", &state, "--", over]);
    assert!(command.status().expect("ssh").success());
    hall.until(&report, "## 10/12 ").await;
    dies_when_done(&hall, "DeleteVpc").await;
    let code = end(child).await;
    let text = std::fs::read_to_string(&report).expect("a report");
    eprintln!("{text}");
    assert_eq!(code, Some(0), "{}", hall.said());
    says(
        &text,
        &[
            "# A rehearsal on aws, 20",
            "have exactly the policy of `deployer guide aws`",
            "die while AWS answers | as it should: killed",
            "die while the network goes | as it should: killed",
            "(exit code 64) | as it should: exit code 64",
            "; the first documents after ",
            "1 of 1 machines are off",
            "account <account>, region eu-west-1",
            "cost and time: at most 0.08 USD (cap: 1.00 USD)",
            "\nNothing is left. (20",
        ],
    );
    // moto's account, who sits here, and where things lie.
    let here = hall.desk.path("");
    for secret in ["123456789012", "somebody-here", &here] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(hall.census().await, there);
}

/// The step that goes on is killed while this call has been done and is not answered.
async fn dies_when_done(hall: &Hall, call: &'static str) {
    hall.proxy.kill_at(Moment::Named(call), false);
    hall.proxy.killed().await;
    hall.proxy.spare();
}

/// Ctrl-C, a terminal that is closed, and the time limit: each takes all away.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_it_takes_all_away() {
    let ends = [
        (
            "eu-west-2",
            Some(Signal::INT),
            "2h",
            130,
            "stopped before all was tried",
        ),
        (
            "eu-west-3",
            Some(Signal::HUP),
            "2h",
            130,
            "stopped before all was tried",
        ),
        ("eu-north-1", None, "12s", 1, "the time limit was reached"),
    ];
    let all = ends.map(|(region, signal, limit, code, words)| async move {
        let Some(hall) = Hall::new(region).await else {
            return;
        };
        let there = hall.census().await;
        let report = hall.desk.path("report.md");
        // Machines that nobody reaches: without an end from outside it would take minutes.
        hall.desk.write("silent", "");
        let limits = ["--cost-cap", "1", "--time-limit", limit, "--no-power-off"];
        let child = hall.begin(&report, &limits);
        if let Some(signal) = signal {
            hall.until(&report, "## 3/9 ").await;
            assert_ne!(hall.census().await, there);
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            kill_process(pid.expect("a process"), signal).expect("a signal");
        }
        assert_eq!(end(child).await, Some(code), "{}", hall.said());
        says(&hall.said(), &[words, "the report is in "]);
        let text = std::fs::read_to_string(&report).expect("a report");
        says(
            &text,
            &[
                words,
                "Nothing is left.",
                "| rehearse: take away what is left |",
            ],
        );
        assert_eq!(hall.census().await, there, "{}", hall.said());
    });
    futures_util::future::join_all(all).await;
}

/// It dies at each step (some of them, but for `.ci/run full`) while the step goes on. The same command again takes away what was
/// left before it begins, and so does `teardown`.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_one_leaves_is_taken_away() {
    let full = std::env::vars().any(|(key, _)| key == "DEPLOYER_TEST_FULL");
    let steps: Vec<u32> = if full {
        (1..=9).collect()
    } else {
        vec![2, 3, 7]
    };
    let Some(hall) = Hall::new("ap-northeast-3").await else {
        return;
    };
    let there = hall.census().await;
    for some in steps.chunks(3) {
        let all = some.iter().map(|step| dies_at(*step));
        futures_util::future::join_all(all).await;
        assert_eq!(hall.census().await, there, "{some:?}");
    }
}

async fn dies_at(step: u32) {
    let hall = Hall::new("ap-northeast-3").await.expect("a stage");
    let report = hall.desk.path("report.md");
    let mut child = hall.begin(&report, &["--yes", "--no-power-off"]);
    hall.until(&report, &format!("## {step}/9 ")).await;
    let state = hall.desk.path("state/rehearsals/aws");
    let receipt = Path::new(&state).join("rehearse-aws/receipt.json");
    // From the second step on something is there, until the last but one takes it away.
    let there = (2..=7).contains(&step);
    let start = Instant::now();
    while there && !receipt.exists() {
        assert!(start.elapsed() < Duration::from_mins(1), "{}", hall.said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    child.kill().expect("SIGKILL");
    end(child).await;
    let left = std::fs::read_to_string(&report).expect("what was seen until then");
    says(&left, &["# A rehearsal on aws", &format!("## {step}/9 ")]);
    let teardown = [
        "teardown",
        "--yes",
        "--name",
        "rehearse",
        "--cloud",
        "aws",
        "--state-dir",
        &state,
    ];
    let start = Instant::now();
    if step % 2 == 1 {
        // Somebody by hand. What the dead one began may still be at work.
        while std::path::Path::new(&state)
            .join("rehearse-aws/receipt.json")
            .exists()
        {
            let mut command = hall.desk.anywhere(&teardown);
            let ended = tokio::task::spawn_blocking(move || command.output());
            let output = ended.await.expect("a thread").expect("the deployer starts");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                output.status.success() || said.contains("in use by"),
                "{said}"
            );
            assert!(start.elapsed() < Duration::from_mins(3), "{said}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    } else {
        // It has no time to begin anew.
        let again = hall.desk.path("again.md");
        let child = hall.begin(&again, &["--time-limit", "1ms", "--cost-cap", "1"]);
        assert_eq!(end(child).await, Some(1), "{}", hall.said());
        let text = std::fs::read_to_string(&again).expect("a report");
        let cleared = text.contains("rehearse: take away what an earlier rehearsal left");
        assert!(cleared || !there, "{text}");
        says(&text, &["Nothing is left."]);
    }
}

/// Who makes nothing needs no account: refused before any call that makes something.
#[tokio::test(flavor = "multi_thread")]
async fn what_costs_too_much_or_cannot_be_is_refused() {
    let Some(hall) = Hall::new("ca-central-1").await else {
        return;
    };
    hall.proxy.account(Account::default());
    let report = hall.desk.path("report.md");
    let there = hall.desk.write("there.md", "");
    let mixed = "name: x\ncloud: aws\nnodes: { vm1: { roles: [], cloud: local } }\n";
    let mixed = hall.desk.write("mixed.yaml", mixed);
    let words = |more: &[&'static str]| -> Vec<String> {
        hall.words(&report, more)
            .into_iter()
            .map(Into::into)
            .collect()
    };
    let bare = |line: &[&str]| -> Vec<String> { line.iter().map(|word| (*word).into()).collect() };
    // 2 × t3.small, addresses and disks: 0.0603 USD an hour, for two hours and a half.
    for (line, said) in [
        (
            words(&["--cost-cap", "0.10", "--yes"]),
            "this may cost 0.15 USD, and the cap is 0.10 USD",
        ),
        (
            words(&["--cost-cap", "0.05", "--time-limit", "30m"]),
            "this may cost 0.06 USD",
        ),
        (
            words(&[]),
            "at most 0.15 USD (cap: 1.00 USD), in at most 2h and 30 minutes more",
        ),
        (
            words(&[]),
            "There is no terminal to ask on, so nothing was done",
        ),
        (words(&["--name", "mine"]), "have names of their own"),
        (words(&["--cost-cap", "0"]), "an amount such as `1.50`"),
        (words(&["--time-limit", "2d"]), "at most a day"),
        (bare(&["rehearse"]), "--cloud aws or --cloud chameleon"),
        (
            bare(&["rehearse", "--cloud", "local"]),
            "on this box `deployer up` costs nothing",
        ),
        (
            bare(&["rehearse", "--cloud", "chameleon", "--arm64"]),
            "--arm64 is for --cloud aws only",
        ),
        (
            bare(&["rehearse", "--cloud", "aws", "-i", &mixed]),
            "vm1: it is on the cloud `local`",
        ),
        (
            bare(&[
                "rehearse", "--cloud", "aws", "-i", &hall.file, "--yes", "--report", &there,
            ]),
            "cannot make the report",
        ),
    ] {
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        says(&hall.desk.run(64, &line), &[said]);
    }
    for call in hall.proxy.take_calls() {
        assert!(
            ["GetProducts", "GetCallerIdentity"].contains(&call.action.as_str()),
            "{call:?}"
        );
    }
    assert!(!Path::new(&report).exists());
}

/// `plan` and the question of `up` say what a forgotten `teardown` costs: until when, what happens then, and who is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_said_before_it_costs() {
    let Some(hall) = Hall::new("ca-central-1").await else {
        return;
    };
    hall.proxy.account(Account::default());
    let counted = "traffic and taxes, and vCPUs that are busy for hours, come on top";
    let nobody = "nobody is told: `deployer list --cloud aws` shows what is there";
    for (more, end) in [
        ("", "then their disks cost on until `deployer teardown`"),
        (", on_ttl: terminate", "They are deleted with all data at "),
        (
            ", ttl: never",
            "They run, and cost, until `deployer teardown`",
        ),
    ] {
        let text = stage::inventory(&hall.proxy.url, "ca-central-1", more);
        let file = hall.desk.write("other.yaml", &text);
        let said = hall.desk.run(2, &["plan", "-i", &file]);
        says(&said, &[counted, "\nif forgotten: ", end, nobody]);
        let said = hall.desk.run(64, &["up", "-i", &file]);
        says(&said, &[counted, "will run on AWS", end, nobody]);
        let said = hall.desk.run(2, &["plan", "--json", "-i", &file]);
        let json = &said[said.find("\n{").or(said.find('{')).expect("JSON")..];
        let json: serde_json::Value = serde_json::from_str(json.trim()).expect("JSON");
        let remarks = json["remarks"].as_array().expect("remarks");
        let all = remarks.iter().filter_map(|one| one.as_str());
        assert_eq!(
            all.filter(|one| one.contains(nobody)).count(),
            1,
            "{remarks:?}"
        );
    }
}
