//! Looks at a deployment from outside: documents by CouchDB's own HTTP, processes by systemd's own words, brokers by their ports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::deployer_command::Deployer;
use crate::support::{eventually, processes, succeed, within};

/// What systemd says of a unit; times are of the box's monotonic clock, which all machines share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The main process; 0: none.
    pub(crate) pid: u64,
    /// When it last became active, in microseconds.
    pub(crate) began: u64,
    /// When it last stopped being active, in microseconds; 0: never.
    pub(crate) ended: u64,
}

/// All units of the deployment on all nodes, as `node role`.
pub(crate) fn units(deployer: &Deployer) -> BTreeMap<String, Unit> {
    let mut all = BTreeMap::new();
    for node in nodes(deployer) {
        let pattern = format!("{}-*.service", deployer.name);
        let said = deployer.on(
            &node,
            &[
                "systemctl",
                "show",
                "--all",
                "--property=Id,MainPID,ActiveEnterTimestampMonotonic,ActiveExitTimestampMonotonic",
                &pattern,
            ],
        );
        for block in said.split("\n\n") {
            let values: BTreeMap<&str, &str> = block
                .lines()
                .filter_map(|line| line.trim().split_once('='))
                .collect();
            let Some(id) = values.get("Id") else { continue };
            let role = id.strip_prefix(&format!("{}-", deployer.name));
            let role = role.and_then(|role| role.strip_suffix(".service"));
            // It serves no role: it puts names back at boot.
            if role == Some("hosts") {
                continue;
            }
            let number = |key: &str| values[key].parse().expect("a number");
            all.insert(
                format!("{node} {}", role.expect("a unit of ours")),
                Unit {
                    pid: number("MainPID"),
                    began: number("ActiveEnterTimestampMonotonic"),
                    ended: number("ActiveExitTimestampMonotonic"),
                },
            );
        }
    }
    all
}

/// The names of units whose process is another one.
pub(crate) fn restarted(
    before: &BTreeMap<String, Unit>,
    after: &BTreeMap<String, Unit>,
) -> BTreeSet<String> {
    assert!(before.keys().eq(after.keys()), "{before:?} {after:?}");
    let other = before
        .iter()
        .filter(|(name, unit)| after[*name].pid != unit.pid);
    other.map(|(name, _)| name.clone()).collect()
}

/// The nodes that the receipt knows.
pub(crate) fn nodes(deployer: &Deployer) -> Vec<String> {
    let receipt = deployer.receipt();
    let machines = receipt["machines"].as_object().expect("machines");
    machines.keys().cloned().collect()
}

/// A node's address as this box reaches it.
pub(crate) fn address(deployer: &Deployer, node: &str) -> IpAddr {
    let receipt = deployer.receipt();
    let address = receipt["machines"][node]["machine"]["access"]["ssh"]["address"].as_str();
    address.expect("an address").parse().expect("an address")
}

/// CouchDB on a node, as its admin.
pub(crate) struct Documents {
    base: String,
    password: String,
    agents_password: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// Run → the numbers of its events, sorted.
pub(crate) type Runs = BTreeMap<String, Vec<u32>>;

impl Documents {
    pub(crate) fn new(deployer: &Deployer, node: &str) -> Self {
        Self::at(deployer, node, 5984)
    }

    /// CouchDB at another port.
    pub(crate) fn at(deployer: &Deployer, node: &str, port: u16) -> Self {
        let secrets = deployer.secrets();
        let password = |key: &str| {
            secrets["couchdb"][key]
                .as_str()
                .expect("a password")
                .to_owned()
        };
        let address = address(deployer, node);
        let mut client = reqwest::Client::builder().timeout(Duration::from_secs(10));
        let mut base = format!("http://{address}:{port}");
        // With security on, plain text is for its own node alone, unless it is the stand-in.
        let tls = SocketAddr::new(address, port + 1000);
        let authority = secrets["authority"]["certificate"].as_str();
        if let Some(authority) = authority
            && TcpStream::connect_timeout(&tls, Duration::from_secs(5)).is_ok()
        {
            let host = format!("{node}.{}.internal", deployer.name);
            let authority = reqwest::Certificate::from_pem(authority.as_bytes()).expect("PEM");
            client = client.tls_certs_only([authority]).resolve(&host, tls);
            base = format!("https://{host}:{}", tls.port());
        }
        Self {
            base,
            password: password("admin_password"),
            agents_password: password("user_password"),
            client: client.build().expect("a client"),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
        }
    }

    /// The status and the JSON of a GET, by a user or by nobody.
    pub(crate) fn get(&self, path: &str, user: Option<&str>) -> (u16, Value) {
        let url = format!("{}/{path}", self.base);
        let password = user.map(|user| match user {
            "admin" => &self.password,
            _ => &self.agents_password,
        });
        // It may have been restarted a moment ago.
        within(Duration::from_secs(15), &url, || {
            let mut request = self.client.get(&url);
            if let Some(user) = user {
                request = request.basic_auth(user, password);
            }
            self.runtime.block_on(async {
                let answer = request.send().await.map_err(|error| error.to_string())?;
                let status = answer.status().as_u16();
                let text = answer.bytes().await.map_err(|error| error.to_string())?;
                Ok((status, serde_json::from_slice(&text).unwrap_or_default()))
            })
        })
    }

