//! The way of events through an inventory: from sources by topics and streams to sinks. Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::component::{self, Flow, Stop};
use crate::topology::Topology;

/// All flows, each behind those that lead to it.
pub fn flows(topology: &Topology) -> Vec<Flow> {
    let all = component::ALL.iter();
    let all = all.flat_map(|component| component.flows(topology));
    let mut left: BTreeSet<Flow> = all.collect();
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let reached: BTreeSet<&Stop> = left.iter().map(|flow| &flow.to).collect();
        let begin = left.iter().filter(|flow| !reached.contains(&flow.from));
        let mut begin: Vec<Flow> = begin.cloned().collect();
        if begin.is_empty() {
            // No good inventory has a circle.
            begin = left.iter().cloned().collect();
        }
        left.retain(|flow| !begin.contains(flow));
        ordered.append(&mut begin);
    }
    ordered
}

/// A line for each flow.
pub fn text(flows: &[Flow]) -> String {
    let line = |flow: &Flow| format!("{} → {}\n", words(&flow.from), words(&flow.to));
    flows.iter().map(line).collect()
}

/// The same as a drawing of Mermaid's.
pub fn mermaid(flows: &[Flow]) -> String {
    let stops = flows.iter().flat_map(|flow| [&flow.from, &flow.to]);
    let stops: BTreeSet<&Stop> = stops.collect();
    let stops: Vec<&Stop> = stops.into_iter().collect();
    let mut text = String::from("flowchart LR\n");
    for (number, stop) in stops.iter().enumerate() {
        // Each kind has a form.
        let (begin, name, end) = match stop {
            Stop::Source(name) => ("([", name, "])"),
            Stop::Topic(name) => ("[[", name, "]]"),
            Stop::Stream(name) => ("{{", name, "}}"),
            Stop::Sink(name) => ("[(", name, ")]"),
        };
        let name = name.replace('"', "#quot;");
        let _ = writeln!(text, "  n{number}{begin}\"{name}\"{end}");
    }
    let number = |stop: &Stop| stops.iter().position(|other| *other == stop);
    for flow in flows {
        if let (Some(from), Some(to)) = (number(&flow.from), number(&flow.to)) {
            let _ = writeln!(text, "  n{from} --> n{to}");
        }
    }
    text
}

fn words(stop: &Stop) -> String {
    match stop {
        Stop::Source(name) => format!("source {name}"),
        Stop::Topic(name) => format!("topic {name}"),
        Stop::Stream(name) => format!("stream {name}"),
        Stop::Sink(name) => format!("sink {name}"),
    }
}
