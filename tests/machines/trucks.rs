//! Trucks, by the inventory that is built in: each event is a row of CSV, and what the streams make of them is what is computed here
//! from these rows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use deployer::inventory::BUILT_IN;
use jiff::Timestamp;
use serde_json::Value;

use crate::deployer_command::{Deployer, say, subtest};
use crate::support::{may_run, within};
use crate::watch::{units, well};

/// Trucks, each with a partition of its own.
const TRUCKS: [&str; 2] = ["vm1-1", "vm1-2"];

/// The inventory for so many events of a truck, on fewer machines.
fn inventory(count: u32, interval: &str) -> String {
    let mut built_in = BUILT_IN.into_iter();
    let (_, text) = built_in
        .find(|(name, _)| *name == "trucks")
        .expect("it is built in");
    let changes = [
        ("name: trucks\n", ""),
        ("vm3: { roles: [kafka] }", "vm3: { roles: [kafka, spark] }"),
        ("  vm4: { roles: [spark] }\n", ""),
        ("count: 500000", &format!("count: {count}")),
        ("interval: 250ms", &format!("interval: {interval}")),
    ];
    let change = |text: String, (old, new): (&str, &str)| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    };
    changes.into_iter().fold(text.to_owned(), change)
}

#[test]
fn trucks_are_rows_and_what_follows_of_them() {
    if !may_run("trucks_are_rows_and_what_follows_of_them") {
        return;
    }
    let site = Site {
        deployer: Deployer::new(&inventory(0, "5ms")),
        patience: Duration::from_mins(2),
    };
    let deployer = &site.deployer;
    deployer.run(&["up", "--yes"]).code(0);
    let (records, events) = subtest("each event is a row, and a killed truck goes on", || {
        site.kill_producer("vm1-1");
        site.await_events("trucks", 4000);
        well(deployer);
        site.stop_producers();
        let records = site.sent("trucks");
        let events = site.events(records);
        go_on(&events);
        (records, events)
    });
    subtest("both partitions are read", || {
        site.await_read(records, &events);
    });
    subtest("each has its figures", || site.figures(records, &events));
    subtest("the fast ones are joined by event and time", || {
        site.fast(&events);
    });
    subtest("columns go with the fuel as is computed here", || {
        for (sink, column) in [("distance-correlation", 0), ("speed-correlation", 1)] {
            site.correlations(sink, &events, column);
        }
    });
    deployer.teardown();
}

#[test]
#[ignore = "figures: alone on the box"]
fn a_million_events_of_trucks() {
    if !may_run("a_million_events_of_trucks") {
        return;
    }
    // The join remembers each event for an hour: it is for events that come at their pace.
    let whole = inventory(500_000, "0s");
    let (before, rest) = whole
        .split_once("  # The two figures of those")
        .expect("the join");
    let (_, after) = rest.split_once("    mode: append\n").expect("its end");
    let (sinks, more) = after.split_once("  fast:\n").expect("its sink");
    let (_, others) = more
        .split_once("  distance-correlation:\n")
        .expect("the next");
    let site = Site {
        deployer: Deployer::new(&format!("{before}{sinks}  distance-correlation:\n{others}")),
        patience: Duration::from_mins(10),
    };
    let deployer = &site.deployer;
    deployer.run(&["up", "--yes"]).code(0);
    let events = site.events(1_000_000);
    go_on(&events);
    site.await_read(1_000_000, &events);
    assert_eq!(events.len(), 1_000_000);
    site.figures(1_000_000, &events);
    for (sink, column) in [("distance-correlation", 0), ("speed-correlation", 1)] {
        site.correlations(sink, &events, column);
    }
    let first = events
        .values()
        .map(|event| event.at)
        .min()
        .expect("an event");
    for (sink, topic) in [("trucks", "trucks"), ("figures", "truck-figures")] {
        let files = site.files(sink, topic);
        let last = site.on("vm2", &format!("stat -c %Y.%y {files} | sort | tail -n 1"));
        let (last, _) = last.split_once('.').expect("seconds");
        let last: i64 = last.parse().expect("a number");
        let took = last - first.as_second();
        say(&format!(
            "{sink}: 1,000,000 lines, the last one {took} s after the first event"
        ));
    }
    well(deployer);
    deployer.teardown();
}

/// An event of a truck, as its row has it.
struct Event {
    at: Timestamp,
    distance: f64,
    speed: f64,
    fuel: f64,
    /// How often Kafka has it: a killed producer may have sent it twice.
    times: usize,
}

/// By their ids: client, run and sequence.
type Events = BTreeMap<String, Event>;

fn client(id: &str) -> &str {
    &id[.."vm1-1".len()]
}

/// How many events each run has. Of a truck there is one, and its events are those from the first on.
fn runs(events: &Events) -> BTreeMap<&str, usize> {
    let mut runs = BTreeMap::new();
    for id in events.keys() {
        let (run, _) = id.rsplit_once('-').expect("a sequence");
        *runs.entry(run).or_default() += 1;
    }
    assert!(runs.keys().map(|run| client(run)).eq(TRUCKS), "{runs:?}");
    runs
}

