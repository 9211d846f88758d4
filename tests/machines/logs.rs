//! Logs, by the inventory that is built in: levels are counted by minute as the lines say, and mail comes about errors, once, whoever
//! is away meanwhile.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use deployer::inventory::BUILT_IN;
use serde_json::Value;

use crate::deployer_command::{Deployer, subtest};
use crate::moto::Moto;
use crate::skip::skip;
use crate::smtp::{Relay, mails};
use crate::support::{may_run, within};
use crate::watch::{network_of, units, well};

const PATIENCE: Duration = Duration::from_mins(2);
/// The levels of a hundred lines by the fixed seed, which each of the three machines writes.
const LEVELS: [(&str, u64); 4] = [("DEBUG", 7), ("ERROR", 2), ("INFO", 64), ("WARN", 27)];
const MACHINES: u64 = 3;

/// What alerts are about: windows that no run of this test can be at the edge of.
const AGES: &str = "'36500 days'";

/// The minute of the lines that go by a bucket.
const MINUTE: &str = "2600-01-01 00:00";
/// Who puts them there: moto looks at no signature, but lets nobody write over an object.
const SOMEBODY: &str = "Authorization: AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// Mail about more than one error, by a relay on the consumer's node.
fn alerts(port: u16) -> String {
    format!(
        "
mail: {{ relay: 127.0.0.1, port: {port}, tls: \"off\", from: logs@example.org }}
alerts:
  errors:
    stream: log-ages
    when: {{ level: ERROR, n: \"> 1\" }}
    grace: 1s
    cooldown: 0s
    to: [ops@example.org]
    subject: \"ALERT | Messages with ERROR noticed\"
"
    )
}

/// The inventory on fewer machines and without waiting for its schedule; beside its stream one of longer windows.
fn inventory() -> String {
    let mut built_in = BUILT_IN.into_iter();
    let (_, text) = built_in
        .find(|(name, _)| *name == "logs")
        .expect("it is built in");
    let (_, stream) = text.split_once("  log-counts:\n").expect("its stream");
    let (stream, _) = stream.split_once("\nsinks:\n").expect("its end");
    let ages = stream
        .replace("log-counts", "log-ages")
        .replace("'60 seconds'", AGES);
    let more = format!(
        "    every: 1s\n  log-ages:\n{ages}    every: 1s\n\nsinks:\n  lines: {{ from: logs, files: {{}} }}\n"
    );
    let changes = [
        ("name: logs\n", ""),
        (", producer: { schedule: \"0 * * * *\" }", ""),
        (
            "  vm2: { roles: [producer], producer: { schedule: \"20 * * * *\" } }\n",
            "",
        ),
        (
            "  vm3: { roles: [producer], producer: { schedule: \"40 * * * *\" } }\n",
            "",
        ),
        (
            "vm1: { roles: [producer]",
            "vm1: { roles: [producer, spark]",
        ),
        (
            "[zookeeper, kafka, consumer]",
            "[zookeeper, kafka, consumer, producer]",
        ),
        ("[kafka, couchdb]", "[kafka, couchdb, producer]"),
        ("  vm6: { roles: [spark] }\n", ""),
        ("  count: 100", "  interval: 0s\n  count: 100"),
        ("\nsinks:\n", &more),
    ];
    let change = |text: String, (old, new): (&str, &str)| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    };
    changes.into_iter().fold(text.to_owned(), change)
}

#[test]
fn levels_are_counted_and_mail_comes_about_errors() {
    if !may_run("levels_are_counted_and_mail_comes_about_errors") {
        return;
    }
    let site = Site(Deployer::new(&inventory()));
    let deployer = &site.0;
    deployer.run(&["up", "--yes"]).code(0);
    subtest("the levels of each minute are those of its lines", || {
        site.await_counts();
    });
    let Some(relay) = site.relay(0) else {
        deployer.teardown();
        return;
    };
    let port = relay.port();
    subtest("a new alert is proven by a mail marked TEST", || {
        deployer.write(&format!("{}{}", inventory(), alerts(port)));
        deployer.run(&["up", "--yes"]).code(0);
        let mail = &site.await_mails(1)[0];
        assert_eq!(
            mail["subject"],
            "TEST | ALERT | Messages with ERROR noticed"
        );
    });
    subtest(
        "three machines in one window: one mail, with all of its rows",
        || {
            site.send(&[
                "2200-01-01 00:00:00.000 [main] INFO  Words$ - ERROR and WARN are but words here",
            ]);
            let mail = &site.await_mails(2)[1];
            assert_eq!(mail["subject"], "ALERT | Messages with ERROR noticed");
            let text = mail["text"].as_str().expect("a text");
            let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('(')).collect();
            let wanted = LEVELS.map(|(level, count)| format!("({level},{})", MACHINES * count));
            assert_eq!(rows, wanted, "{text}");
        },
    );
    subtest(
        "a relay that is away and a killed consumer keep no mail from coming",
        || {
            drop(relay);
            site.send(&[
                "2201-01-01 00:00:00.000 [main] ERROR Words$ - one",
                "2202-01-01 00:00:00.000 [main] ERROR Words$ - two",
            ]);
            site.send(&["2400-01-01 00:00:00.000 [main] DEBUG Words$ - much later"]);
            site.await_trouble();
            site.kill_consumer();
            let relay = site.relay(port);
            let mail = &site.await_mails(3)[2];
            let text = mail["text"].as_str().expect("a text");
            assert!(
                text.contains("(ERROR,2)\r\n(INFO,1)\r\n")
                    || text.contains("(ERROR,2)\n(INFO,1)\n"),
                "{text}"
            );
            well(deployer);
            assert_eq!(site.mails().len(), 3);
            drop(relay);
        },
    );
    deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
    subtest(
        "by a bucket, and by an object that grows, the counts are the same",
        || {
            site.await_counts_of_a_bucket();
        },
    );
    deployer.teardown();
}

/// The deployment, and what happens in it.
struct Site(Deployer);

impl Site {
    fn relay(&self, port: u16) -> Option<Relay> {
        let network = network_of(&self.0, "vm4");
        let relay = Relay::start(&self.letter_box(), port, Some(network), &[]);
        relay.map_err(|why| skip(&why)).ok()
    }

    fn letter_box(&self) -> PathBuf {
        self.0.directory.path().join("mails")
    }

    fn mails(&self) -> Vec<Value> {
        mails(&self.letter_box())
    }

    fn await_mails(&self, count: usize) -> Vec<Value> {
        within(PATIENCE, &format!("{count} mails"), || {
            let mails = self.mails();
            let there = format!("{mails:?}");
            (mails.len() >= count).then_some(mails).ok_or(there)
        })
    }

    /// Puts the lines of one machine into a bucket, once whole and once as an object that grows, and waits for the counts of both.
    fn await_counts_of_a_bucket(&self) {
        let Some(moto) = Moto::start(Some(network_of(&self.0, "vm1")), &[]) else {
            return;
        };
        let url = format!("{}/logs", moto.url());
        let put = |key: &str, text: &str| {
            let mut curl = network_of(&self.0, "vm1");
            curl.args([
                "curl",
                "-fsS",
                "-X",
                "PUT",
                "-H",
                "Host: s3.amazonaws.com",
                // Else moto takes it for a form, and the object is empty.
                "-H",
                "Content-Type: text/plain",
                "-H",
                SOMEBODY,
            ]);
            curl.args(["--data-binary", "@-", &format!("{url}{key}")]);
            feed(curl, text);
        };
        put("", "");
        let keys = self.0.directory.path().join("bucket-keys");
        fs::write(&keys, "aws_access_key_id = A\naws_secret_access_key = s\n").expect("keys");
        fs::set_permissions(&keys, Permissions::from_mode(0o600)).expect("a mode");
        let source = format!(
            "producer: {{ source: bucket, count: 0, interval: 1s, bucket: {{ name: logs, endpoint: \"{}\", credentials_file: \"{}\" }} }}",
            moto.url(),
            keys.display()
        );
        let alone = "vm1: { roles: [producer, spark] }";
        assert!(inventory().contains(alone));
        let with = format!("vm1: {{ roles: [producer, spark], {source} }}");
        self.0.write(&inventory().replace(alone, &with));
        self.0.run(&["up", "--yes"]).code(0);
        let lines = self.lines("vm1");
        let text = lines.concat();
        put("/whole/1.log", &text);
        put("/grows/1.log", &lines[..40].concat());
        let count = |factor: u64| LEVELS.map(|(level, n)| (level, factor * n)).into();
        let all = |counts: &BTreeMap<&str, u64>| counts.values().sum::<u64>();
        within(PATIENCE, "the first lines of the one that grows", || {
            let counts = self.counts(MINUTE);
            (all(&counts) == 140)
                .then_some(())
                .ok_or_else(|| format!("{counts:?}"))
        });
        put("/grows/1.log", &text);
        within(PATIENCE, "the counts of both", || {
            let counts = self.counts(MINUTE);
            (counts == count(2))
                .then_some(())
                .ok_or_else(|| format!("{counts:?}"))
        });
        well(&self.0);
    }

    /// The lines that a client wrote, all of them in one minute.
    fn lines(&self, client: &str) -> Vec<String> {
        let rows = self.rows();
        let of = rows.iter().filter(|row| row["client"] == client);
        let lines = of.map(|row| row["line"].as_str().expect("a line"));
        lines
            .map(|line| format!("{MINUTE}{}\n", &line[MINUTE.len()..]))
            .collect()
    }

    /// How many lines of a minute there are of each level, by the documents.
    fn counts(&self, minute: &str) -> BTreeMap<&'static str, u64> {
        let documents = self.documents();
        let of = |level: &str| documents.get(&format!("{minute}:00 {level}")).copied();
        LEVELS
            .iter()
            .filter_map(|(level, _)| Some((*level, of(level)?)))
            .collect()
    }

    fn send(&self, lines: &[&str]) {
        let text = format!("{}\n", lines.join("\n"));
        self.0.reading(&["send", "logs", "-"], &text).code(0);
    }

    /// Waits until each minute and level has the document that a recount of the lines gives.
    fn await_counts(&self) {
        within(PATIENCE, "the counts of all lines", || {
            let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
            for row in self.rows() {
                let line = row["line"].as_str().ok_or_else(|| row.to_string())?;
                let (minute, level) = minute_and_level(line);
                *wanted.entry(format!("{minute}:00 {level}")).or_default() += 1;
            }
            let found = self.documents();
            let all = LEVELS
                .iter()
                .map(|(_, count)| MACHINES * count)
                .sum::<u64>();
            let is_so = wanted.values().sum::<u64>() == all && found == wanted;
            is_so
                .then_some(())
                .ok_or_else(|| format!("{found:?} is not {wanted:?}"))
        });
    }

    /// The lines that came, as the consumer's files have them.
    fn rows(&self) -> Vec<Value> {
        let files = format!("/var/lib/deployer/{}/consumer/lines/logs/2*", self.0.name);
        let read = format!("cat {files} || true");
        let text = self.0.on("vm4", &["sh", "-c", &read]);
        // One may be half written.
        text.lines()
            .filter_map(|row| serde_json::from_str(row).ok())
            .collect()
    }

    /// The documents' counts, by minute and level.
    fn documents(&self) -> BTreeMap<String, u64> {
        let said = self.0.run(&["docs", "-n", "1000", "--topic", "log-counts"]);
        let documents = said
            .out
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        documents
            .filter_map(|one| Some((one["_id"].as_str()?.to_owned(), one["n"].as_u64()?)))
            .collect()
    }

    /// Waits until `status` says that mail cannot be sent.
    fn await_trouble(&self) {
        within(PATIENCE, "the alert's trouble", || {
            let said = self.0.run(&["status"]).out;
            let is_told = said.contains("a mail is not sent yet, last mail ")
                && said.contains("last error: ops@example.org: ");
            is_told.then_some(()).ok_or(said)
        });
    }

    /// Kills the consumer while it runs: it begins again by itself.
    fn kill_consumer(&self) {
        let process = || units(&self.0)["vm4 consumer"].pid;
        let before = process();
        let kill = format!(
            "systemctl kill --signal=KILL {}-consumer.service",
            self.0.name
        );
        self.0.on("vm4", &["sh", "-c", &kill]);
        within(PATIENCE, "the consumer runs again", || {
            let now = process();
            (now != 0 && now != before)
                .then_some(())
                .ok_or_else(|| format!("process {now}"))
        });
    }
}

/// Of a line such as `2021-11-20 21:06:44.473 [main] INFO  Name$ - text`.
fn minute_and_level(line: &str) -> (&str, &str) {
    let (_, rest) = line.split_once("] ").expect("a thread");
    let (level, _) = rest.split_once(' ').expect("a level");
    (&line[.."2021-11-20 21:06".len()], level)
}

/// Runs a program with this as its input; it must succeed.
fn feed(mut command: Command, text: &str) {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("an input");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    assert!(child.wait().expect("it ends").success(), "{command:?}");
}
