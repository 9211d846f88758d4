//! `plan`: what `up` would change. Creates nothing, changes nothing, needs no root.

use std::io::Write;

use serde::Serialize;

use crate::cli::{Environment, Plan};
use crate::cloud::CloudStep;
use crate::error::CommandError;
use crate::observe::ask::Systems;
use crate::observe::observer::Observer;
use crate::observe::obstacles::check_nodes;
use crate::observe::{observe, require_nodes};
use crate::prepare::prepared::Prepared;
use crate::report::Reporter;
use crate::tell::charges;
use crate::tell::plan_text::text;

/// The whole plan as JSON: machines first, then what happens on nodes.
#[derive(Serialize)]
struct Whole<'a> {
    /// The deployment's name.
    deployment: &'a str,
    /// Its id; `(new)` before the first `up`.
    id: &'a str,
    /// What the clouds would do.
    machines: Vec<&'a CloudStep>,
    /// What clouds remark on that: what it costs, what could not be looked at.
    remarks: Vec<&'a String>,
    /// What would happen on nodes, with restarts, losses and notes.
    nodes: &'a crate::plan::Plan,
    /// An earlier `up` changed something and did not come to its proof: the next one proves it.
    unproven: bool,
}

/// Prints it. Exit code 0: all is as it should be and proven, 2: changes, a proof that is owed, or what `up` cannot change.
pub async fn run(
    options: &Plan,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let prepared = Prepared::new(
        &options.target,
        options.change.agents.as_deref(),
        options.change.prune,
        environment,
    )
    .await?;
    let prepared = prepared.with_choices(reporter).await?;
    let prepared = prepared.seen_from_outside(environment).await?;
    prepared.remark(reporter);
    let observer = Observer::of(&prepared, environment).await?;
    let observe_options = observer.observe_options(&options.change, environment, reporter);
    require_nodes(&prepared, &options.change)?;
    let (connections, planned) = match observe(&prepared, &observe_options).await {
        Ok(looked) => looked,
        Err(error) => {
            observer.close(environment).await?;
            return Err(error);
        }
    };
    if !planned.is_settled() {
        check_nodes(&connections, &planned, &Systems::new()).await?;
    }
    let (prepared, seen) = (&planned.prepared, &planned.seen);
    let forgotten = charges::forgotten(seen);
    let settled =
        planned.is_settled() && planned.plan.troubles.is_empty() && !prepared.receipt.unproven;
    if options.json {
        let machines = seen
            .clouds
            .iter()
            .flat_map(|state| &state.plan.steps)
            .collect();
        let remarks = seen.remarks().chain(&forgotten).collect();
        let (deployment, id) = (
            prepared.topology.name.as_str(),
            prepared.receipt.id.as_str(),
        );
        let whole = Whole {
            deployment,
            id,
            machines,
            remarks,
            nodes: &planned.plan,
            unproven: prepared.receipt.unproven,
        };
        serde_json::to_writer_pretty(&mut *out, &whole)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", text(&planned))?;
        for words in &forgotten {
            writeln!(out, "if forgotten: {words}")?;
        }
    }
    // Before the first `up` nobody comes back to the connections.
    connections.close(prepared.entry.is_some()).await?;
    Ok(if settled { 0 } else { 2 })
}
