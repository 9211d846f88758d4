//! `plan`: what `up` would change. Creates nothing, changes nothing, needs no root.

use std::fmt::Write as _;
use std::io::Write;

use serde::Serialize;

use crate::cli::{Environment, Plan};
use crate::cloud::CloudStep;
use crate::error::CommandError;
use crate::report::Reporter;

use super::draft::Draft;
use super::look::{Look, Lookout, look};

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
}

/// Prints it. Exit code 0: nothing to do, 2: changes.
pub async fn run(
    options: &Plan,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let mut draft = Draft::new(
        &options.target,
        options.change.agents.as_deref(),
        environment,
    )
    .await?;
    draft.choose_couchdb().await?;
    let lookout = Lookout::of(&draft)?;
    let viewpoint = lookout.viewpoint(&options.change, environment, reporter);
    let seen = look(&mut draft, &viewpoint).await?;
    let settled = seen.is_settled();
    if options.json {
        let machines = seen
            .clouds
            .iter()
            .flat_map(|look| &look.plan.steps)
            .collect();
        let remarks = remarks(&seen);
        let (deployment, id) = (draft.topology.name.as_str(), draft.receipt.id.as_str());
        let whole = Whole {
            deployment,
            id,
            machines,
            remarks,
            nodes: &seen.plan,
        };
        serde_json::to_writer_pretty(&mut *out, &whole)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", text(&seen))?;
    }
    // Before the first `up` nobody comes back to the connections.
    seen.crew.close(draft.entry.is_some()).await?;
    Ok(if settled { 0 } else { 2 })
}

/// The whole plan in words.
pub fn text(seen: &Look) -> String {
    let mut text = String::new();
    let steps: Vec<&CloudStep> = seen
        .clouds
        .iter()
        .flat_map(|look| &look.plan.steps)
        .collect();
    if !steps.is_empty() {
        text.push_str("machines\n");
        for step in steps {
            let node = step
                .node
                .as_ref()
                .map(|node| format!("{node}: "))
                .unwrap_or_default();
            let loses = step
                .loses
                .as_ref()
                .map(|loses| format!(" (loses {loses})"))
                .unwrap_or_default();
            let _ = writeln!(text, "  {node}{}{loses}", step.words);
        }
    }
    for remark in remarks(seen) {
        let _ = writeln!(text, "  note: {remark}");
    }
    text.push_str(&seen.plan.to_string());
    text
}

fn remarks(seen: &Look) -> Vec<&String> {
    let remarks = seen.clouds.iter().map(|look| &look.plan.remarks);
    remarks.flatten().collect()
}
