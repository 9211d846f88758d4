//! The consumer's rows in a real `MariaDB`, beside one commit for each row.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use sqlx::mysql::MySqlPool;

use crate::cluster::{Cluster, free};
use crate::consumer::{EVENTS, PATIENCE, fill};
use crate::lab::get;
use crate::mariadb::Mariadb;
use crate::process;
use crate::{Rates, TURNS};

/// Rows committed one by one: enough to see a rate.
const SINGLE: usize = 300;
const PARTITIONS: i32 = 2;

pub fn throughput(cluster: &Cluster, directory: &Path) {
    let topic = "rows";
    cluster.make(topic, PARTITIONS);
    fill(cluster, topic, PARTITIONS);
    let mariadb = Mariadb::start(&directory.join("mariadb"));
    let (mut ours, mut single) = (Rates::default(), Rates::default());
    for turn in 0..TURNS {
        let table = format!("rows_{turn}");
        ours.push(EVENTS, consumer(cluster, &mariadb, directory, &table));
        let counted = mariadb.number(&format!("SELECT COUNT(*) FROM {table}"));
        assert_eq!(usize::try_from(counted).unwrap(), EVENTS);
        single.push(SINGLE, one_by_one(&mariadb, &format!("single_{turn}")));
    }
    println!("rows, {PARTITIONS} partitions, {EVENTS} of them, by TLS, each commit on the disk");
    println!("  consumer              {ours}");
    println!(
        "  one commit for each   {single}   ratio {:.0}",
        ours.median() / single.median()
    );
}

/// Lets a consumer write a whole topic: from its first row to its last.
fn consumer(cluster: &Cluster, mariadb: &Mariadb, directory: &Path, table: &str) -> Duration {
    let config = directory.join(format!("{table}.toml"));
    let listen = free();
    let text = format!(
        "group = {table:?}\n[kafka]\nbootstrap = {:?}\n[metrics]\nlisten = \"{listen}\"\n\
         [[topics]]\nname = \"rows\"\nepoch = \"e\"\n[sinks.rows]\nkind = \"mariadb\"\nfrom = [\"rows\"]\n{}table = {table:?}\n\
         columns = [\"at datetime timestamp\", \"number integer sequence\", \"host text host\", \"line text line\"]\n",
        cluster.bootstrap(),
        mariadb.access()
    );
    std::fs::write(&config, text).unwrap();
    let mut child = process::start(env!("CARGO_BIN_EXE_consumer"), &config, Stdio::null());
    let deadline = Instant::now() + PATIENCE;
    let mut first = None;
    let time = loop {
        let now = Instant::now();
        assert!(now < deadline, "rows are missing");
        let written = written(listen);
        if written > 0 {
            let first = first.get_or_insert(now);
            if written == EVENTS {
                break now - *first;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    time
}

/// How many rows the consumer says that it has written; none: it does not answer yet.
fn written(listen: std::net::SocketAddr) -> usize {
    let text = get(listen, "/metrics");
    let figure = "consumer_events_out_total{sink=\"rows\"} ";
    let mut found = text.lines().filter_map(|line| line.strip_prefix(figure));
    found.next().map_or(0, |number| number.parse().unwrap())
}

/// Writes rows as a program would that commits each of them.
fn one_by_one(mariadb: &Mariadb, table: &str) -> Duration {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let pool: MySqlPool = mariadb.pool();
        let make = format!(
            "CREATE TABLE {table} (id VARCHAR(255) PRIMARY KEY, number BIGINT, line LONGTEXT)"
        );
        sqlx::query(sqlx::AssertSqlSafe(make))
            .execute(&pool)
            .await
            .unwrap();
        let insert = format!("INSERT INTO {table} VALUES (?, ?, ?)");
        let line = "x".repeat(150);
        let start = Instant::now();
        for number in 0..SINGLE {
            let row = sqlx::query(sqlx::AssertSqlSafe(insert.as_str()))
                .bind(format!("bench-r-{number:012}"))
                .bind(i64::try_from(number).unwrap())
                .bind(&line);
            row.execute(&pool).await.unwrap();
        }
        start.elapsed()
    })
}
