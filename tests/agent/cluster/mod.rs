//! A real ZooKeeper and two real brokers as processes of this machine, on loopback, each broker behind a gate.

mod gate;
pub mod guarded;

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};

pub use gate::Gate;

use crate::lab::{signal, wait_until};

const VERSION: &str = "3.9.1";
/// How long a server may take to start, also where its old session at ZooKeeper must end first.
const PATIENCE: Duration = Duration::from_mins(2);

/// A server in Java that is started again as often as wanted.
pub struct Server {
    name: &'static str,
    directory: PathBuf,
    class: &'static str,
    config: PathBuf,
    pub listens: SocketAddr,
    child: Option<Child>,
}

impl Server {
    fn new(
        name: &'static str,
        directory: &Path,
        class: &'static str,
        listens: SocketAddr,
        config: &str,
    ) -> Self {
        let path = directory.join(format!("{name}.properties"));
        std::fs::write(&path, config).unwrap();
        Self {
            name,
            directory: directory.to_owned(),
            class,
            config: path,
            listens,
            child: None,
        }
    }

    /// Starts it and waits until it listens. A broker that came back before its old session ended gives up, and is
    /// started again as systemd would.
    pub fn start(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        self.launch();
        while TcpStream::connect(self.listens).is_err() {
            assert!(
                Instant::now() < deadline,
                "{} does not start:\n{}",
                self.name,
                self.log()
            );
            if self.child.as_mut().unwrap().try_wait().unwrap().is_some() {
                self.launch();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn launch(&mut self) {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.directory.join(format!("{}.log", self.name)))
            .unwrap();
        let child = java(self.class)
            .arg(&self.config)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already.
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    /// Asks it to end, and waits a while.
    pub fn terminate(&mut self) {
        let Some(child) = &mut self.child else { return };
        signal(child.id(), "TERM");
        let deadline = Instant::now() + Duration::from_secs(20);
        while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.kill();
    }

    /// Stops it where it is, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        if let Some(child) = &self.child {
            signal(child.id(), if frozen { "STOP" } else { "CONT" });
        }
    }

    fn log(&self) -> String {
        let path = self.directory.join(format!("{}.log", self.name));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let start = text.len().saturating_sub(4000);
        text.get(start..).unwrap_or_default().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub struct Cluster {
    pub zookeeper: Server,
    pub brokers: [Server; 2],
    pub gates: [Gate; 2],
}

impl Cluster {
    /// Starts all servers, and makes a topic with two copies of each partition.
    pub fn start(directory: &Path, topic: &str, partitions: i32) -> Self {
        let (zookeeper, client) = zookeeper(directory);
        let mut gates = Vec::new();
        let broker = |(id, name): (usize, &'static str)| {
            let listens = free();
            let gate = Gate::to(listens);
            let config = format!(
                "broker.id={id}\nlisteners=PLAINTEXT://{listens}\nadvertised.listeners=PLAINTEXT://{}\n\
                 zookeeper.connect={client}\nlog.dirs={}\nzookeeper.session.timeout.ms=6000\n\
                 default.replication.factor=2\nmin.insync.replicas=1\nunclean.leader.election.enable=false\n\
                 offsets.topic.replication.factor=2\noffsets.topic.num.partitions=4\n\
                 transaction.state.log.replication.factor=2\ntransaction.state.log.min.isr=1\n\
                 transaction.state.log.num.partitions=4\n\
                 auto.create.topics.enable=false\ngroup.initial.rebalance.delay.ms=0\n",
                gate.address,
                directory.join(name).display()
            );
            gates.push(gate);
            Server::new(name, directory, "kafka.Kafka", listens, &config)
        };
        let mut brokers = [(1, "broker-1"), (2, "broker-2")].map(broker);
        brokers.iter_mut().for_each(Server::launch);
        brokers.iter_mut().for_each(Server::wait);
        let cluster = Self {
            zookeeper,
            brokers,
            gates: gates.try_into().ok().unwrap(),
        };
        cluster.make(topic, partitions);
        cluster
    }

    /// Returns the addresses clients begin with: the gates'.
    pub fn bootstrap(&self) -> String {
        self.gates
            .each_ref()
            .map(|gate| gate.address.to_string())
            .join(",")
    }

    /// Makes a topic with two copies of each partition.
    pub fn make(&self, topic: &str, partitions: i32) {
        make_topic(&self.bootstrap(), 2, topic, partitions);
    }

    /// Gives a topic these settings.
    pub fn alter(&self, topic: &str, settings: &[(&str, &str)]) {
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (key, value) in settings {
            change = change.set(key, value);
        }
        let altered =
            self.ask(async |admin| admin.alter_configs([&change], &AdminOptions::new()).await);
        altered[0].as_ref().unwrap();
    }

    /// Deletes a topic's records before an offset, as retention does.
    pub fn delete_before(&self, topic: &str, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(offset))
            .unwrap();
        self.ask(async |admin| admin.delete_records(&list, &AdminOptions::new()).await);
    }

    /// Deletes a topic and makes it again, with one partition.
    pub fn make_anew(&self, topic: &str) {
        let deleted =
            self.ask(async |admin| admin.delete_topics(&[topic], &AdminOptions::new()).await);
        deleted[0].as_ref().unwrap();
        wait_until("the topic can be made", || {
            let new = NewTopic::new(topic, 1, TopicReplication::Fixed(2));
            let made =
                self.ask(async |admin| admin.create_topics([&new], &AdminOptions::new()).await);
            made[0].is_ok()
        });
    }

    fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&AdminClient<DefaultClientContext>) -> KafkaResult<T>,
    ) -> T {
        let mut config = ClientConfig::new();
        let admin: AdminClient<DefaultClientContext> = config
            .set("bootstrap.servers", self.bootstrap())
            .create()
            .unwrap();
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(question(&admin))
            .unwrap()
    }

