//! `plan`: what `up` would change. Creates nothing, changes nothing, needs no root.

use std::fmt::Write as _;
use std::io::Write;

use serde::Serialize;

use crate::cli::{Environment, Plan};
use crate::cloud::CloudStep;
use crate::error::CommandError;
use crate::report::Reporter;

use super::charges;
use super::check::check_nodes;
use super::observe::{Observation, Observer, observe, require_nodes};
use super::prepared::Prepared;

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

/// Prints it. Exit code 0: all is as it should be, 2: changes, or what `up` cannot change.
pub async fn run(
    options: &Plan,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let mut prepared = Prepared::new(
        &options.target,
        options.change.agents.as_deref(),
        environment,
    )
    .await?;
    if options.change.prune {
        prepared.prune();
    }
    prepared.choose_couchdb(reporter).await?;
    prepared.find_outside(environment).await?;
    prepared.remark(reporter);
    let observer = Observer::of(&prepared)?;
    let observe_options = observer.observe_options(&options.change, environment, reporter);
    require_nodes(&prepared, &options.change)?;
    let mut seen = match observe(&mut prepared, &observe_options).await {
        Ok(seen) => seen,
        Err(error) => {
            observer.close(environment).await?;
            return Err(error);
        }
    };
    if !seen.is_settled() {
        check_nodes(&prepared, &mut seen).await?;
    }
    let forgotten = charges::forgotten(&prepared, &seen);
    let settled = seen.is_settled() && seen.plan.troubles.is_empty();
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
            nodes: &seen.plan,
        };
        serde_json::to_writer_pretty(&mut *out, &whole)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", text(&seen))?;
        for words in &forgotten {
            writeln!(out, "if forgotten: {words}")?;
        }
    }
    // Before the first `up` nobody comes back to the connections.
    seen.connections.close(prepared.entry.is_some()).await?;
    Ok(if settled { 0 } else { 2 })
}

/// The whole plan in words.
pub fn text(seen: &Observation) -> String {
    let mut text = String::new();
    let steps: Vec<&CloudStep> = seen
        .clouds
        .iter()
        .flat_map(|state| &state.plan.steps)
        .collect();
    if !steps.is_empty() {
        text.push_str("machines\n");
        for step in &steps {
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
    for remark in seen.remarks() {
        let _ = writeln!(text, "  note: {remark}");
    }
    let _ = writeln!(
        text,
        "{}{}",
        seen.plan.details(),
        summary(&steps, &seen.plan)
    );
    text
}

/// One line about machines and nodes: "nothing to do" is said of both.
fn summary(steps: &[&CloudStep], nodes: &crate::plan::Plan) -> String {
    if steps.is_empty() {
        return nodes.summary();
    }
    let changes = if steps.len() == 1 {
        "change"
    } else {
        "changes"
    };
    let lost = match steps.iter().filter(|step| step.loses.is_some()).count() {
        0 => String::new(),
        1 => ", data of 1 lost".to_owned(),
        several => format!(", data of {several} lost"),
    };
    let nodes = nodes.summary();
    format!("machines: {} {changes}{lost}; nodes: {nodes}", steps.len())
}

#[cfg(test)]
mod tests {
    use super::summary;
    use crate::cloud::local::Operation as Local;
    use crate::cloud::{CloudStep, Operation};
    use crate::plan::Plan;

    /// A plan that deletes a machine never ends with "nothing to do" alone.
    #[test]
    fn nothing_to_do_is_said_of_machines_and_nodes() {
        let step = |loses: Option<&str>| CloudStep {
            stage: "network".into(),
            node: Some("vm4".into()),
            words: "delete vm4 and its disk".into(),
            loses: loses.map(Into::into),
            operation: Operation::Local(Local::MakeNetwork {
                network: "10.213.0.0/24".parse().expect("a network"),
            }),
        };
        let nodes = Plan::default();
        assert_eq!(summary(&[], &nodes), "nothing to do");
        let (keeps, loses) = (step(None), step(Some("all that vm4 holds")));
        assert_eq!(
            summary(&[&loses], &nodes),
            "machines: 1 change, data of 1 lost; nodes: nothing to do"
        );
        assert_eq!(
            summary(&[&keeps, &keeps], &nodes),
            "machines: 2 changes; nodes: nothing to do"
        );
    }
}
