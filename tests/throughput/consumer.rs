//! The consumer beside bare requests to the same `CouchDB`, and its latency.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use agent::sink::couchdb::Store;
use agent::sink::document::Document;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::cluster::{Cluster, free};
use crate::couchdb::Server;
use crate::lab::{get, secret};
use crate::process::{self, Used};
use crate::{Rates, TURNS};

pub const EVENTS: usize = 120_000;
/// Documents of one request.
const BATCH: usize = 500;
/// Documents posted one by one: enough to see a rate.
const SINGLE: usize = 300;
/// Documents of a database that has readers.
const READ: usize = 30_000;
pub const PATIENCE: Duration = Duration::from_mins(5);

pub fn throughput(cluster: &Cluster, couchdb: &Server, directory: &Path) {
    for partitions in [1, 2, 4, 8] {
        let topic = format!("consumed-{partitions}");
        cluster.make(&topic, partitions);
        let documents = fill(cluster, &topic, partitions);
        let (mut ours, mut raw, mut single) =
            (Rates::default(), Rates::default(), Rates::default());
        let (mut used, mut write) = (Used::default(), 0.0);
        for turn in 0..TURNS {
            let name = |what: &str| {
                let name = format!("{what}-{partitions}-{turn}");
                couchdb.make(&name);
                name
            };
            let database = name("agent");
            let listen = free();
            let config = config(cluster, couchdb, directory, &topic, &database, listen);
            let run = agent(couchdb, &config, &database, listen);
            ours.push(run.events, run.time);
            (used, write) = (run.used, run.write);
            raw.push(EVENTS, bulk(couchdb, &name("raw"), &documents, partitions));
            let time = bulk_of(couchdb, &name("single"), &documents[..SINGLE], 1, 1);
            single.push(SINGLE, time);
        }
        let bytes = documents[0].json.len();
        println!("consumer, {partitions} partitions, documents of {bytes} B, {EVENTS} of them");
        println!("  consumer             {ours}");
        println!(
            "  bare _bulk_docs      {raw}   ratio {:.2}",
            ours.median() / raw.median()
        );
        println!(
            "  one POST a document  {single}   ratio {:.1}",
            ours.median() / single.median()
        );
        println!(
            "  {write:.0} documents a write, {:.3} s of processor for 10,000 events, at most {} MiB",
            used.processor.as_secs_f64() * 10_000.0 / EVENTS as f64,
            used.most_mib
        );
    }
}

/// Writes as many at once as a topic of four partitions has, to a database that nobody reads and to one that has readers.
pub fn readers(cluster: &Cluster, couchdb: &Server) {
    let topic = "read";
    cluster.make(topic, 1);
    let documents = fill(cluster, topic, 1);
    let documents = &documents[..READ];
    let (mut without, mut with) = (Rates::default(), Rates::default());
    for turn in 0..TURNS {
        let name = |what: &str| {
            let name = format!("{what}-{turn}");
            couchdb.make(&name);
            name
        };
        without.push(READ, bulk(couchdb, &name("unread"), documents, 4));
        let name = name("read");
        couchdb.guard(&name);
        with.push(READ, bulk(couchdb, &name, documents, 4));
    }
    println!("readers, {READ} documents by _bulk_docs, {BATCH} at once");
    println!("  nobody reads         {without}");
    println!(
        "  with readers         {with}   ratio {:.2}",
        with.median() / without.median()
    );
}

pub fn latency(cluster: &Cluster, couchdb: &Server, directory: &Path) {
    let topic = "latency";
    cluster.make(topic, 1);
    let warm = "consumed-for-latency";
    cluster.make(warm, 1);
    fill(cluster, warm, 1);
    couchdb.make("best");
    let listen = free();
    let best = config(cluster, couchdb, directory, warm, "best", listen);
    let run = agent(couchdb, &best, "best", listen);
    let best = run.events as f64 / run.time.as_secs_f64();
    for (what, rate, target) in [
        ("at 10 events/s", 10.0, 1.0),
        ("at half of the best", best / 2.0, 3.0),
    ] {
        let database = format!("latency-{rate:.0}");
        couchdb.make(&database);
        let listen = free();
        let config = config(cluster, couchdb, directory, topic, &database, listen);
        let mut consumer = process::start(env!("CARGO_BIN_EXE_consumer"), &config, Stdio::null());
        let idle = settle(&consumer);
        let producer_config = directory.join(format!("{database}-producer.toml"));
        let text = format!(
            "client = \"bench\"\n[kafka]\nbootstrap = {:?}\ntopic = {topic:?}\n[source]\nkind = \"stdin\"\ncount = 0\n[state]\ndirectory = \"{}\"\n",
            cluster.bootstrap(),
            directory.join(format!("state-{database}")).display()
        );
        std::fs::write(&producer_config, text).unwrap();
        let mut producer = process::start(
            env!("CARGO_BIN_EXE_producer"),
            &producer_config,
            Stdio::piped(),
        );
        let producer_idle = settle(&producer);
        let before = buckets(listen);
        let mut stdin = producer.stdin.take().unwrap();
        let start = Instant::now();
        let mut sent = 0_u64;
        while start.elapsed() < Duration::from_secs(10) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count"
            )]
            let due = (start.elapsed().as_secs_f64() * rate) as u64;
            while sent < due {
                sent += 1;
                writeln!(stdin, "{sent} {}", "x".repeat(200)).unwrap();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        drop(stdin);
        producer.wait().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while (couchdb.count(&database) as u64) < sent {
            assert!(Instant::now() < deadline, "documents are missing");
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(200));
        let bound = quantile(&before, &buckets(listen), 0.99);
        println!(
            "latency {what}, {rate:.0} events/s: p99 within {bound} s (target {target} s); idle {} MiB and {} MiB (consumer, producer)",
            idle.now_mib, producer_idle.now_mib
        );
        consumer.kill().unwrap();
        consumer.wait().unwrap();
    }
}

