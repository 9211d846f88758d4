//! Streams on real Spark, between real brokers where security is on: logins are counted by month, and what is no login is kept with
//! the reason. Nothing is lost and nothing counted twice, whatever happens to the driver, its memory and its queries.

#![expect(
    clippy::disallowed_methods,
    reason = "tests run the box's own programs"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::attempts::{self, Attempt, may, may_not};
use crate::deployer_command::{Deployer, subtest};
use crate::spark_nodes;
use crate::support::{eventually, may_run, within};
use crate::watch::{Unit, restarted, units, well};

const INVENTORY: &str = "\
security: on
nodes:
  vm1: { roles: [zookeeper, kafka, consumer, couchdb, mariadb] }
  vm2: { roles: [spark, producer], memory_mib: 3072 }
  vm3: { roles: [kafka], memory_mib: 3072 }
kafka: { replication: 2 }
couchdb: { distribution: pouchdb }
producer: { source: logins, count: 1999, interval: 0s, topic: logins }
topics: { extra: { numbers: { partitions: 2 } } }
sinks:
  counts: { from: login-counts, couchdb: { replace: true } }
  months: { from: login-counts, mariadb: { replace: true, columns: { logins: { type: integer } } } }
  refused: { from: login-counts-bad, files: {} }
  doubled: { from: doubles, couchdb: { replace: true } }
