//! The proof: numbered canaries go all the way from the senders to documents; none may be lost, none may be there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::{join, join_all};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::passing;
use crate::component::pipeline::{self, MOVER};
use crate::contract::{CanariesFound, CanariesKept, CanariesSent};
use crate::error::CommandError;
use crate::few::few;
use crate::host::{Command, Host, Input};
use crate::reach::connections::Connections;
use crate::report::{Event, Reporter, StepOutcome};
use crate::topology::{CANARY_TOPIC, Topology};

/// How long canaries may take, in seconds. Who moves them may have just been started and joins its group first.
const TIMEOUT_SECONDS: u64 = 60;

/// What the canaries proved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proof {
    /// Canaries sent.
    pub sent: u64,
    /// Acknowledged by all in-sync brokers.
    pub acked: u64,
    /// What became of them as documents; `None`: the deployment stores none.
    pub documents: Option<CanariesFound>,
    /// What became of them in sinks that have a place for them, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sinks: BTreeMap<String, CanariesKept>,
    /// What has passed them beside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passed_by: Vec<String>,
    /// What no canary passes, and was seen at work.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seen_at_work: Vec<String>,
}

impl Proof {
    /// In one line.
    pub fn words(&self) -> String {
        let passed = match &self.passed_by[..] {
            [] => String::new(),
            by => format!("; passed by {}", by.join(", ")),
        };
        let seen = match &self.seen_at_work[..] {
            [] => String::new(),
            seen => format!(
                "; seen at work, as far as can be told from outside: {}",
                seen.join(", ")
            ),
        };
        let kept: String = self.sinks.iter().map(kept_words).collect();
        format!("{}{kept}{passed}{seen}", self.of_documents())
    }

    fn of_documents(&self) -> String {
        match &self.documents {
            Some(found) => {
                let mut words = format!("{} canaries sent, ", self.sent);
                if self.acked < self.sent {
                    let _ = write!(
                        words,
                        "{} acknowledged by all in-sync brokers, ",
                        self.acked
                    );
                }
                let _ = write!(
                    words,
                    "{} are documents, {} twice",
                    found.found, found.duplicates
                );
                // Without figures all documents were there before anybody looked.
                if let (Some(half), Some(most)) = (found.p50_ms, found.p99_ms) {
                    let _ = write!(
                        words,
                        "; half within {half:.0} ms, 99 of 100 within {most:.0} ms"
                    );
                }
                words
            }
            None => format!(
                "{} canaries sent, {} acknowledged by all in-sync brokers; no documents are made here",
                self.sent, self.acked
            ),
        }
    }

    fn holds(&self) -> bool {
        self.acked == self.sent
            && self
                .documents
                .as_ref()
                .is_none_or(|found| found.found == found.expected && found.duplicates == 0)
            && self
                .sinks
                .values()
                .all(|kept| kept.found == kept.expected && kept.duplicates == 0)
    }

    /// Those that did not arrive somewhere.
    fn missing(&self) -> Vec<String> {
        let documents = self.documents.iter().flat_map(|found| &found.missing);
        let kept = self.sinks.values().flat_map(|kept| &kept.missing);
        let missing: BTreeSet<&String> = documents.chain(kept).collect();
        missing.into_iter().cloned().collect()
    }
}

/// What became of canaries in a sink, as a part of a line.
fn kept_words((name, kept): (&String, &CanariesKept)) -> String {
    format!(
        "; {} came to the sink {name}, {} twice",
        kept.found, kept.duplicates
    )
}

