//! A Kafka cluster in this process, a double of `CouchDB` and the agents' real binaries between them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use serde_json::Value;
use tempfile::TempDir;

use crate::double::Double;

/// How long anything may take; mostly the mock's group, which waits for 3 s and for the dead.
pub const PATIENCE: Duration = Duration::from_mins(3);

pub struct Lab {
    pub directory: TempDir,
    pub kafka: MockCluster<'static, DefaultProducerContext>,
    pub double: Double,
    topics: Vec<String>,
}

impl Lab {
    /// Makes two brokers, topics of one partition each, and a database of the same name for each.
    pub fn new(topics: &[&str]) -> Self {
        Self::with_partitions(topics, 1)
    }

    /// As [`Self::new`], with more partitions.
    pub fn with_partitions(topics: &[&str], partitions: i32) -> Self {
        let kafka = MockCluster::new(2).unwrap();
        for topic in topics {
            kafka.create_topic(topic, partitions, 2).unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        secret(directory.path(), "password", "sesame\n");
        let topics = topics
            .iter()
            .map(|&topic| topic.to_owned())
            .collect::<Vec<_>>();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        Self {
            directory,
            kafka,
            double: Double::with_databases(&names),
            topics,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a producer's configuration; `source` is the body of its table.
    pub fn producer_config(&self, client: &str, topic: &str, source: &str) -> PathBuf {
        let state = self.path(&format!("state-{client}"));
        let text = format!(
            "client = {client:?}\n[kafka]\nbootstrap = {:?}\ntopic = {topic:?}\n[source]\n{source}\n[state]\ndirectory = \"{}\"\n",
            self.kafka.bootstrap_servers(),
            state.display()
        );
        self.write(&format!("producer-{client}.toml"), &text)
    }

    /// Writes a consumer's configuration; the last topic is the canaries' where it is called so.
    pub fn consumer_config(&self, group: &str, batch: &str) -> PathBuf {
        let mut text = format!(
            "group = {group:?}\n[kafka]\nbootstrap = {:?}\n[couchdb]\nurl = {:?}\nuser = \"consumer\"\npassword_file = \"{}\"\n[batch]\n{batch}\n",
            self.kafka.bootstrap_servers(),
            self.double.url,
            self.path("password").display()
        );
        for (index, topic) in self.topics.iter().enumerate() {
            let canary = topic.contains("canaries");
            write!(text,
                "[[topics]]\nname = {topic:?}\ndatabase = {topic:?}\nepoch = \"e{index}\"\ncanary = {canary}\n").unwrap();
        }
        self.write(&format!("consumer-{group}.toml"), &text)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Sends values to a topic's first partition, in their order.
    pub fn send(&self, topic: &str, values: &[&[u8]]) {
        self.send_to(topic, 0, values);
    }

    /// Sends values to a partition, in their order.
    pub fn send_to(&self, topic: &str, partition: i32, values: &[&[u8]]) {
        let records = values
            .iter()
            .map(|value| record(topic, value).partition(partition));
        self.send_records(records);
    }

    /// Sends records of up to 16 MB, in their order.
    pub fn send_records<'a>(&self, records: impl IntoIterator<Item = Sent<'a>>) {
        self.send_compressed("none", records);
    }

    /// As [`Self::send_records`], compressed.
    pub fn send_compressed<'a>(
        &self,
        compression: &str,
        records: impl IntoIterator<Item = Sent<'a>>,
    ) {
        let producer: BaseProducer = self
            .client()
            .set("message.max.bytes", "16000000")
            .set("compression.type", compression)
            .create()
            .unwrap();
        for record in records {
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    }

    /// Reads all values of a topic's only partition.
    pub fn records(&self, topic: &str) -> Vec<Vec<u8>> {
        let consumer: BaseConsumer = self.client().set("group.id", "reader").create().unwrap();
        let (low, high) = consumer.fetch_watermarks(topic, 0, PATIENCE).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(low))
            .unwrap();
        consumer.assign(&list).unwrap();
        let mut values = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while i64::try_from(values.len()).unwrap() < high - low {
            assert!(
                Instant::now() < deadline,
                "only {} of {} records can be read",
                values.len(),
                high - low
            );
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                values.push(message.payload().unwrap().to_vec());
            }
        }
        values
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.kafka.bootstrap_servers());
        config
    }

    /// Takes all brokers away, or brings them back.
    pub fn set_kafka(&self, up: bool) {
        for broker in [1, 2] {
            if up {
                self.kafka.broker_up(broker)
            } else {
                self.kafka.broker_down(broker)
            }
            .unwrap();
        }
    }

    /// Reads a producer's state.
    pub fn state(&self, client: &str) -> Value {
        let text = std::fs::read(self.path(&format!("state-{client}/state.json"))).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// Reads all events in a producer's spool, as they are sent.
    pub fn spooled(&self, client: &str) -> Vec<String> {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(self.path(&format!("state-{client}/spool")))
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().path())
                .collect();
        paths.sort();
        let mut events = Vec::new();
        for path in paths {
            // A segment may go away at any moment.
            let bytes = std::fs::read(&path).unwrap_or_default();
            events.extend(events_of(&bytes));
        }
        events
    }

