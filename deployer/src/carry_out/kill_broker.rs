//! The proof across the crash of a broker: while it is dead, and until all copies are in sync again.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::prove::{Proof, prove};
use crate::component::pipeline::LOG;
use crate::error::CommandError;
use crate::host::{Command, Input};
use crate::reach::connections::Connections;
use crate::reach::deployment::Deployment;
use crate::reach::pipeline_tool::PipelineTool;
use crate::report::{self, Reporter};

/// Enough for a word to systemd.
const QUICK: Duration = Duration::from_secs(30);
/// How long a broker may take to start again and to catch up, in seconds.
const IN_SYNC_SECONDS: u64 = 180;

/// A broker that was killed.
#[derive(Debug, Serialize)]
pub struct Killed {
    /// Its node.
    pub node: String,
    /// What was proven without it, or while it came back.
    pub canaries: Proof,
    /// After so many seconds all copies were in sync again.
    pub in_sync_after_seconds: f64,
}

/// The node of the broker that would be killed: the last one. The others must be able to do without it.
pub fn victim(deployment: &Deployment) -> Result<&str, CommandError> {
    let nodes: Vec<&str> = deployment
        .topology
        .nodes_with(LOG.name())
        .map(|node| node.name.as_str())
        .collect();
    match nodes.as_slice() {
        [_, .., last] => Ok(last),
        _ => Err(
            CommandError::usage("with one broker nothing can be proven while it is dead")
                .hint("leave `--kill-broker` out"),
        ),
    }
}

/// Kills a broker's process as a crash does, proves the pipeline meanwhile, and waits until it is whole again: systemd starts it.
pub async fn kill_broker(
    node: &str,
    deployment: &Deployment,
    connections: &Connections,
    count: u32,
    reporter: &dyn Reporter,
) -> Result<Killed, CommandError> {
    let topology = &deployment.topology;
    let unit = deployment.unit(LOG);
    let kill = Command {
        program: "systemctl".into(),
        arguments: ["kill", "--signal=SIGKILL", &unit]
            .map(str::to_owned)
            .into(),
        input: Input::Nothing,
        timeout: QUICK,
        root: true,
    };
    let killed = connections.host(node)?.run(&kill);
    let killed = report::aloud(reporter, Some(node), "kill the broker", killed).await?;
    if killed.status != 0 {
        let said = String::from_utf8_lossy(&killed.stderr).trim().to_owned();
        return Err(CommandError::failed(format!(
            "{node}: {unit} was not killed: {said}"
        )));
    }
    let since = Instant::now();
    let proof = prove(connections, topology, count, reporter).await;
    // It heals whatever was proven.
    let tool = PipelineTool::of(connections, topology)?;
    let brokers = topology.nodes_with(LOG.name()).count().to_string();
    let seconds = IN_SYNC_SECONDS.to_string();
    let words = ["wait-in-sync", "--brokers", &brokers, "--timeout", &seconds];
    let healing = tool.call(
        "the broker that was killed is not in sync again",
        &words,
        Input::Nothing,
        Duration::from_secs(IN_SYNC_SECONDS + 15),
    );
    let healed = report::aloud(
        reporter,
        Some(node),
        "wait until all copies are in sync",
        healing,
    )
    .await;
    let (proof, _) = (proof?, healed?);
    Ok(Killed {
        node: node.to_owned(),
        canaries: proof.ok_or_else(|| CommandError::failed("there are no brokers"))?,
        in_sync_after_seconds: since.elapsed().as_secs_f64(),
    })
}