/// None of them is missing; distance and fuel only grow.
fn go_on(events: &Events) {
    for run in runs(events).into_keys() {
        let (mut last, mut next) = ((0.0, 0.0), None);
        for (id, event) in events.iter().filter(|(id, _)| id.starts_with(run)) {
            let (_, sequence) = id.rsplit_once('-').expect("a sequence");
            let sequence: u64 = sequence.parse().expect("a number");
            assert_eq!(sequence, next.unwrap_or(sequence), "{id}");
            assert!(event.distance > last.0 && event.fuel > last.1, "{id}");
            (last, next) = ((event.distance, event.fuel), Some(sequence + 1));
        }
    }
}

/// The deployment, and what is there of its events.
struct Site {
    deployer: Deployer,
    patience: Duration,
}

impl Site {
    fn on(&self, node: &str, script: &str) -> String {
        self.deployer.on(node, &["sh", "-c", script])
    }

    fn files(&self, sink: &str, topic: &str) -> String {
        let name = &self.deployer.name;
        format!("/var/lib/deployer/{name}/consumer/{sink}/{topic}/2*")
    }

    /// Kills a producer in the midst of its events: it begins again by itself.
    fn kill_producer(&self, node: &str) {
        let process = || units(&self.deployer)[&format!("{node} producer")].pid;
        let (before, unit) = (process(), self.producer());
        self.on(node, &format!("systemctl kill --signal=KILL {unit}"));
        within(self.patience, "the producer runs again", || {
            let now = process();
            let again = now != 0 && now != before;
            again.then_some(()).ok_or_else(|| format!("process {now}"))
        });
    }

    /// Ends the producers, which would go on for ever.
    fn stop_producers(&self) {
        for node in TRUCKS {
            self.on(node, &format!("systemctl stop {}", self.producer()));
        }
    }

    fn producer(&self) -> String {
        format!("{}-producer.service", self.deployer.name)
    }

    /// How many events a topic has.
    fn sent(&self, topic: &str) -> usize {
        let status = self.deployer.run(&["status", "--json"]).json();
        let events = status["topics"][topic]["events"].as_u64().unwrap_or(0);
        usize::try_from(events).expect("a count")
    }

    fn await_events(&self, topic: &str, count: usize) {
        within(self.patience, &format!("{count} events"), || {
            let sent = self.sent(topic);
            (sent >= count)
                .then_some(())
                .ok_or_else(|| format!("{sent} events"))
        });
    }

    /// The rows of a sink once there are so many, without the names of the columns, with which each file begins.
    fn rows(&self, sink: &str, topic: &str, count: usize) -> Vec<Vec<String>> {
        let script = format!("cat {} 2>/dev/null | grep '^vm1'", self.files(sink, topic));
        within(self.patience, &format!("{count} rows in {sink}"), || {
            let said = self.on("vm2", &format!("{script} | wc -l"));
            let lines: usize = said.trim().parse().expect("a number");
            (lines >= count).then_some(()).ok_or(said)
        });
        let text = self.on("vm2", &script);
        let row = |line: &str| line.split(',').map(str::to_owned).collect();
        text.lines().map(row).collect()
    }

    /// Waits until each of so many records has its row.
    fn events(&self, records: usize) -> Events {
        let rows = self.rows("trucks", "trucks", records);
        assert_eq!(rows.len(), records);
        let mut events = Events::new();
        for row in rows {
            let [distance, speed, fuel] = [2, 3, 4].map(|column| number(&row[column]));
            let at = row[1].parse().expect("a moment");
            let event = events.entry(row[0].clone()).or_insert(Event {
                at,
                distance,
                speed,
                fuel,
                times: 0,
            });
            event.times += 1;
        }
        events
    }

    /// Waits until all records are read: of each partition those of its truck.
    fn await_read(&self, records: usize, events: &Events) {
        let state = format!(
            "cat /var/lib/deployer/{}/spark/state.json",
            self.deployer.name
        );
        within(self.patience, "the events are read", || {
            let state: Value = serde_json::from_str(&self.on("vm3", &state)).expect("JSON");
            let read = &state["streams"]["truck-figures"]["read"];
            let read = ["0", "1"].map(|partition| read[partition].as_u64().unwrap_or(0));
            let mut each = read.into_iter().zip(runs(events).into_values());
            let is_read = each.all(|(read, count)| read >= count as u64)
                && read.into_iter().sum::<u64>() == records as u64;
            is_read.then_some(()).ok_or_else(|| state.to_string())
        });
    }

