//! How far senders are, and waiting for them to finish, with progress.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use crate::component::pipeline::{self, MOVER, SENDER};
use crate::contract::SenderState;
use crate::error::CommandError;
use crate::facts::Query;
use crate::inspect::Inspect;
use crate::reach::connections::Connections;
use crate::receipt::Secrets;
use crate::report::{Event, Reporter, StepOutcome};
use crate::retry::Retry;
use crate::run::Executor as _;
use crate::topology::Topology;

/// Without any progress for this long, waiting ends with an error.
const STALL: Duration = Duration::from_mins(2);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Refuses to wait for clients that never end.
pub fn require_end(topology: &Topology, clients: &[&str]) -> Result<(), CommandError> {
    let endless = |client: &&&str| {
        let node = topology.nodes.get(**client);
        node.is_some_and(pipeline::sends_for_ever)
    };
    let endless: Vec<&str> = clients.iter().filter(endless).copied().collect();
    if endless.is_empty() {
        return Ok(());
    }
    let names = endless.join(", ");
    Err(CommandError::usage(format!(
        "--wait: {names} sends events for ever (`count: 0`, or by a schedule), so there is no end to wait for; nothing was started"
    ))
    .hint(format!(
        "leave --wait out (deployer status says how far it is), or give `{}:` a `count`",
        SENDER.name()
    )))
}

/// Waits until these clients have sent all their events and all there was is stored.
pub async fn until_stored(
    connections: &Connections,
    topology: &Topology,
    secrets: &Secrets,
    clients: &[&str],
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    let started = Instant::now();
    let mut last = BTreeMap::new();
    let still = || Retry::every(PAUSE).within(STALL);
    let mut retry = still();
    loop {
        let mut now = BTreeMap::new();
        let mut open = Vec::new();
        for client in clients {
            let state = state(connections, topology, client).await?;
            if state.count == 0 && state.produced > 0 {
                continue; // for ever: nothing to wait for
            }
            if !state.finished {
                open.push(format!("{client} {}/{}", state.acked, state.count));
            }
            let acked = Some(i64::try_from(state.acked).unwrap_or(i64::MAX));
            if last.get(*client) != Some(&acked) {
                reporter.event(&Event::StepOutput {
                    node: Some((*client).into()),
                    line: format!("{}/{}", state.acked, state.count),
                });
            }
            now.insert((*client).to_owned(), acked);
        }
        if open.is_empty() {
            let unstored = unstored(connections, topology, secrets).await?;
            if unstored.values().all(|events| *events == Some(0)) {
                let words = "all events are stored".into();
                let (outcome, took) = (StepOutcome::Done, started.elapsed());
                reporter.event(&Event::StepFinished {
                    node: None,
                    words,
                    outcome,
                    took,
                });
                return Ok(());
            }
            let behind = unstored.iter().filter(|(_, events)| **events != Some(0));
            open.extend(behind.map(|(way, events)| match events {
                Some(events) => format!("{way}: {events} not stored"),
                None => format!("{way}: how many are not stored is not known"),
            }));
            now.extend(unstored);
        }
        if now != last {
            last = now;
            retry = still();
        } else if retry.is_over() {
            let seconds = STALL.as_secs();
            return Err(CommandError::failed(format!(
                "no progress for {seconds} s: {}",
                open.join(", ")
            ))
            .hint("deployer status shows which part is not well"));
        }
        retry.pause().await;
    }
}

/// Where events go → those that are not stored there yet; `None`: that is not known.
async fn unstored(
    connections: &Connections,
    topology: &Topology,
    secrets: &Secrets,
) -> Result<BTreeMap<String, Option<i64>>, CommandError> {
    let tool = pipeline::operator_tool(topology, secrets);
    let (Some(tool), Some(node)) = (tool, pipeline::node(topology)) else {
        return Ok(BTreeMap::new());
    };
    let query = Query {
        pipeline: Some(tool),
        deployment: topology.name.clone(),
        ..Query::default()
    };
    let facts = connections.executor().ask(&node.name, &query).await?;
    let inspect: Inspect = match facts.pipeline {
        Some(value) => serde_json::from_value(value)?,
        None => Inspect::default(),
    };
    Ok(lags(topology, &inspect))
}

