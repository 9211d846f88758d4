//! How long mail about a window takes: from the window's end to the moment when the relay has all of the mail, just before its 250.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::lab::{Lab, write};
use crate::samples::Samples;
use crate::smtp::{Relay, mails};

const NAME: &str = "figures-mail";

/// Windows that are waited for, how long each is, and what late rows are waited for: the default.
const WINDOWS: usize = 100;
const LENGTH: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(10);
/// How much later than grace a mail may come.
const MORE: Duration = Duration::from_secs(10);

/// Lines without end; with a relay each window of them is worth a mail.
fn inventory(relay: Option<u16>) -> String {
    let alerts = relay.map_or_else(String::new, |port| {
        format!(
            r#"mail: {{ relay: 127.0.0.1, port: {port}, tls: "off", from: logs@example.org }}
alerts:
  many:
    stream: log-counts
    when: {{ level: INFO, n: "> 1" }}
    cooldown: 0s
    to: [ops@example.org]
    subject: "ALERT | Messages"
"#
        )
    });
    format!(
        r"name: {NAME}
cloud: local
nodes:
  vm1: {{ roles: [producer, spark] }}
  vm2: {{ roles: [zookeeper, kafka, consumer] }}
  vm3: {{ roles: [kafka, couchdb] }}
producer: {{ source: logs, count: 0, interval: 20ms, seed: 192837465, topic: logs }}
topics: {{ extra: {{ logs: {{ partitions: 10 }} }} }}
streams:
  log-counts:
    from: logs
    parse:
      regex: '^(\S+ \S+) \[[^\]]*\] (DEBUG|INFO|WARN|ERROR) .*$'
      columns: [time, level]
    sql: |
      SELECT concat(string(window.start), ' ', level) AS key, struct(window, level, count(*) AS n) AS value
      FROM logs
      GROUP BY window(try_to_timestamp(time), '{length} seconds'), level
    to: log-counts
{alerts}clouds: {{ local: {{ memory_mib: 2048 }} }}
",
        length = LENGTH.as_secs()
    )
}

/// Measures; the figure, and whether it is within its limit.
pub(crate) fn measure(deployer: &Path) -> Result<(String, bool), String> {
    let letters = tempfile::tempdir().map_err(|error| error.to_string())?;
    // The alert is proven by a mail, to a relay beside the consumer: so the machines come first.
    let lab = Lab::new(deployer, NAME, &inventory(None))?;
    lab.up()?;
    let relay = Relay::start(letters.path(), 0, Some(network_of(&lab, "vm2")?), &[])?;
    write(&lab.path("inventory.yaml"), inventory(Some(relay.port())))?;
    lab.up()?;
    // Windows of before come all at once, in the first mail.
    let since = SystemTime::now();
    let deadline = Instant::now() + LENGTH * 4 * u32::try_from(WINDOWS).unwrap_or(u32::MAX);
    let mut late = BTreeMap::new();
    while late.len() < WINDOWS {
        if Instant::now() > deadline {
            return Err(format!("only {} windows were reported", late.len()));
        }
        std::thread::sleep(Duration::from_secs(1));
        late = lateness(letters.path(), since)?;
    }
    lab.teardown()?;
    let mut samples = Samples::default();
    for time in late.into_values().take(WINDOWS) {
        samples.push(time);
    }
    let limit = GRACE + MORE;
    let slowest = samples.share(0.99);
    let words = format!(
        "{samples}  from a window's end to its mail at the relay, {WINDOWS} windows of {} s, grace {} s\n    {slowest:.2} s for 99 of \
         100, wanted ≤ {} s",
        LENGTH.as_secs(),
        GRACE.as_secs(),
        limit.as_secs()
    );
    Ok((words, slowest <= limit.as_secs_f64()))
}

/// Window that ended since then → how long after its end the relay had the first mail about it.
fn lateness(letters: &Path, since: SystemTime) -> Result<BTreeMap<String, Duration>, String> {
    let mut late = BTreeMap::new();
    for mail in mails(letters) {
        let came = mail["came"].as_f64().ok_or("a mail without its time")?;
        let came = Duration::try_from_secs_f64(came).map_err(|error| error.to_string())?;
        let came = UNIX_EPOCH + came;
        let text = mail["text"].as_str().unwrap_or_default();
        let ends = text.lines().filter_map(|line| {
            let (_, end) = line.split_once(" to ")?;
            end.parse::<jiff::Timestamp>().ok()
        });
        for end in ends {
            let after = came.duration_since(SystemTime::from(end));
            let after = after.map_err(|_| format!("a mail came before its window's end, {end}"))?;
            if SystemTime::from(end) > since {
                late.entry(end.to_string()).or_insert(after);
            }
        }
    }
    Ok(late)
}

/// Runs programs of this box in the network of a machine.
fn network_of(lab: &Lab, node: &str) -> Result<Command, String> {
    let addresses = lab.addresses()?;
    let address = addresses
        .get(node)
        .ok_or_else(|| format!("no address of {node}"))?;
    let said = lab.on(address, &["readlink", "/proc/self/ns/net"])?;
    let network = String::from_utf8_lossy(&said);
    let is_of = |process: &PathBuf| {
        let link = fs::read_link(process.join("ns/net"));
        link.is_ok_and(|link| link.as_os_str() == network.trim())
    };
    let mut processes = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let process = processes
        .find(is_of)
        .ok_or_else(|| format!("no process of {node}"))?;
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={}", process.join("ns/net").display()))
        .arg("--");
    Ok(command)
}