streams:
  login-counts:
    from: logins
    parse: { json: \"user_id STRING, timestamp TIMESTAMP\", require: [user_id, timestamp] }
    sql: |
      SELECT date_format(timestamp, 'yyyy-MM') AS key, struct(count(*) AS logins) AS value
      FROM logins GROUP BY date_format(timestamp, 'yyyy-MM')
    to: login-counts
    every: 1s
  doubles:
    from: numbers
    parse: { regex: \"^number ([0-9]+)$\", columns: [n] }
    sql: SELECT n AS key, struct(2 * int(n) AS doubled) AS value FROM numbers
    to: doubles
    every: 1s
";

/// What is no login, by the reason for which it is kept.
const BAD: [(&str, &str); 4] = [
    ("nobody logged in", "is no JSON object"),
    (
        "{\"user_id\": \"u\", \"timestamp\": \"2022-02-30T00:00:00Z\"}",
        "is no JSON object",
    ),
    (
        "{\"timestamp\": \"2022-03-04T05:06:07Z\"}",
        "has no `user_id`",
    ),
    ("{\"user_id\": \"u\"}", "has no `timestamp`"),
];

/// A program that counts numbers by their last digits.
const PROGRAM: &str = include_str!("../fixtures/Digits.java");

pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn streams_count_what_logs_in() {
    if !may_run("streams_count_what_logs_in") {
        return;
    }
    let site = Site(Deployer::new(INVENTORY));
    let deployer = &site.0;
    subtest("a stream is tried without a deployment", || site.tries());
    let proven = "passed by the stream doubles, the stream login-counts";
    deployer.run(&["up", "--yes"]).code(0).says(&[proven]);
    subtest(
        "logins are counted by month, and what is none is kept",
        || {
            let bad: String = BAD
                .iter()
                .map(|(line, _)| format!("{line}\n").repeat(5))
                .collect();
            deployer.reading(&["send", "logins", "-"], &bad).code(0);
            site.await_counts("logins", 0);
            site.await_rows();
            site.await_refused(20);
        },
    );
    subtest(
        "a killed driver loses nothing and writes nothing twice",
        || {
            site.send_numbers(1, 100);
            site.kill_driver();
            site.await_doubles(100);
        },
    );
    subtest("a lost checkpoint gives the same counts", || {
        let newest = site.newest();
        // Rows are there before the batch that made them is noted as done.
        site.await_lag("doubles", 0);
        site.systemctl("stop");
        let said = deployer.run(&["open", "spark"]).code(1);
        said.says(&["Spark does not run on vm2", "deployer logs spark"]);
        site.on("vm2", &format!("rm -r {}/checkpoints", site.data()));
        site.send_numbers(101, 200);
        site.await_lag("doubles", 100);
        site.systemctl("start");
        site.await_counts("logins", newest + 1);
        site.await_rows();
        site.await_doubles(200);
        site.await_lag("doubles", 0);
    });
    subtest(
        "killed brokers and a killed consumer lose nothing, and a number has one document",
        || {
            let killed = [("vm1", "kafka"), ("vm3", "kafka"), ("vm1", "consumer")];
            for (first, (node, role)) in (201..).step_by(100).zip(killed) {
                site.kill_under_numbers(node, role, first, first + 99);
            }
            site.await_doubles(500);
            well(deployer);
        },
    );
    subtest(
        "a broken stream is refused with Spark's words, and the others run on",
        || {
            site.refuses();
        },
    );
    subtest(
        "a changed stream begins anew, and one that is taken away leaves nothing",
        || {
            let newest = site.newest();
            let doubles = INVENTORY.find("  doubles:\n").expect("the stream");
            let changed = INVENTORY[..doubles]
                .replace("count(*) AS logins", "count(*) AS visits")
                .replace(
                    "  doubled: { from: doubles, couchdb: { replace: true } }\n",
                    "",
                );
            deployer.write(&changed);
            deployer.run(&["up", "--yes"]).code(0);
            site.await_counts("visits", newest + 1);
            let left = site.on("vm2", &format!("ls {}/checkpoints", site.data()));
            assert_eq!(left.lines().count(), 1, "{left}");
        },
    );
    subtest(
        "a program counts as it should, is killed, and changes alone",
        || site.program(),
    );
    well(deployer);
    deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
    subtest("Spark's own page shows the stream", || site.page());
    subtest("each attempt, and its control", || site.attempts());
    subtest(
        "a second node works for the first, and nobody else does",
        || {
            site.share();
        },
    );
    well(deployer);
    deployer.teardown();
}

/// The deployment, and what happens in it.
pub(crate) struct Site(pub(crate) Deployer);

impl Site {
    pub(crate) fn on(&self, node: &str, script: &str) -> String {
        self.0.on(node, &["sh", "-c", script])
    }

    pub(crate) fn data(&self) -> String {
        format!("/var/lib/deployer/{}/spark", self.0.name)
    }

    fn systemctl(&self, words: &str) {
        self.on(
            "vm2",
            &format!("systemctl {words} {}-spark.service", self.0.name),
        );
    }

    /// Kills the driver while it runs: it begins again by itself.
    fn kill_driver(&self) {
        let before = self.process("vm2 spark");
        self.systemctl("kill --signal=KILL");
        self.await_other("vm2 spark", before);
    }

    fn process(&self, unit: &str) -> u64 {
        units(&self.0)[unit].pid
    }

    /// Waits until a unit runs again, as another process.
    fn await_other(&self, unit: &str, before: u64) {
        within(PATIENCE, &format!("{unit} runs again"), || {
            let now = self.process(unit);
            (now != 0 && now != before)
                .then_some(())
                .ok_or_else(|| format!("process {now}"))
        });
    }

    /// Kills a process while numbers are sent, and sends more before it is there again.
    pub(crate) fn kill_under_numbers(&self, node: &str, role: &str, first: u64, last: u64) {
        let unit = format!("{node} {role}");
        let before = self.process(&unit);
        let half = u64::midpoint(first, last);
        std::thread::scope(|scope| {
            scope.spawn(|| self.send_numbers(first, half));
            let name = format!("{}-{role}.service", self.0.name);
            self.on(node, &format!("systemctl kill --signal=KILL {name}"));
        });
        self.send_numbers(half + 1, last);
        self.await_other(&unit, before);
    }

    /// Waits until `status` says that so many records wait for a stream.
    fn await_lag(&self, stream: &str, lag: u64) {
        within(PATIENCE, &format!("a lag of {lag}"), || {
            let status = self.0.run(&["status", "--json"]).json();
            let said = &status["streams"][stream];
            let dated = said["batches"].as_u64() > Some(0) && said["last_age_seconds"].is_u64();
            let is_so = said["lag"] == lag && dated;
            is_so.then_some(()).ok_or_else(|| said.to_string())
        });
    }

    pub(crate) fn send_numbers(&self, first: u64, last: u64) {
        let lines: String = (first..=last).map(|n| format!("number {n}\n")).collect();
        self.0.reading(&["send", "numbers", "-"], &lines).code(0);
    }

    /// The documents of a topic.
    pub(crate) fn documents(&self, topic: &str) -> Vec<Value> {
        let words = ["docs", "-n", "1000", "--topic", topic];
        let said = self.0.run(&words).code(0);
        let documents = said.out.lines().map(serde_json::from_str);
        documents
            .map(|document| document.expect("a document"))
            .collect()
    }

    fn months(&self) -> Vec<Value> {
        self.documents("login-counts")
    }

    /// The newest place of a document.
    fn newest(&self) -> u64 {
        let months = self.months();
        let places = months.iter().map(place);
        places.max().expect("a document")
    }

    /// Waits until there are twelve documents of records from a place on, whose counts are all logins.
    fn await_counts(&self, field: &str, from: u64) {
        within(PATIENCE, "twelve months", || {
            let months = self.months();
            let newer = months.iter().filter(|month| place(month) >= from);
            let counts: Option<Vec<u64>> = newer.map(|month| month[field].as_u64()).collect();
            let counts = counts.unwrap_or_default();
            let all = counts.len() == 12 && counts.iter().sum::<u64>() == 1999;
            all.then_some(()).ok_or_else(|| format!("{months:?}"))
        });
        let ids: BTreeSet<String> = self
            .months()
            .iter()
            .map(|month| month["_id"].to_string())
            .collect();
        let wanted: BTreeSet<String> = (1..=12)
            .map(|month| format!("\"2022-{month:02}\""))
            .collect();
        assert_eq!(ids, wanted);
    }

    /// Waits until there are twelve rows, one for each month, whose counts are all logins.
    fn await_rows(&self) {
        let socket = format!("/var/lib/deployer/{}/mariadb/mariadb.sock", self.0.name);
        let question = "SELECT COUNT(*), CAST(SUM(logins) AS INT) FROM months";
        let script = format!("mariadb --no-defaults -S {socket} events -N -B -e \"{question}\"");
        within(PATIENCE, "twelve rows", || {
            let rows = self.on("vm1", &script);
            (rows.trim_end() == "12\t1999").then_some(()).ok_or(rows)
        });
    }

    /// Lines of a file sink's files.
    fn rows(&self, sink: &str, topic: &str) -> Vec<Value> {
        let files = format!(
            "/var/lib/deployer/{}/consumer/{sink}/{topic}/2*",
            self.0.name
        );
        let text = self.on("vm1", &format!("cat {files} || true"));
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }

    /// Waits until so many rows are kept that are no logins, each once and with its reason.
    fn await_refused(&self, count: usize) {
        let rows = within(PATIENCE, "what is no login", || {
            let rows = self.rows("refused", "login-counts-bad");
            let there = format!("{} rows", rows.len());
            (rows.len() >= count).then_some(rows).ok_or(there)
        });
        assert_eq!(rows.len(), count);
        for (line, reason) in BAD {
            let of_line = rows.iter().filter(|row| {
                let of = |key: &str| row["event"][key].as_str().expect("a text");
                let is_line =
                    of("value").contains(line) || of("value").contains(&line.replace('"', "\\\""));
                is_line && of("reason").starts_with(reason)
            });
            assert_eq!(of_line.count(), count / BAD.len(), "{line}: {rows:#?}");
        }
    }

    /// Waits until each of the first numbers has its document, and none has another.
    pub(crate) fn await_doubles(&self, count: u64) {
        let documents = within(PATIENCE, &format!("{count} doubles"), || {
            let documents = self.documents("doubles");
            let there = format!("{} documents", documents.len());
            let all = documents.len() as u64 >= count;
            all.then_some(documents).ok_or(there)
        });
        let found: BTreeMap<String, u64> = documents
            .iter()
            .map(|document| {
                let id = document["_id"].as_str().expect("an id").to_owned();
                (id, document["doubled"].as_u64().expect("a number"))
            })
            .collect();
        let wanted = (1..=count).map(|n| (n.to_string(), 2 * n));
        assert_eq!(found, wanted.collect());
    }

    /// What `try` shows of a file.
    fn tries(&self) {
        let file = self.0.directory.path().join("sample");
        let good = "{\"user_id\": \"u\", \"timestamp\": \"2022-03-04T05:06:07Z\"}\n";
        std::fs::write(&file, format!("{good}{good}{}\n", BAD[2].0)).expect("a file");
        let file = file.display().to_string();
        let said = self.0.run(&["try", "login-counts", &file]).code(0);
        said.says(&[
            "|2022-03|{\"logins\":2}|",
            "what does not parse",
            "has no `user_id`",
        ]);
        let said = self.0.run(&["try", "logins", &file]).code(64);
        said.says(&["has no stream `logins`: there are doubles, login-counts"]);
    }

    /// What `up` says of an inventory with queries that are wrong; what runs goes on.
    fn refuses(&self) {
        let before = units(&self.0);
        let unknown =
            INVENTORY.replace("(timestamp, 'yyyy-MM') AS key", "(stamp, 'yyyy-MM') AS key");
        self.0
            .write(&unknown.replace("SELECT n AS key", "SELECT n n n AS key"));
        let said = self.0.run(&["up", "--yes"]).code(1);
        said.says(&[
            "stream `login-counts`: [UNRESOLVED_COLUMN",
            "`stamp`",
            "stream `doubles`: [PARSE_SYNTAX_ERROR]",
            "streams.login-counts.sql: is what was refused",
            "inventory.yaml:28:10: streams.doubles.sql: is what was refused",
        ]);
        let after: BTreeMap<String, Unit> = units(&self.0);
        assert_eq!(restarted(&before, &after), BTreeSet::new());
    }

    /// A program of the user's in the place of the driver, beside it.
    fn program(&self) {
        let file = self.0.directory.path().join("Digits.java");
        std::fs::write(&file, PROGRAM).expect("a file");
        let now = std::fs::read_to_string(self.0.inventory()).expect("the inventory");
        let (_, now) = now.split_once('\n').expect("its name first");
        let sinks = "  digits: { from: digits, couchdb: { replace: true } }\nstreams:\n";
        let stream = format!(
            "  digits: {{ program: {}, class: Digits, arguments: [\"digit \"], from: numbers, to: digits }}\n",
            file.display()
        );
        self.0
            .write(&format!("{}{stream}", now.replace("streams:\n", sinks)));
        let said = self.0.run(&["up", "--yes"]).code(0);
        said.says(&[
            "passed by the stream login-counts; seen at work, as far as can be told from outside: the stream digits",
            "the stream digits is a program of yours",
        ]);
        self.await_digits("digit ", 500);
        let unit = "vm2 digits-spark";
        let before = self.process(unit);
        std::thread::scope(|scope| {
            scope.spawn(|| self.send_numbers(501, 550));
            let name = format!("{}-digits-spark.service", self.0.name);
            self.on("vm2", &format!("systemctl kill --signal=KILL {name}"));
        });
        self.send_numbers(551, 600);
        self.await_other(unit, before);
        self.await_digits("digit ", 600);
        self.await_lag("digits", 0);
        let said = self.0.run(&["try", "digits", "/dev/null"]).code(64);
        said.says(&["the stream digits is a program, and `try` is for queries"]);
        let running = units(&self.0);
        std::fs::write(
            &file,
            PROGRAM.replace("prefix + line", "\"the \" + prefix + line"),
        )
        .expect("a file");
        let plan = self.0.run(&["plan"]).code(2);
        plan.says(&["digits-spark.service (restart: digits changed since it started)"]);
        self.0.run(&["up", "--yes"]).code(0);
        let alone: BTreeSet<String> = [unit.to_owned()].into();
        assert_eq!(restarted(&running, &units(&self.0)), alone);
        // What it remembers is its own affair: it goes on where it was.
        self.send_numbers(601, 610);
        within(PATIENCE, "the changed program's rows", || {
            let found = self.digits("the digit ");
            (found.len() == 10)
                .then_some(())
                .ok_or_else(|| format!("{found:?}"))
        });
        for said in ["logs", "status"] {
            let words: &[&str] = if said == "logs" {
                &["logs", "vm2"]
            } else {
                &["status"]
            };
            self.0.run(words).code(0).says(&["digits-spark"]);
        }
    }

    /// The numbers by their last digits, of keys that begin so.
    fn digits(&self, prefix: &str) -> BTreeMap<String, u64> {
        let documents = self.documents("digits").into_iter();
        let counts = documents.filter_map(|document| {
            let digit = document["_id"].as_str()?.strip_prefix(prefix)?.to_owned();
            Some((digit, document["numbers"].as_u64()?))
        });
        counts.collect()
    }

    /// Waits until the last digits of the first numbers are counted.
    fn await_digits(&self, prefix: &str, last: u64) {
        let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
        for n in 1..=last {
            *wanted.entry((n % 10).to_string()).or_default() += 1;
        }
        within(PATIENCE, &format!("the digits of {last} numbers"), || {
            let found = self.digits(prefix);
            (found == wanted)
                .then_some(())
                .ok_or_else(|| format!("{found:?}"))
        });
    }

    /// Gives a second node the role, with what the inventory has now.
    fn share(&self) {
        let now = std::fs::read_to_string(self.0.inventory()).expect("the inventory");
        let (_, now) = now.split_once('\n').expect("its name first");
        self.0
            .write(&now.replace("vm3: { roles: [kafka]", "vm3: { roles: [kafka, spark]"));
        let said = self.0.run(&["up", "--yes"]).code(0);
        said.says(&["passed by the stream login-counts"]);
        spark_nodes::await_workers(self, 2);
        spark_nodes::at_master(&self.0);
    }

    /// Spark's own page, at this box's end of a tunnel.
    fn page(&self) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let tunnel = self
            .0
            .start(&["open", "spark", "--port", &port.to_string()]);
        let page = format!("http://127.0.0.1:{port}/StreamingQuery/");
        eventually("the page", || {
            let asked = Command::new("curl")
                .args(["-sS", "--max-time", "10", &page])
                .output()
                .expect("curl");
            let said = String::from_utf8_lossy(&asked.stdout);
            let shows = said.contains("Active Streaming Queries") && said.contains("login-counts");
            shows.then_some(()).ok_or_else(|| format!("{asked:?}"))
        });
        tunnel.interrupt();
        tunnel.finish().says(&[&page]);
    }

    /// What Spark's own password opens, what others open of it, and what of it listens.
    fn attempts(&self) {
        let name = &self.0.name;
        let password = self.0.secrets()["passwords"]["spark"]
            .as_str()
            .expect("a password")
            .to_owned();
        let own = self.0.secrets()["passwords"]["spark-digits"]
            .as_str()
            .expect("a password")
            .to_owned();
        let login = |file: &str, user: &str, password: &str| {
            attempts::file(
                file,
                &format!("sasl.username={user}\nsasl.password={password}"),
            )
        };
        let words = login("login", "spark", &password) + &login("other", "spark-digits", &own);
        self.on(
            "vm1",
            "command -v kcat >/dev/null || apt-get install -qq -y kcat >/dev/null",
        );
        attempts::on_member(&self.0, "vm1", &format!("{words}{BROKER}"), AT_BROKERS);
        let words = format!("D=/etc/deployer/{name}/spark\n");
        attempts::on_member(&self.0, "vm2", &words, ON_NODE);
    }
}

fn place(document: &Value) -> u64 {
    document["kafka"]["offset"].as_u64().expect("an offset")
}

const BROKER: &str = r#"
K="kcat -F $W/login -b vm1.$1.internal:9092 -X security.protocol=SASL_SSL -X sasl.mechanisms=SCRAM-SHA-512
    -X ssl.ca.location=/etc/deployer/$1/consumer/authority.pem -X socket.timeout.ms=5000"
as_program() { K="kcat -F $W/other ${K#kcat -F $W/login}"; }
reads() { timeout 20 $K -C -t "$1" -o beginning -c 1 -e 2>"$W/said" | grep -q .; }
writes() { printf 'tried:{"tried": true}\n' | timeout 20 $K -K : -X message.timeout.ms=5000 -P -t "$1" 2>"$W/said" && ! grep -q failed "$W/said"; }
"#;

const AT_BROKERS: &[Attempt] = &[
    may("spark", "reads what its stream reads", "reads logins"),
    may("spark", "reads the canaries", "reads deployer-canaries"),
    may("spark", "writes its rows", "writes login-counts"),
    may_not("spark", "reads its rows", "reads login-counts"),
    may_not("spark", "writes what its stream reads", "writes logins"),
    may_not("spark", "writes a topic of nobody", "writes numbers"),
    may(
        "a program",
        "reads what it is from",
        "as_program; reads numbers",
    ),
    may(
        "a program",
        "writes what it is to",
        "as_program; writes digits",
    ),
    may_not(
        "a program",
        "reads what another stream reads",
        "as_program; reads logins",
    ),
    may_not(
        "a program",
        "writes what another stream writes",
        "as_program; writes login-counts",
    ),
    may_not(
        "a program",
        "reads the canaries",
        "as_program; reads deployer-canaries",
    ),
];

const ON_NODE: &[Attempt] = &[
    may(
        "root",
        "reads its password",
        "grep -q password $D/login.conf",
    ),
    may_not(
        "neighbour",
        "reads its password",
        "runuser -u nobody -- cat $D/login.conf",
    ),
    may_not(
        "a program",
        "reads the driver's password",
        "runuser -u $1-digits-spark -- cat $D/login.conf",
    ),
    may_not(
        "a program",
        "changes what another stream remembers",
        "runuser -u $1-digits-spark -- touch /var/lib/deployer/$1/spark/checkpoints/x",
    ),
    may_not(
        "neighbour",
        "reads a program's password",
        "runuser -u nobody -- cat $D/../digits-spark/login.conf",
    ),
    may("root", "sees what listens", "ss -Hltn | grep -q ."),
    may_not(
        "outsider",
        "finds a port of it",
        "ss -Hltnp | grep java | awk '{ print $4 }' | grep -v '^.*127.0.0.1.*:'",
    ),
];