/// Waits until an agent has nothing more to do for its start.
fn settle(child: &Child) -> Used {
    std::thread::sleep(Duration::from_secs(5));
    process::used(child).unwrap()
}

/// Returns how many documents a write had, in the mean.
fn documents_a_write(listen: SocketAddr) -> f64 {
    let text = get(listen, "/metrics");
    let figure = |name: &str| -> f64 {
        let mut rest = text.lines().filter_map(|line| line.strip_prefix(name));
        rest.next().unwrap().trim().parse().unwrap()
    };
    figure("consumer_batch_documents_sum") / figure("consumer_batch_documents_count")
}

/// Reads the buckets of the latency: bound and number.
fn buckets(listen: SocketAddr) -> Vec<(String, u64)> {
    let bucket = |line: &str| {
        let rest = line.strip_prefix("consumer_event_to_document_seconds_bucket{le=\"")?;
        let (bound, number) = rest.split_once("\"} ")?;
        Some((bound.to_owned(), number.parse().ok()?))
    };
    get(listen, "/metrics").lines().filter_map(bucket).collect()
}

/// Returns the least bound below which this part of the new events lies.
fn quantile(before: &[(String, u64)], after: &[(String, u64)], part: f64) -> String {
    let new: Vec<u64> = after
        .iter()
        .zip(before)
        .map(|(after, before)| after.1 - before.1)
        .collect();
    let all = *new.last().unwrap() as f64;
    let index = new.iter().position(|number| *number as f64 >= all * part);
    after[index.unwrap()].0.clone()
}

/// Fills a topic with events, spread over its partitions; returns their documents.
pub fn fill(cluster: &Cluster, topic: &str, partitions: i32) -> Vec<Document> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap())
        .set("linger.ms", "50")
        .create()
        .unwrap();
    let mut documents = Vec::new();
    for sequence in 1..=EVENTS {
        let fields = format!(
            r#""schema":1,"timestamp":"2026-11-21T08:34:00.123Z","client":"bench","host":"h","run":"r","sequence":{sequence},"kind":"line","line":"{}""#,
            "x".repeat(150)
        );
        let id = format!("bench-r-{sequence:012}");
        let event = format!("{{{fields}}}");
        let partition = i32::try_from(sequence).unwrap() % partitions;
        while producer
            .send(
                BaseRecord::<(), str>::to(topic)
                    .partition(partition)
                    .payload(&event),
            )
            .is_err()
        {
            producer.poll(Duration::from_millis(10));
        }
        documents.push(Document {
            json: format!(r#"{{"_id":"{id}",{fields}}}"#),
            id,
        });
    }
    producer.flush(PATIENCE).unwrap();
    documents
}

fn config(
    cluster: &Cluster,
    couchdb: &Server,
    directory: &Path,
    topic: &str,
    database: &str,
    listen: SocketAddr,
) -> PathBuf {
    let password = secret(directory, "password", "adminpw\n");
    let path = directory.join(format!("{database}.toml"));
    let text = format!(
        "group = {database:?}\n[kafka]\nbootstrap = {:?}\n[couchdb]\nurl = {:?}\nuser = \"admin\"\npassword_file = \"{}\"\n\
         [metrics]\nlisten = \"{listen}\"\n[[topics]]\nname = {topic:?}\ndatabase = {database:?}\nepoch = \"e\"\n",
        cluster.bootstrap(),
        couchdb.url,
        password.display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// What a consumer did.
struct Run {
    /// Documents between the first that was seen and the last, and the time.
    events: usize,
    time: Duration,
    used: Used,
    /// Documents of a write.
    write: f64,
}

/// Lets a consumer write a whole topic.
fn agent(couchdb: &Server, config: &Path, database: &str, listen: SocketAddr) -> Run {
    let mut child = process::start(env!("CARGO_BIN_EXE_consumer"), config, Stdio::null());
    let deadline = Instant::now() + PATIENCE;
    let mut first = None;
    let (events, time) = loop {
        let (now, count) = (Instant::now(), couchdb.count(database));
        assert!(now < deadline, "documents are missing");
        let (start, already) = *first.get_or_insert((now, count));
        if already == 0 && count > 0 {
            first = Some((now, count));
        } else if count == EVENTS {
            break (count - already, now - start);
        } else if count == 0 {
            first = None;
        }
        // Each question costs the server what a few documents do, and nobody asks it beside bare requests.
        std::thread::sleep(Duration::from_millis(if already == 0 { 10 } else { 50 }));
    };
    let (used, write) = (process::used(&child).unwrap(), documents_a_write(listen));
    child.kill().unwrap();
    child.wait().unwrap();
    Run {
        events,
        time,
        used,
        write,
    }
}

fn bulk(couchdb: &Server, database: &str, documents: &[Document], at_once: i32) -> Duration {
    bulk_of(
        couchdb,
        database,
        documents,
        usize::try_from(at_once).unwrap(),
        BATCH,
    )
}

/// Stores documents by bare requests, some at once.
fn bulk_of(
    couchdb: &Server,
    database: &str,
    documents: &[Document],
    at_once: usize,
    batch: usize,
) -> Duration {
    let start = Instant::now();
    let queues = documents
        .chunks(documents.len().div_ceil(at_once))
        .map(|queue| async move {
            for batch in queue.chunks(batch) {
                let batch: Vec<&Document> = batch.iter().collect();
                couchdb.client.put(database, &batch).await.unwrap();
            }
        });
    couchdb
        .runtime
        .block_on(futures_util::future::join_all(queues));
    start.elapsed()
}