    /// What was computed of each event, against what it is by its row.
    fn figures(&self, records: usize, events: &Events) {
        let rows = self.rows("figures", "truck-figures", records);
        assert_eq!(rows.len(), records);
        let mut seen = BTreeSet::new();
        for row in rows {
            let event = &events[&row[0]];
            assert_eq!(
                row[1].parse::<Timestamp>().expect("a moment"),
                event.at,
                "{row:?}"
            );
            let found: Vec<f64> = row[2..].iter().map(|text| number(text)).collect();
            let own = [event.distance, event.speed, event.fuel];
            let made = [event.speed * 1.2, event.distance / event.speed];
            same(&found, &[&own[..], &made].concat(), &row);
            seen.insert(row[0].clone());
        }
        assert_eq!(seen.len(), events.len());
    }

    /// The events that the join gives are those of more than 80 km/h, each with its own figures.
    fn fast(&self, events: &Events) {
        let fast = events.iter().filter(|(_, event)| event.speed > 80.0);
        let fast: BTreeSet<&String> = fast.map(|(id, _)| id).collect();
        let rows = within(self.patience, "all fast ones", || {
            let rows = self.rows("fast", "truck-fast", fast.len());
            let found: BTreeSet<&String> = rows.iter().map(|row| &row[0]).collect();
            let (there, all) = (found.len(), found == fast);
            all.then_some(rows).ok_or(format!("{there} events"))
        });
        for row in &rows {
            let event = &events[&row[0]];
            assert_eq!(
                row[1].parse::<Timestamp>().expect("a moment"),
                event.at,
                "{row:?}"
            );
            let found = [number(&row[2]), number(&row[3])];
            same(
                &found,
                &[event.speed * 1.2, event.distance / event.speed],
                row,
            );
        }
    }

    /// The last row of each truck's minute, against what its events give.
    fn correlations(&self, sink: &str, events: &Events, column: usize) {
        let runs = runs(events).into_keys();
        let began: BTreeMap<&str, Timestamp> = runs.map(|run| (client(run), began(run))).collect();
        let mut minutes: BTreeMap<(&str, i64), Vec<[f64; 3]>> = BTreeMap::new();
        for (id, event) in events {
            let minute = event.at.as_second().div_euclid(60) * 60;
            let of_minute = minutes.entry((client(id), minute)).or_default();
            let figures = [event.distance, event.speed, event.fuel];
            of_minute.extend(std::iter::repeat_n(figures, event.times));
        }
        let wanted = minutes.into_iter().map(|((client, minute), all)| {
            let of = |column: usize| -> Vec<f64> { all.iter().map(|one| one[column]).collect() };
            let (values, fuel) = (of(column), of(2));
            let elapsed = minute + 60 - began[client].as_second();
            #[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
            let row = [mean(&values), elapsed as f64, pearson(&values, &fuel)];
            ((client.to_owned(), minute), row)
        });
        let wanted: BTreeMap<(String, i64), [f64; 3]> = wanted.collect();
        within(self.patience, &format!("{sink} is as computed"), || {
            let mut found = BTreeMap::new();
            for row in self.rows(sink, "truck-correlations", wanted.len()) {
                let Some(Ok(minute)) = row.get(1).map(|minute| minute.parse::<Timestamp>()) else {
                    continue;
                };
                let minute = minute.as_second();
                // There is no correlation of a single event, and the last line may be half written.
                let figure = |column: usize| row.get(column)?.parse().ok();
                let figures = [2, 3, 4].map(|column| figure(column).unwrap_or(f64::NAN));
                found.insert((row[0].clone(), minute), figures);
            }
            let near = |(one, other): (&f64, &f64)| {
                (one - other).abs() <= 1e-6 * one.abs().max(1.0) || (one.is_nan() && other.is_nan())
            };
            let all = found.keys().eq(wanted.keys())
                && found
                    .iter()
                    .all(|(key, row)| row.iter().zip(&wanted[key]).all(near));
            all.then_some(())
                .ok_or_else(|| format!("{found:?} is not {wanted:?}"))
        });
    }
}

fn number(text: &str) -> f64 {
    text.parse()
        .unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn same(found: &[f64], wanted: &[f64], row: &[String]) {
    let bits = |all: &[f64]| all.iter().map(|one| one.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(found), bits(wanted), "{row:?}: {wanted:?}");
}

/// When a run began: its id, behind its client, begins with that.
fn began(run: &str) -> Timestamp {
    let id = &run[client(run).len() + 1..];
    id[.."20261121T083400Z".len()].parse().expect("a moment")
}

#[expect(clippy::cast_precision_loss, reason = "events of a minute")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Pearson's correlation; none of a single pair.
fn pearson(one: &[f64], other: &[f64]) -> f64 {
    let (mean_one, mean_other) = (mean(one), mean(other));
    let pairs = one
        .iter()
        .zip(other)
        .map(|(one, other)| (one - mean_one, other - mean_other));
    let sums = pairs.fold((0.0, 0.0, 0.0), |sums, (one, other)| {
        (
            sums.0 + one * other,
            sums.1 + one * one,
            sums.2 + other * other,
        )
    });
    sums.0 / (sums.1 * sums.2).sqrt()
}