    /// Gives each partition's leadership back to its first broker, where that one is in sync.
    pub fn move_leaders(&self) {
        // Refused while a copy is behind: then nothing moves.
        let _ = java("org.apache.kafka.tools.LeaderElectionCommand")
            .args(["--bootstrap-server", &self.bootstrap()])
            .args(["--election-type", "preferred", "--all-topic-partitions"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
    }
}

impl Server {
    /// Waits for what was launched.
    fn wait(&mut self) {
        wait_until(self.name, || TcpStream::connect(self.listens).is_ok());
    }
}

/// Launches a ZooKeeper; returns it and its address.
fn zookeeper(directory: &Path) -> (Server, SocketAddr) {
    let client = free();
    let config = format!(
        "dataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\ntickTime=1000\nadmin.enableServer=false\n",
        directory.join("zookeeper").display(),
        client.port()
    );
    let class = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
    let mut server = Server::new("zookeeper", directory, class, client, &config);
    server.launch();
    (server, client)
}

/// Makes a topic with a copy of each partition on every broker.
fn make_topic(bootstrap: &str, brokers: i32, topic: &str, partitions: i32) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    let asks: BaseConsumer = config.create().unwrap();
    wait_until("all brokers are known", || {
        asks.fetch_metadata(None, Duration::from_secs(5))
            .is_ok_and(|metadata| i32::try_from(metadata.brokers().len()).unwrap() == brokers)
    });
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(brokers));
    // A request that found no controller yet is answered by nobody.
    let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(5)));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    wait_until("the topic is made", || {
        let made = runtime.block_on(admin.create_topics([&topic], &options));
        matches!(
            made.as_deref(),
            Ok([Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))])
        )
    });
}

/// Returns an address nobody listens on. Below the ports that the kernel gives to whoever asks for any one (from 32768 on): a
/// connection of somebody else's must not have it before the server that it is for.
pub fn free() -> SocketAddr {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id() * 61 + COUNT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + u16::try_from(number % 20_000).unwrap();
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().unwrap();
        }
    }
}

/// Returns a command of Kafka's jars, quick to start and small.
pub fn java(class: &str) -> Command {
    let mut command = Command::new("java");
    command
        .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .arg(format!(
            "-Dlog4j.configuration=file:{}",
            libraries().join("log4j.properties").display()
        ))
        .arg("-cp")
        .arg(libraries().join("libs/*"))
        .arg(class);
    command
}

/// Returns the directory of Kafka's jars, which Maven fills once.
fn libraries() -> &'static Path {
    static LIBRARIES: OnceLock<PathBuf> = OnceLock::new();
    LIBRARIES.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kafka-{VERSION}"));
        let done = directory.join("done");
        if done.exists() {
            return directory;
        }
        std::fs::create_dir_all(&directory).unwrap();
        let pom = include_str!("../../../deployer/src/component/kafka/data/pom.xml");
        std::fs::write(directory.join("pom.xml"), pom.replace("@VERSION@", VERSION)).unwrap();
        let log = "log4j.rootLogger=WARN, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\nlog4j.appender.out.layout=org.apache.log4j.PatternLayout\nlog4j.appender.out.layout.ConversionPattern=%d %p %m%n\n";
        std::fs::write(directory.join("log4j.properties"), log).unwrap();
        let fetched = Command::new("mvn")
            .args(["-B", "-ntp", "-q", "-C", "-f"])
            .arg(directory.join("pom.xml"))
            .arg("org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies")
            .status()
            .unwrap();
        assert!(fetched.success(), "Maven does not fetch Kafka");
        std::fs::write(done, "").unwrap();
        directory
    })
}
