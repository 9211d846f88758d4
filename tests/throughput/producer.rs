//! The producer beside a bare loop over its client, and beside Kafka's own tool.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use agent::event::{Origin, Payload, Taken};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::cluster::{Cluster, java};
use crate::process::{self, Used};
use crate::{Rates, TURNS};

const PATIENCE: Duration = Duration::from_mins(5);
/// How many events Kafka's tool chooses from: it keeps all of them in its memory.
const CHOICE: usize = 50_000;

pub fn measure(cluster: &Cluster, directory: &Path) {
    for (size, events) in [(100, 4_000_000), (1000, 2_000_000)] {
        // Letters that compress about as JSON does.
        let letters: String = (0..size)
            .map(|index| char::from(b'a' + u8::try_from(index * 7 % 26).unwrap()))
            .collect();
        let line = |number: usize| format!("{number:08}{}", &letters[8..]);
        let lines = directory.join(format!("lines-{size}"));
        let rendered = directory.join(format!("events-{size}"));
        let origin = Origin {
            client: "bench".into(),
            host: agent::event::host_name(),
            run: "20261121T083400Z-1a2b".into(),
        };
        let mut payloads = Vec::new();
        let mut files = [&lines, &rendered].map(|path| BufWriter::new(File::create(path).unwrap()));
        for number in 1..=events {
            let line = line(number);
            writeln!(files[0], "{line}").unwrap();
            let taken = Taken::now(Payload::Line { line });
            let (event, _) = origin.render(number as u64, &taken).unwrap();
            if number <= CHOICE {
                writeln!(files[1], "{event}").unwrap();
            }
            payloads.push(event);
        }
        for file in &mut files {
            file.flush().unwrap();
            // Or the system writes it while the agent writes.
            file.get_ref().sync_all().unwrap();
        }
        let (mut ours, mut bare, mut tool) = (Rates::default(), Rates::default(), Rates::default());
        let mut used = Used::default();
        for turn in 0..TURNS {
            let topic = |what: &str| {
                let topic = format!("{what}-{size}-{turn}");
                cluster.make(&topic, 1);
                topic
            };
            let (time, last) = agent(cluster, directory, &topic("agent"), &lines);
            ours.push(events, time);
            used = last;
            bare.push(events, bare_loop(cluster, &topic("bare"), &payloads));
            let rate = performance(cluster, &topic("tool"), events, &rendered);
            tool.push(events, Duration::from_secs_f64(events as f64 / rate));
        }
        let bytes = payloads[0].len();
        println!("producer, lines of {size} B, events of {bytes} B, {events} of them");
        println!("  producer             {ours}");
        println!(
            "  bare rdkafka loop    {bare}   ratio {:.2}",
            ours.median() / bare.median()
        );
        println!(
            "  ProducerPerformance  {tool}   ratio {:.2}",
            ours.median() / tool.median()
        );
        println!(
            "  {:.3} s of processor for 10,000 events, at most {} MiB",
            used.processor.as_secs_f64() * 10_000.0 / events as f64,
            used.most_mib
        );
    }
}

/// Runs the producer over a file of lines to its end.
fn agent(cluster: &Cluster, directory: &Path, topic: &str, lines: &Path) -> (Duration, Used) {
    let config = directory.join(format!("{topic}.toml"));
    let text = format!(
        "client = \"bench\"\n[kafka]\nbootstrap = {:?}\ntopic = {topic:?}\n[source]\nkind = \"stdin\"\ncount = 0\n[state]\ndirectory = \"{}\"\n",
        cluster.bootstrap(),
        directory.join(format!("state-{topic}")).display()
    );
    std::fs::write(&config, text).unwrap();
    let start = Instant::now();
    let program = env!("CARGO_BIN_EXE_producer");
    let mut child = process::start(program, &config, File::open(lines).unwrap().into());
    let mut last = Used::default();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return (start.elapsed(), last);
        }
        last = process::used(&child)
            .filter(|used| used.most_mib > 0)
            .unwrap_or(last);
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends events as fast as librdkafka takes them.
fn bare_loop(cluster: &Cluster, topic: &str, payloads: &[String]) -> Duration {
    let start = Instant::now();
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap())
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", "0")
        .set("partitioner", "murmur2_random")
        .set("compression.type", "lz4")
        .set("linger.ms", "25")
        .set("queue.buffering.max.messages", "100000")
        .set("queue.buffering.max.kbytes", "65536")
        .create()
        .unwrap();
    for payload in payloads {
        let mut record = BaseRecord::to(topic).key("bench").payload(payload);
        while let Err((error, back)) = producer.send(record) {
            assert_eq!(
                error,
                KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)
            );
            record = back;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    producer.flush(PATIENCE).unwrap();
    start.elapsed()
}

/// Runs Kafka's own tool; returns the rate it prints.
fn performance(cluster: &Cluster, topic: &str, events: usize, payloads: &Path) -> f64 {
    let output = java("org.apache.kafka.tools.ProducerPerformance")
        .args(["--topic", topic, "--num-records", &events.to_string()])
        .args(["--throughput", "-1", "--payload-file"])
        .arg(payloads)
        .arg("--producer-props")
        .arg(format!("bootstrap.servers={}", cluster.bootstrap()))
        .args([
            "acks=all",
            "enable.idempotence=true",
            "compression.type=lz4",
        ])
        .args(["linger.ms=25", "batch.size=1000000"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.lines().last().unwrap_or_default().split(' ').collect();
    let at = words.iter().position(|word| *word == "records/sec");
    words[at.unwrap_or_else(|| {
        panic!(
            "no rate in {text}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    }) - 1]
        .parse()
        .unwrap()
}
