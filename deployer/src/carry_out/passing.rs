//! The proof of what reads the canaries beside the way to documents: each part of it has passed the last one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::component::{self, Behind, Component};
use crate::error::CommandError;
use crate::few::few;
use crate::host::{Command, Host, Input};
use crate::reach::connections::Connections;
use crate::report::{Event, Reporter, StepOutcome};
use crate::topology::{Node, Topology};

/// How long it may take, beside the time until it looks. It may have just been started.
const TIMEOUT: Duration = Duration::from_mins(2);
/// Who looks less often than this is waited for longer than anybody would expect.
const OFTEN: Duration = Duration::from_secs(30);
/// How long to wait before its state is read again.
const PAUSE: Duration = Duration::from_millis(250);
/// How long one reading may take.
const READING: Duration = Duration::from_secs(30);

/// What has passed the canaries, and what has not, in words.
#[derive(Default)]
pub(super) struct Passed {
    pub(super) by: Vec<String>,
    pub(super) behind: Vec<String>,
}

/// Waits for all that reads the canaries to pass one.
pub(super) async fn passed(
    connections: &Connections,
    topology: &Topology,
    canary: i64,
    reporter: &dyn Reporter,
) -> Result<Passed, CommandError> {
    let mut passed = Passed::default();
    for node in topology.nodes.values() {
        for component in component::of_node(node, topology) {
            let said_in = component.said_in(node, topology);
            if !said_in.is_empty()
                && let Some(all) = component.behind(topology, "", canary)
            {
                let seldom = all.values().map(|part| part.every).max();
                let seldom = seldom.unwrap_or_default();
                let all: Vec<String> = all.into_keys().collect();
                let mut words = format!("wait for {}", few(&all, 5));
                if seldom > OFTEN {
                    let _ = write!(words, ", which may take {} s to look", seldom.as_secs());
                }
                let awaited = Awaited {
                    timeout: TIMEOUT + seldom,
                    host: connections.host(&node.name)?,
                    topology,
                    component,
                    said_in,
                    canary,
                };
                let behind = awaited.aloud(node, &words, reporter).await?;
                let there = all.into_iter().filter(|part| !behind.contains_key(part));
                passed.by.extend(there);
                passed.behind.extend(behind.into_values());
            }
        }
    }
    Ok(passed)
}

/// What is waited for.
struct Awaited<'a> {
    timeout: Duration,
    host: &'a dyn Host,
    topology: &'a Topology,
    component: &'a dyn Component,
    said_in: Vec<String>,
    canary: i64,
}

impl Awaited<'_> {
    /// Waits, and says it; the parts that have not passed, in words. One that has much to read before and is on its way is noted, and
    /// is not among them.
    async fn aloud(
        &self,
        node: &Node,
        words: &str,
        reporter: &dyn Reporter,
    ) -> Result<BTreeMap<String, String>, CommandError> {
        let (node, words) = (Some(node.name.clone()), words.to_owned());
        reporter.event(&Event::StepStarted {
            node: node.clone(),
            words: words.clone(),
        });
        let started = Instant::now();
        let (first, last) = self.follow().await?;
        let mut behind = BTreeMap::new();
        for (part, Behind { how, done, .. }) in last {
            let said = format!("{part} {how}");
            let began = first.get(&part);
            if began.is_some_and(|began| done.is_some_and(|done| done > *began)) {
                reporter.event(&Event::Note(format!("{said}: it is on its way")));
            } else {
                behind.insert(part, said);
            }
        }
        let said: Vec<&str> = behind.values().map(String::as_str).collect();
        let outcome = if behind.is_empty() {
            StepOutcome::Done
        } else {
            StepOutcome::Failed(said.join("; "))
        };
        reporter.event(&Event::StepFinished {
            node,
            words,
            outcome,
            took: started.elapsed(),
        });
        Ok(behind)
    }

    /// How much each part had done when it first said so, and what is behind at the end.
    async fn follow(
        &self,
    ) -> Result<(BTreeMap<String, i64>, BTreeMap<String, Behind>), CommandError> {
        let deadline = Instant::now() + self.timeout;
        let command = Command {
            program: "cat".into(),
            arguments: self.said_in.clone(),
            input: Input::Nothing,
            timeout: READING,
            root: true,
        };
        let mut first = BTreeMap::new();
        loop {
            // Before its first word there is no file; of several those are shown that there are.
            let said = self.host.run(&command).await?.stdout;
            let said = String::from_utf8_lossy(&said);
            let behind = self.component.behind(self.topology, &said, self.canary);
            let behind = behind.unwrap_or_default();
            for (part, how) in &behind {
                if let Some(done) = how.done {
                    first.entry(part.clone()).or_insert(done);
                }
            }
            if behind.is_empty() || Instant::now() > deadline {
                return Ok((first, behind));
            }
            sleep(PAUSE).await;
        }
    }
}
