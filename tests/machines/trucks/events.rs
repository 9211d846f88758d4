//! Events of trucks, and what is computed of them here.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::TRUCKS;

/// An event of a truck, as its row has it.
pub(super) struct Event {
    pub(super) at: Timestamp,
    pub(super) distance: f64,
    pub(super) speed: f64,
    pub(super) fuel: f64,
    /// How often Kafka has it: a killed producer may have sent it twice.
    pub(super) times: usize,
}

/// By their ids: client, run and sequence.
pub(super) type Events = BTreeMap<String, Event>;

fn client(id: &str) -> &str {
    &id[.."vm1-1".len()]
}

/// How many events each run has. Of a truck there is one, and its events are those from the first on.
pub(super) fn runs(events: &Events) -> BTreeMap<&str, usize> {
    let mut runs = BTreeMap::new();
    for id in events.keys() {
        let (run, _) = id.rsplit_once('-').expect("a sequence");
        *runs.entry(run).or_default() += 1;
    }
    assert!(runs.keys().map(|run| client(run)).eq(TRUCKS), "{runs:?}");
    runs
}

/// None of them is missing; distance and fuel only grow.
pub(super) fn go_on(events: &Events) {
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

/// For each truck and minute: the mean of a column, the seconds from the run's beginning to the minute's end, and how the column
/// goes with the fuel.
pub(super) fn correlations(
    events: &Events,
    column: fn(&Event) -> f64,
) -> BTreeMap<(String, i64), [f64; 3]> {
    let runs = runs(events).into_keys();
    let began: BTreeMap<&str, Timestamp> = runs.map(|run| (client(run), began(run))).collect();
    let mut minutes: BTreeMap<(&str, i64), Vec<[f64; 2]>> = BTreeMap::new();
    for (id, event) in events {
        let minute = event.at.as_second().div_euclid(60) * 60;
        let of_minute = minutes.entry((client(id), minute)).or_default();
        let pair = [column(event), event.fuel];
        of_minute.extend(std::iter::repeat_n(pair, event.times));
    }
    let rows = minutes.into_iter().map(|((client, minute), all)| {
        let of = |place: usize| -> Vec<f64> { all.iter().map(|pair| pair[place]).collect() };
        let (values, fuel) = (of(0), of(1));
        let elapsed = minute + 60 - began[client].as_second();
        #[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
        let row = [mean(&values), elapsed as f64, pearson(&values, &fuel)];
        ((client.to_owned(), minute), row)
    });
    rows.collect()
}

pub(super) fn number(text: &str) -> f64 {
    text.parse()
        .unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

pub(super) fn same(found: &[f64], wanted: &[f64], row: &[String]) {
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