/// Sends `count` canaries from each sender and waits for their documents. Changes nothing else.
///
/// `Ok(None)`: there are no brokers, so there is nothing to prove.
pub async fn prove(
    connections: &Connections,
    topology: &Topology,
    count: u32,
    reporter: &dyn Reporter,
) -> Result<Option<Proof>, CommandError> {
    let Some(pipeline_node) = pipeline::node(topology) else {
        return Ok(None);
    };
    let tools = pipeline::senders_tools(topology);
    let senders: Vec<&str> = tools.keys().map(String::as_str).collect();
    let run = format!("canary-{:012x}", rand::random::<u64>() & 0xffff_ffff_ffff);
    let run = run.as_str();
    let started = std::time::Instant::now();
    let words = format!("send {count} canaries from {}", senders.join(", "));
    reporter.event(&Event::StepStarted {
        node: None,
        words: words.clone(),
    });

    let sending = join_all(tools.iter().map(|(sender, tool)| async move {
        let host = connections.host(sender)?;
        let (count, timeout) = (count.to_string(), TIMEOUT_SECONDS.to_string());
        let arguments = tool.arguments([
            "canaries",
            "--run",
            run,
            "--count",
            &count,
            "--topic",
            CANARY_TOPIC,
            "--timeout",
            &timeout,
        ]);
        json::<CanariesSent>(sender, host, tool.program.clone(), arguments).await
    }));
    let has_store = pipeline::has_store(topology);
    let moved = topology.nodes_with(MOVER.name()).next().is_some();
    let stored = moved && (has_store || pipeline::take_canaries(topology));
    let awaiting = async {
        let Some(tool) = pipeline::tool(topology).filter(|_| stored) else {
            return Ok(None);
        };
        let host = connections.host(&pipeline_node.name)?;
        let (senders, count) = (senders.join(","), count.to_string());
        let timeout = TIMEOUT_SECONDS.to_string();
        let arguments = tool.arguments([
            "await-canaries",
            "--run",
            run,
            "--clients",
            &senders,
            "--count",
            &count,
            "--timeout",
            &timeout,
        ]);
        json::<CanariesFound>(&pipeline_node.name, host, tool.program, arguments)
            .await
            .map(Some)
    };
    let (sent, documents) = join(sending, awaiting).await;
    // One that cannot send hides nothing of what the others show.
    let mut others: Vec<String> = Vec::new();
    let mut sums = (0, 0);
    let mut newest: Option<i64> = None;
    for sent in sent {
        match sent {
            Ok((sent, said)) => {
                sums = (sums.0 + sent.sent, sums.1 + sent.acked);
                newest = newest.max(sent.newest);
                others.extend(said);
            }
            Err(error) => others.push(error.cause.to_string()),
        }
    }
    let mut sinks = BTreeMap::new();
    let documents = match documents {
        Ok(Some((mut found, said))) => {
            others.extend(said);
            sinks = std::mem::take(&mut found.sinks);
            Some(found).filter(|_| has_store)
        }
        Ok(None) => None,
        Err(error) => {
            others.push(error.cause.to_string());
            None
        }
    };
    let (mut passed_by, mut seen_at_work) = (Vec::new(), Vec::new());
    if let Some(newest) = newest.filter(|_| others.is_empty()) {
        let passed = passing::passed(connections, topology, newest, reporter).await?;
        passed_by = passed.by;
        seen_at_work = passed.seen;
        others.extend(passed.behind);
    }
    let proof = Proof {
        sent: sums.0,
        acked: sums.1,
        documents,
        sinks,
        passed_by,
        seen_at_work,
    };
    let holds = others.is_empty() && proof.holds();
    let outcome = if holds {
        StepOutcome::Done
    } else {
        StepOutcome::Failed(proof.words())
    };
    reporter.event(&Event::StepFinished {
        node: None,
        words,
        outcome,
        took: started.elapsed(),
    });
    if holds {
        return Ok(Some(proof));
    }
    let missing = match few(&proof.missing(), 5) {
        none if none.is_empty() => none,
        missing => format!("; missing: {missing}"),
    };
    let others: String = others.iter().map(|said| format!("\n    {said}")).collect();
    Err(CommandError::failed(format!(
        "the pipeline does not hold: {}{missing}{others}",
        proof.words()
    ))
    .hint("deployer status shows which part is not well")
    .hint(format!(
        "deployer logs {} shows why documents are not stored",
        MOVER.name()
    )))
}

/// The most lines that are shown of what a subcommand said beside its document.
const SAID: usize = 20;

/// Runs one of the agents' subcommands, which print one JSON document whether all went well or not; with it comes what one
/// that did not go well said.
async fn json<T: DeserializeOwned>(
    node: &str,
    host: &dyn Host,
    program: String,
    arguments: Vec<String>,
) -> Result<(T, Option<String>), CommandError> {
    let command = Command {
        program,
        arguments,
        input: Input::Nothing,
        timeout: Duration::from_secs(TIMEOUT_SECONDS + 15),
        root: true,
    };
    let output = host.run(&command).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let tail = lines[lines.len().saturating_sub(SAID)..].join("\n    ");
    let words = format!(
        "{node}: `{} {}` ended with exit code {}\n    {tail}",
        command.program,
        command.arguments.join(" "),
        output.status
    );
    match serde_json::from_slice(&output.stdout) {
        Ok(document) if output.status == 0 => Ok((document, None)),
        Ok(document) => Ok((document, Some(words))),
        Err(_) => Err(CommandError::failed(words)),
    }
}