    /// The status of a request by the admin that changes something.
    pub(crate) fn change(&self, method: reqwest::Method, path: &str, body: &Value) -> u16 {
        let request = self
            .client
            .request(method, format!("{}/{path}", self.base))
            .basic_auth("admin", Some(&self.password))
            .header("content-type", "application/json")
            .body(body.to_string());
        // In the runtime, where there are timers.
        let answer = self.runtime.block_on(async { request.send().await });
        answer.expect("an answer").status().as_u16()
    }

    /// The runs of a client, by the ids of its documents. An id can be there only once.
    pub(crate) fn runs(&self, database: &str, client: &str) -> Runs {
        let (status, answer) = self.get(&format!("{database}/_all_docs"), Some("admin"));
        assert_eq!(status, 200, "{answer}");
        let mut runs = Runs::new();
        for row in answer["rows"].as_array().expect("rows") {
            let id = row["id"].as_str().expect("an id");
            let rest = id.strip_prefix(&format!("{client}-"));
            let parts = rest.and_then(|rest| rest.rsplit_once('-'));
            let (run, sequence) = parts.unwrap_or_else(|| panic!("a strange id: {id}"));
            let sequence = sequence.parse().expect("a sequence number");
            runs.entry(run.into()).or_default().push(sequence);
        }
        for sequences in runs.values_mut() {
            sequences.sort_unstable();
        }
        runs
    }
}

/// Waits until a client has so many runs, and the newest one has the numbers 1 to `count`, each once.
#[track_caller]
pub(crate) fn whole_run(
    documents: &Documents,
    database: &str,
    client: &str,
    count: u32,
    runs: usize,
) {
    let what = format!("run {runs} with {count} events in {database}");
    // `top` itself takes most of a fifth of a second.
    within(Duration::from_secs(90), &what, || {
        let found = documents.runs(database, client);
        let newest = found.last_key_value().map(|(_, numbers)| numbers);
        if found.len() == runs && newest.is_some_and(|newest| newest.iter().copied().eq(1..=count))
        {
            return Ok(());
        }
        let lengths: BTreeMap<&String, usize> = found
            .iter()
            .map(|(run, numbers)| (run, numbers.len()))
            .collect();
        Err(format!("{lengths:?}"))
    });
}

/// Runs a command in a machine without its sshd: from this box, in the machine's namespaces.
pub(crate) fn inside(deployer: &Deployer, node: &str, command: &[&str]) -> String {
    let target = first_of(deployer, node);
    let mut words = vec!["--target", &target, "--all"];
    words.extend(command);
    succeed("nsenter", &words)
}

/// What starts programs of this box in a machine's network.
#[expect(clippy::disallowed_methods, reason = "tests run what they like")]
pub(crate) fn network_of(deployer: &Deployer, node: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &first_of(deployer, node), "--net", "--"]);
    command
}

/// Process 1 of a machine, as this box counts.
fn first_of(deployer: &Deployer, node: &str) -> String {
    let leader = processes(&deployer.id())
        .into_iter()
        .find(|process| is_first_of(*process, node))
        .unwrap_or_else(|| panic!("{node} does not run"));
    leader.to_string()
}

/// Whether a process is process 1 of the machine of a node.
fn is_first_of(process: i32, node: &str) -> bool {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}"));
    let first = read("status").is_ok_and(|status| {
        let mut numbers = status.lines().filter(|line| line.starts_with("NSpid:"));
        numbers.next().is_some_and(|line| {
            let numbers: Vec<&str> = line.split_whitespace().skip(1).collect();
            numbers.len() > 1 && numbers.last() == Some(&"1")
        })
    });
    let name = std::fs::read_to_string(format!("/proc/{process}/root/etc/hostname"));
    first && name.is_ok_and(|name| name.trim() == node)
}

/// Waits until a machine is off.
pub(crate) fn off(deployer: &Deployer, node: &str) {
    let id = deployer.id();
    eventually(&format!("{node} goes off"), || {
        let mut all = processes(&id).into_iter();
        match all.find(|process| is_first_of(*process, node)) {
            Some(process) => Err(format!("process {process} runs")),
            None => Ok(()),
        }
    });
    // The keeper of the machine notices a moment later.
    std::thread::sleep(Duration::from_millis(300));
}

/// Knocks at two brokers' ports all the time.
pub(crate) struct Knocking {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, BTreeSet<usize>)>,
}

impl Knocking {
    pub(crate) fn at(brokers: [IpAddr; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let answers = |address: IpAddr| {
                let broker = SocketAddr::new(address, 9092);
                TcpStream::connect_timeout(&broker, Duration::from_millis(500)).is_ok()
            };
            let (mut both, mut seen_down) = (0, BTreeSet::new());
            while !told.load(Ordering::Relaxed) {
                let down: Vec<usize> = (0..2).filter(|n| !answers(brokers[*n])).collect();
                both += usize::from(down.len() == 2);
                seen_down.extend(down);
                std::thread::sleep(Duration::from_millis(10));
            }
            (both, seen_down)
        });
        Self { stop, thread }
    }

    /// How often both were down, and which ever were.
    pub(crate) fn end(self) -> (usize, BTreeSet<usize>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a thread")
    }
}

/// Waits until `status` says that all is well.
#[track_caller]
pub(crate) fn well(deployer: &Deployer) -> Value {
    let started = Instant::now();
    loop {
        let said = deployer.run(&["status", "--json"]);
        if said.code == Some(0) {
            return said.json();
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{said:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