/// What a report says of all ways to where events are stored, those of which it says nothing included.
fn lags(topology: &Topology, inspect: &Inspect) -> BTreeMap<String, Option<i64>> {
    let moved = topology.nodes_with(MOVER.name()).next().is_some();
    let documented = moved && pipeline::has_store(topology);
    let wanted = topology.topics.values();
    let wanted = wanted.filter(|topic| documented && topic.documented);
    let mut lags: BTreeMap<String, Option<i64>> =
        wanted.map(|topic| (topic.name.clone(), None)).collect();
    let to = |topic: &str, sink: &str| format!("{topic} to {sink}");
    let sinks = topology.sinks.iter();
    lags.extend(sinks.map(|(name, sink)| (to(&sink.from, name), None)));
    let topics = inspect.log.topics.iter();
    let topics = topics.map(|topic| (topic.name.clone(), topic.lag));
    let sinks = inspect.sinks.iter();
    let sinks = sinks.map(|sink| (to(&sink.topic, &sink.name), sink.lag));
    lags.extend(topics.chain(sinks).filter(|(_, lag)| lag.is_some()));
    lags
}

/// How far each sender is, in words: `12/100`.
pub async fn progress(
    connections: &Connections,
    topology: &Topology,
    clients: &[&str],
) -> Result<Vec<(String, String)>, CommandError> {
    let lines = clients.iter().map(async |client| {
        let state = state(connections, topology, client).await?;
        let of = if state.count == 0 {
            "∞".to_owned()
        } else {
            state.count.to_string()
        };
        Ok(((*client).to_owned(), format!("{}/{of}", state.acked)))
    });
    try_join_all(lines).await
}

async fn state(
    connections: &Connections,
    topology: &Topology,
    client: &str,
) -> Result<SenderState, CommandError> {
    let files = [(pipeline::state_file(topology), true)].into();
    let query = Query {
        files,
        deployment: topology.name.clone(),
        ..Query::default()
    };
    let facts = connections.executor().ask(client, &query).await?;
    Ok(pipeline::sender_state(topology, &facts).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{lags, require_end};
    use crate::inspect::{self, Inspect};
    use crate::topology::{Ids, Options, Topology};

    fn topology(count: u32, more: &str) -> Topology {
        let text = include_str!("../../../inventory/utilization.yaml");
        let text = text.replace("count: 100 ", &format!("count: {count} ")) + more;
        let inventory = crate::layout::parse(text.as_bytes(), "test").expect("an inventory");
        let made = Topology::new(&inventory, &Options::default(), &Ids::default());
        made.expect("a topology").0
    }

    #[test]
    fn nobody_waits_for_what_never_ends() {
        for (count, refused) in [(0, true), (5, false)] {
            let topology = topology(count, "");
            let clients: Vec<&str> = crate::component::pipeline::senders(&topology)
                .map(|node| node.name.as_str())
                .collect();
            assert!(!clients.is_empty());
            assert_eq!(
                require_end(&topology, &clients).is_err(),
                refused,
                "{count}"
            );
        }
    }

    #[test]
    fn what_is_not_known_is_not_stored() {
        let topology = topology(5, "sinks: { files: { from: utilizations1, files: {} } }\n");
        let way = "utilizations1 to files";
        let nothing = lags(&topology, &Inspect::default());
        assert_eq!(nothing.get(way), Some(&None));
        assert_eq!(nothing.get("deployer-canaries"), Some(&None));
        let topic = |name: &str, lag| inspect::Topic {
            name: name.into(),
            lag,
            ..inspect::Topic::default()
        };
        let mut report = Inspect::default();
        report.log.topics = vec![
            topic("deployer-canaries", Some(0)),
            topic("utilizations1", None),
        ];
        report.sinks = vec![inspect::Sink {
            name: "files".into(),
            topic: "utilizations1".into(),
            lag: Some(2),
            ..inspect::Sink::default()
        }];
        let told = lags(&topology, &report);
        let expected = [("deployer-canaries", Some(0)), (way, Some(2))];
        let expected = expected.map(|(way, lag)| (way.to_owned(), lag));
        assert_eq!(told, expected.into());
    }
}