    /// Returns how many events in a producer's spool its state does not know as confirmed.
    pub fn unconfirmed(&self, client: &str) -> u64 {
        let directory = self.path(&format!("state-{client}/spool"));
        let entries = std::fs::read_dir(directory).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
        };
        let first: u64 = entries.map(name).min().unwrap();
        first + self.spooled(client).len() as u64 - self.state(client)["ticket"].as_u64().unwrap()
    }
}

/// Returns the events of a segment: each record is a length, a checksum, 32 bytes of numbers, the lengths of two names,
/// the names, the event and, at the end of a batch, its checkpoint, whose length is the last of the numbers.
pub fn events_of(mut bytes: &[u8]) -> Vec<String> {
    let short = |bytes: &[u8]| usize::from(u16::from_le_bytes(*bytes.first_chunk().unwrap()));
    let mut events = Vec::new();
    while let Some(length) = bytes.first_chunk() {
        let end = 8 + u32::from_le_bytes(*length) as usize;
        let Some(record) = bytes.get(8..end) else {
            break;
        };
        let names = short(&record[32..]) + short(&record[34..]);
        let word = u64::from_le_bytes(*record[24..].first_chunk().unwrap());
        let checkpoint = if word == u64::MAX { 0 } else { word };
        let checkpoint = usize::try_from(checkpoint).unwrap();
        events.push(
            String::from_utf8(record[36 + names..record.len() - checkpoint].to_vec()).unwrap(),
        );
        bytes = &bytes[end..];
    }
    events
}

/// A record to be sent.
pub type Sent<'a> = BaseRecord<'a, str, [u8]>;

/// Returns a record with the key `k` for a topic's first partition.
pub fn record<'a>(topic: &'a str, value: &'a [u8]) -> Sent<'a> {
    BaseRecord::to(topic).partition(0).key("k").payload(value)
}

/// A running agent; it is killed when this is dropped.
pub struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    /// Starts `producer` or `consumer`.
    pub fn start(name: &str, config: &Path, stdin: Stdio) -> Self {
        Self::spawn(Command::new(binary(name)), config, stdin)
    }

    /// Starts an agent that tells this socket what it would tell systemd.
    pub fn watched(name: &str, config: &Path, socket: &Path) -> Self {
        let mut command = Command::new(binary(name));
        command.env("NOTIFY_SOCKET", socket);
        Self::spawn(command, config, Stdio::piped())
    }

    fn spawn(mut command: Command, config: &Path, stdin: Stdio) -> Self {
        let log = config.with_extension("log");
        let output = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&log)
            .unwrap();
        let child = command
            .arg("--config")
            .arg(config)
            .stdin(stdin)
            .stderr(output)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    pub fn consumer(config: &Path) -> Self {
        Self::start("consumer", config, Stdio::null())
    }

    /// Takes the standard input of an agent that was started with a pipe.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, as systemd does.
    pub fn terminate(&mut self) -> ExitStatus {
        signal(self.child.id(), "TERM");
        self.wait()
    }

    /// Stops it where it is, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        signal(self.child.id(), if frozen { "STOP" } else { "CONT" });
    }

    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns the most memory it had until now, in MiB.
    pub fn peak(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes: u64 = line.unwrap().replace("kB", "").trim().parse().unwrap();
        kibibytes >> 10
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of the agent:\n{}", self.log());
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a file that others may not read.
pub fn secret(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    close_to_others(&path);
    path
}

/// Lets nobody else read a file.
pub fn close_to_others(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Sends a signal to a process of ours.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status()
        .unwrap();
    assert!(sent.success(), "{name} to {process}");
}

/// Returns an agent's binary: the one that was built with this test, or the one in the directory `DEPLOYER_TEST_AGENTS`,
/// which may be a script that runs it in another system's root.
pub fn binary(name: &str) -> PathBuf {
    if let Some(directory) = std::env::var_os("DEPLOYER_TEST_AGENTS") {
        return Path::new(&directory).join(name);
    }
    PathBuf::from(if name == "producer" {
        env!("CARGO_BIN_EXE_producer")
    } else {
        env!("CARGO_BIN_EXE_consumer")
    })
}

/// Whether this process may mount.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Runs an agent's command to its end.
pub fn run(name: &str, config: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(binary(name));
    command.arg("--config").arg(config).args(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Runs a command that must succeed, and returns the JSON lines it prints.
pub fn json(name: &str, config: &Path, arguments: &[&str], input: &str) -> Vec<Value> {
    let output = run(name, config, arguments, input);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Asks an agent; nothing where it does not listen yet.
pub fn get(listen: SocketAddr, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(listen) else {
        return String::new();
    };
    let mut text = String::new();
    let asked = write!(stream, "GET {path} HTTP/1.1\r\nHost: agent\r\n\r\n")
        .and_then(|()| stream.read_to_string(&mut text));
    asked.map_or_else(|_| String::new(), |_| text)
}

/// Waits until a condition holds.
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the sequences of a client's documents, in their order.
pub fn sequences(documents: &BTreeMap<String, Value>) -> Vec<u64> {
    documents
        .values()
        .map(|document| document["sequence"].as_u64().unwrap())
        .collect()
}
