//! What `security: on` costs: each figure on two deployments that differ in nothing else, in turns. How quickly machines come up
//! is measured as they are by default; what goes through brokers, by those that hosts and clouds have: a quick start's compiler
//! knows none of the processor's instructions for AES, and its brokers are not made for the long run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lab::Lab;
use crate::samples::Samples;

/// Events that are sent, and that are stored: enough of each to see a rate; and about how long their lines are.
const SENT: usize = 1_000_000;
const STORED: usize = 200_000;
const BYTES: usize = 1000;

/// How often the quick things run, for each time that the slow ones do.
const QUICK: usize = 3;

/// Sends lines by the agent that is installed, as its own configuration says; prints how long that took, in nanoseconds.
const PRODUCE: &str = r#"
set -eu
cd /root
config=/etc/deployer/$1/producer/producer.toml
sed '/^\[source\]/,$d' "$config" >bench.toml
printf '[source]\nkind = "stdin"\ncount = 0\n[state]\ndirectory = "/root/bench-state-%s"\n' "$(date +%s%N)" >>bench.toml
# Snapshots of a machine: the same words with other numbers, which compress to a quarter.
awk -v bytes="$3" 'BEGIN {
    srand(1)
    for (line = 0; line < 1000; line++) {
        text = sprintf("{\"load\":%.2f,\"processes\":[", 4 * rand())
        for (process = 1; length(text) < bytes - 70; process++)
            text = text sprintf("{\"pid\":%d,\"user\":\"service-%d\",\"cpu\":%.1f,\"rss\":%d},", 777 * process, process, 100 * rand(), 900000 * rand())
        print text "{}]}"
    }
}' >thousand
seq "$(($2 / 1000))" | xargs -I{} cat thousand >lines
sync
begin=$(date +%s%N)
"/opt/deployer/$1/bin/producer" --config bench.toml <lines
echo "took $(($(date +%s%N) - begin))"
"#;

/// Lets events wait.
const STOP: &str = r#"systemctl stop "$1-consumer.service" && echo"#;

/// Lets the consumer store what waits for it; prints how many it stored between the first look that saw some and the last, and
/// how long that took, in nanoseconds.
const CONSUME: &str = r#"
set -eu
port=$(sed -n 's/^listen = "localhost:\(.*\)"/\1/p' "/etc/deployer/$1/consumer/consumer.toml")
stored() {
    exec 3<>"/dev/tcp/localhost/$port" || { echo 0; return; }
    printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
    sed -n 's/^consumer_events_out_total \([0-9]*\).*/\1/p' <&3
} 2>/dev/null
systemctl start "$1-consumer.service"
first=0
until [ "${now:=0}" -ge "$2" ]; do
    sleep 0.1
    now=$(stored) time=$(date +%s%N)
    : "${now:=0}"
    if [ "$first" = 0 ] && [ "$now" -gt 0 ]; then first=$now begin=$time; fi
done
echo "stored $((now - first)) $((time - begin))"
"#;

/// A deployment, and what was measured of it.
struct Side {
    lab: Lab,
    name: &'static str,
    up: Samples,
    unchanged: Samples,
    producer: Samples,
    consumer: Samples,
}

impl Side {
    fn new(
        deployer: &Path,
        name: &'static str,
        security: &str,
        quick_start: bool,
        archive: Option<&Path>,
    ) -> Result<Self, String> {
        let couchdb = archive.map_or(String::new(), |archive| {
            let archive = archive.display();
            format!("couchdb: {{ distribution: archive, archive: \"{archive}\" }}\n")
        });
        let inventory = format!(
            "name: {name}\ncloud: local\nsecurity: {security}\n\
             nodes:\n  vm1: {{ count: 2, roles: [producer] }}\n  vm2: {{ roles: [zookeeper, kafka, consumer] }}\n\
             \x20 vm3: {{ roles: [kafka, couchdb] }}\n{couchdb}producer: {{ count: 1 }}\n\
             clouds: {{ local: {{ quick_start: {quick_start} }} }}\n"
        );
        Ok(Self {
            lab: Lab::new(deployer, name, &inventory)?,
            name,
            up: Samples::default(),
            unchanged: Samples::default(),
            producer: Samples::default(),
            consumer: Samples::default(),
        })
    }

    /// One turn of the first half: from no machine, and back.
    fn comes_and_goes(&mut self) -> Result<(), String> {
        let up = self.lab.up()?;
        self.up.push(up.took);
        let words = up.stderr.lines();
        let mut words = words.filter_map(|line| Some(line.split_once(": done in ")?.1));
        println!(
            "    {}: up in {:.2} s, {}",
            self.name,
            up.took.as_secs_f64(),
            words.next().unwrap_or("no word about where to")
        );
        for _ in 0..QUICK {
            let again = self.lab.up()?;
            if !again.stderr.contains("nothing to do") {
                return Err(format!("an unchanged up did something:\n{}", again.stderr));
            }
            self.unchanged.push(again.took);
        }
        self.lab.teardown()?;
        Ok(())
    }

