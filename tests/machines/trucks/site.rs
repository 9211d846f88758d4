//! A deployment of trucks, and what is there of their events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::TRUCKS;
use super::events::{Event, Events, correlations, number, runs, same};
use crate::deployer_command::Deployer;
use crate::support::within;
use crate::watch::units;

/// The deployment, and what is there of its events.
pub(super) struct Site {
    pub(super) deployer: Deployer,
    pub(super) patience: Duration,
}

impl Site {
    pub(super) fn on(&self, node: &str, script: &str) -> String {
        self.deployer.on(node, &["sh", "-c", script])
    }

    pub(super) fn files(&self, sink: &str, topic: &str) -> String {
        let name = &self.deployer.name;
        format!("/var/lib/deployer/{name}/consumer/{sink}/{topic}/2*")
    }

    /// Kills a producer in the midst of its events: it begins again by itself.
    pub(super) fn kill_producer(&self, node: &str) {
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
    pub(super) fn stop_producers(&self) {
        for node in TRUCKS {
            self.on(node, &format!("systemctl stop {}", self.producer()));
        }
    }

    fn producer(&self) -> String {
        format!("{}-producer.service", self.deployer.name)
    }

    /// How many events a topic has.
    pub(super) fn sent(&self, topic: &str) -> usize {
        let status = self.deployer.run(&["status", "--json"]).json();
        let events = status["topics"][topic]["events"].as_u64().unwrap_or(0);
        usize::try_from(events).expect("a count")
    }

    pub(super) fn await_events(&self, topic: &str, count: usize) {
        within(self.patience, &format!("{count} events"), || {
            let sent = self.sent(topic);
            (sent >= count)
                .then_some(())
                .ok_or_else(|| format!("{sent} events"))
        });
    }

    /// Waits until a sink has so many lines, looked at where they are and seldom: that costs little.
    pub(super) fn await_lines(&self, sink: &str, topic: &str, count: usize) {
        let lines = format!("cat {} 2>/dev/null | wc -l", self.files(sink, topic));
        // A minute at a time: no command of a test may take longer than some.
        let script = format!(
            "for second in $(seq 60); do [ $({lines}) -ge {count} ] && break; sleep 1; done; {lines}"
        );
        within(self.patience, &format!("{count} lines in {sink}"), || {
            let said = self.on("vm2", &script);
            let lines: usize = said.trim().parse().expect("a number");
            (lines >= count).then_some(()).ok_or(said)
        });
    }

    /// When the last line of a sink was written, in seconds.
    pub(super) fn written(&self, sink: &str, topic: &str) -> i64 {
        let script = format!(
            "stat -c %Y {} | sort -n | tail -n 1",
            self.files(sink, topic)
        );
        seconds(&self.on("vm2", &script))
    }

    /// When the last row of a table was written, in seconds.
    pub(super) fn changed(&self, table: &str) -> i64 {
        let changed = "SELECT UNIX_TIMESTAMP(update_time) FROM information_schema.tables";
        let rows = self.ask(&format!("{changed} WHERE table_name = \"{table}\""));
        seconds(&rows[0][0])
    }

    /// The rows of a sink once there are so many, without the names of the columns, with which each file begins.
    pub(super) fn rows(&self, sink: &str, topic: &str, count: usize) -> Vec<Vec<String>> {
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
    pub(super) fn events(&self, records: usize) -> Events {
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
    pub(super) fn await_read(&self, records: usize, events: &Events) {
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
    pub(super) fn figures(&self, records: usize, events: &Events) {
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
    pub(super) fn fast(&self, events: &Events) {
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

    /// What Debian's client of MariaDB says to a question, as root of its node: rows of values.
    pub(super) fn ask(&self, question: &str) -> Vec<Vec<String>> {
        let data = format!("/var/lib/deployer/{}/mariadb", self.deployer.name);
        let client = format!("mariadb --no-defaults --socket={data}/mariadb.sock events -N -B");
        let text = self.on("vm3", &format!("{client} -e '{question}'"));
        let row = |line: &str| line.split('\t').map(str::to_owned).collect();
        text.lines().map(row).collect()
    }

    /// Waits until each event is a row of the table, as it is in CSV.
    pub(super) fn table(&self, events: &Events) {
        let counted = "SELECT COUNT(*) FROM TRUCK_PARAMETER_MAP";
        within(self.patience, "all rows of the table", || {
            let there = self.ask(counted).concat().concat();
            let all = there == events.len().to_string();
            all.then_some(()).ok_or(there)
        });
        let columns = "id, timestamp, distance_covered, engine_speed, fuel_consumed";
        let rows = self.ask(&format!("SELECT {columns} FROM TRUCK_PARAMETER_MAP"));
        let ids: BTreeSet<&String> = rows.iter().map(|row| &row[0]).collect();
        assert_eq!(rows.len(), events.len());
        assert!(ids.into_iter().eq(events.keys()));
        for row in &rows {
            let event = &events[&row[0]];
            assert_eq!(moment(&row[1]), event.at, "{row:?}");
            let found: Vec<f64> = row[2..].iter().map(|text| number(text)).collect();
            same(&found, &[event.distance, event.speed, event.fuel], row);
        }
    }

    /// How distance and speed go with the fuel.
    pub(super) fn both_correlations(&self, events: &Events) {
        self.correlations("TRUCK_DISTANCE_CORRELATION", events, |event| event.distance);
        self.correlations("TRUCK_ENGINE_SPEED_CORRELATION", events, |event| {
            event.speed
        });
    }

    /// The row of each truck's minute, against what its events give.
    fn correlations(&self, table: &str, events: &Events, column: fn(&Event) -> f64) {
        let wanted = correlations(events, column);
        let columns = "client, minute, value, time_elapsed, correlation";
        let question = format!("SELECT {columns} FROM {table}");
        within(self.patience, &format!("{table} is as computed"), || {
            let rows = self.ask(&question).into_iter().map(|row| {
                // There is no correlation of a single event.
                let figures = [2, 3, 4].map(|column| row[column].parse().unwrap_or(f64::NAN));
                ((row[0].clone(), moment(&row[1]).as_second()), figures)
            });
            let found: BTreeMap<(String, i64), [f64; 3]> = rows.collect();
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

fn seconds(text: &str) -> i64 {
    text.trim().parse().expect("seconds")
}

/// A moment of the table, in UTC.
fn moment(text: &str) -> Timestamp {
    format!("{text}Z").parse().expect("a moment")
}
