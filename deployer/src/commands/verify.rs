//! `verify`: proves on demand that events arrive as documents.

use crate::carry_out::prove::prove;
use crate::error::CommandError;
use crate::reach::connections::{CONNECT_TIMEOUT_RUNNING, require_none};
use crate::reach::deployment::Deployment;
use crate::report::{Event, Reporter};

/// Sends canaries and waits for their documents.
pub async fn run(
    options: &crate::cli::Verify,
    environment: &crate::cli::Environment,
    reporter: &dyn Reporter,
    out: &mut dyn std::io::Write,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let topology = &deployment.topology;
    let nodes = topology.nodes.keys().map(String::as_str);
    let connections = deployment
        .connect(nodes, CONNECT_TIMEOUT_RUNNING, environment, reporter)
        .await?;
    let proof = prove(&connections, topology, options.count, reporter).await;
    // The pipeline may hold without a node; that it is silent is said all the same.
    let silent = require_none(&connections.unreachable);
    let proof = match (proof, silent) {
        (Err(mut error), Err(silent)) => {
            error.hints.extend(silent.hints);
            return Err(error);
        }
        (proof, silent) => {
            let proof = proof?;
            if let (Some(proof), Err(_)) = (&proof, &silent) {
                reporter.event(&Event::Note(proof.words()));
            }
            silent?;
            proof
        }
    };
    connections.close(true).await?;
    match proof {
        Some(proof) if options.json => {
            serde_json::to_writer_pretty(&mut *out, &proof)?;
            writeln!(out)?;
        }
        Some(proof) => writeln!(out, "{}", proof.words())?,
        None => {
            return Err(CommandError::usage(
                "this deployment has no brokers: there is nothing to prove",
            ));
        }
    }
    Ok(0)
}
