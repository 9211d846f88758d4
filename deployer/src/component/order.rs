//! In which order components start and stop, computed from what each of them needs.

use std::collections::BTreeMap;

use super::{ALL, Component, Restart};

/// Components that start, or stop, at the same time.
pub type Together = Vec<&'static dyn Component>;

/// The order in which all start: each after those that it needs and those that it follows. What restarts node by node has a
/// place of its own.
pub fn starts() -> Vec<Together> {
    let mut places: BTreeMap<(usize, bool), Together> = BTreeMap::new();
    for component in ALL {
        let depth = depth(*component, &|one| [one.needs(), one.follows()].concat());
        let alone = component.restart() == Restart::OneByOne;
        places.entry((depth, alone)).or_default().push(*component);
    }
    places.into_values().collect()
}

/// The order in which all stop: each before those that it needs.
pub fn stops() -> Vec<Together> {
    let mut places: BTreeMap<usize, Together> = BTreeMap::new();
    for component in ALL {
        let depth = depth(*component, &|one| one.needs().to_vec());
        places.entry(depth).or_default().push(*component);
    }
    places.into_values().rev().collect()
}

/// How many others come before one, one after the other.
fn depth(
    component: &'static dyn Component,
    before: &dyn Fn(&'static dyn Component) -> Vec<&'static str>,
) -> usize {
    let names = before(component);
    let others = ALL.iter().filter(|other| names.contains(&other.name()));
    let depths = others.map(|other| depth(*other, before) + 1);
    depths.max().unwrap_or(0)
}

/// The names of components, as a stage is called.
pub fn words<'a>(components: impl IntoIterator<Item = &'a &'static dyn Component>) -> String {
    let names: Vec<&str> = components
        .into_iter()
        .map(|component| component.name())
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{starts, stops, words};
    use crate::component::ALL;

    /// A component whose needs were forgotten, or form a circle, is seen here.
    #[test]
    fn each_component_starts_and_stops_once_in_the_order_of_needs() {
        let names =
            |order: Vec<super::Together>| -> Vec<String> { order.iter().map(words).collect() };
        assert_eq!(
            names(starts()),
            [
                "zookeeper, couchdb, mariadb, phpmyadmin, node-exporter",
                "kafka",
                "consumer, spark, program",
                "producer"
            ]
        );
        assert_eq!(
            names(stops()),
            [
                "consumer, spark, producer, program",
                "kafka",
                "zookeeper, couchdb, mariadb, phpmyadmin, node-exporter"
            ]
        );
        for component in ALL {
            for name in component.needs().iter().chain(component.follows()) {
                let known = ALL.iter().any(|other| other.name() == *name);
                assert!(known, "{} names {name}", component.name());
            }
            let mut all = starts().into_iter().flatten();
            assert!(all.any(|other| other.name() == component.name()));
        }
    }
}