    /// Stands for the second half, with events that wait, by brokers that have had time to compile.
    fn stands(&self) -> Result<(), String> {
        self.lab.up()?;
        self.on("vm2", STOP, &[])?;
        self.produce(SENT).map(drop)
    }

    /// One turn of it: events are sent.
    fn sends(&mut self) -> Result<(), String> {
        let took = self.produce(SENT)?;
        self.producer.push(Duration::from_secs_f64(took / 1e9));
        Ok(())
    }

    /// One turn of it: events are stored.
    fn stores(&mut self) -> Result<(), String> {
        let stored = self.on("vm2", CONSUME, &[&STORED.to_string()])?;
        self.on("vm2", STOP, &[])?;
        // As if all of them had been seen.
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let all = figure(&stored, 1)? / figure(&stored, 0)? * STORED as f64;
        self.consumer.push(Duration::from_secs_f64(all / 1e9));
        Ok(())
    }

    fn produce(&self, events: usize) -> Result<f64, String> {
        let took = self.on("vm1-1", PRODUCE, &[&events.to_string(), &BYTES.to_string()])?;
        figure(&took, 0)
    }

    /// Runs a script on a node, by root; the numbers that it printed last.
    fn on(&self, node: &str, script: &str, arguments: &[&str]) -> Result<Vec<f64>, String> {
        let said = self.lab.script(node, script, arguments)?;
        let last = said.lines().last().unwrap_or_default();
        let numbers: Result<_, _> = last.split(' ').skip(1).map(str::parse).collect();
        numbers.map_err(|_: std::num::ParseFloatError| format!("{node} said {last:?}"))
    }
}

/// Measures both; prints each figure with its ratio, and whether each is within its limit.
pub(crate) fn measure(deployer: &Path, repetitions: usize) -> Result<Vec<(String, bool)>, String> {
    let archive = couchdb();
    let store = if archive.is_some() {
        "CouchDB by TLS"
    } else {
        "the stand-in, which speaks plain text: DEPLOYER_TEST_COUCHDB names no folder with CouchDB"
    };
    println!(
        "security: on beside off, 4 machines; {SENT} events of {BYTES} B sent, {STORED} stored, a turn; documents go to {store}"
    );
    let archive = archive.as_deref();
    let sides = |quick_start| {
        let side = |name, security| Side::new(deployer, name, security, quick_start, archive);
        Ok::<_, String>((side("secured", "on")?, side("plain", "off")?))
    };
    let (mut on, mut off) = sides(true)?;
    // Whatever a box lacks is made by the first run, which does not count.
    off.lab.up()?;
    off.lab.teardown()?;
    for _ in 0..repetitions {
        on.comes_and_goes()?;
        off.comes_and_goes()?;
    }
    let (mut on_at_work, mut off_at_work) = sides(false)?;
    on_at_work.stands()?;
    off_at_work.stands()?;
    for _ in 0..repetitions {
        on_at_work.stores()?;
        off_at_work.stores()?;
        for _ in 0..QUICK {
            on_at_work.sends()?;
            off_at_work.sends()?;
        }
    }
    on_at_work.lab.teardown()?;
    off_at_work.lab.teardown()?;
    let rows = [
        ("warm up", &on.up, &off.up, 1.5),
        ("unchanged up", &on.unchanged, &off.unchanged, f64::INFINITY),
        (
            "producer",
            &on_at_work.producer,
            &off_at_work.producer,
            1.0 / 0.75,
        ),
        (
            "consumer",
            &on_at_work.consumer,
            &off_at_work.consumer,
            1.0 / 0.85,
        ),
    ];
    let judged = rows.map(|(words, on, off, limit)| {
        let ratio = on.beside(off);
        println!("{on}  {words}, on\n{off}  {words}, off");
        let wanted = if limit.is_finite() {
            format!(", wanted ≤ {limit:.2}")
        } else {
            String::new()
        };
        let words = format!("    {words} takes {ratio:.2} × as long{wanted}");
        (words, ratio <= limit)
    });
    let target = 0.3;
    let unchanged = on.unchanged.median();
    let words = format!("    unchanged up, on: {unchanged:.2} s, wanted ≤ {target} s");
    Ok(judged
        .into_iter()
        .chain([(words, unchanged <= target)])
        .collect())
}

fn figure(numbers: &[f64], at: usize) -> Result<f64, String> {
    let number = numbers.get(at).copied();
    number
        .filter(|number| *number > 0.0)
        .ok_or_else(|| format!("a figure is missing: {numbers:?}"))
}

/// The archive of a real `CouchDB`.
fn couchdb() -> Option<PathBuf> {
    let folder = std::env::var_os("DEPLOYER_TEST_COUCHDB")?;
    let files = std::fs::read_dir(folder).ok()?.flatten();
    let mut paths = files.map(|entry| entry.path());
    let archive = paths.find(|path| path.to_string_lossy().ends_with(".tar.gz"))?;
    archive.canonicalize().ok()
}
