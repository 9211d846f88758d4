//! Trucks, by the inventory that is built in: each event is a row of CSV and of MariaDB, and what the streams make of them is what is
//! computed here from these rows.

mod events;
mod site;

use std::time::Duration;

use deployer::inventory::BUILT_IN;

use self::events::go_on;
use self::site::Site;
use crate::deployer_command::{Deployer, say, subtest};
use crate::support::may_run;
use crate::watch::well;

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
        (
            "vm3: { roles: [kafka, mariadb] }",
            "vm3: { roles: [kafka, mariadb, spark] }",
        ),
        ("  vm4: { roles: [spark] }\n", ""),
        ("memory_mib: 2048", "memory_mib: 2304"),
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
    subtest("each event is one row of MariaDB", || site.table(&events));
    subtest("each has its figures", || site.figures(records, &events));
    subtest("the fast ones are joined by event and time", || {
        site.fast(&events);
    });
    subtest("columns go with the fuel as is computed here", || {
        site.both_correlations(&events);
    });
    deployer.teardown();
}

/// With agents that are not built for release (`cargo test --release`) its figures are mostly what these take.
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
    let (_, others) = more.split_once("  # What is no event").expect("the next");
    let site = Site {
        deployer: Deployer::new(&format!("{before}{sinks}  # What is no event{others}")),
        patience: Duration::from_mins(10),
    };
    let deployer = &site.deployer;
    deployer.run(&["up", "--yes"]).code(0);
    for (sink, topic) in [("trucks", "trucks"), ("figures", "truck-figures")] {
        site.await_lines(sink, topic, 1_000_000);
    }
    let events = site.events(1_000_000);
    go_on(&events);
    site.await_read(1_000_000, &events);
    assert_eq!(events.len(), 1_000_000);
    site.table(&events);
    site.figures(1_000_000, &events);
    site.both_correlations(&events);
    let first = events
        .values()
        .map(|event| event.at)
        .min()
        .expect("an event");
    let took = |what: &str, last: i64| {
        let took = last - first.as_second();
        say(&format!(
            "{what}: 1,000,000, the last one {took} s after the first event"
        ));
    };
    took("rows of MariaDB", site.changed("TRUCK_PARAMETER_MAP"));
    for (sink, topic) in [("trucks", "trucks"), ("figures", "truck-figures")] {
        took(&format!("lines of {sink}"), site.written(sink, topic));
    }
    well(deployer);
    deployer.teardown();
}
