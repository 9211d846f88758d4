//! A plan in words: machines first, then what happens on nodes.

use std::fmt::Write as _;

use crate::cloud::CloudStep;
use crate::observe::Planned;
use crate::receipt::Receipt;

/// The whole plan in words.
pub fn text(planned: &Planned) -> String {
    let seen = &planned.seen;
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
    let but = if planned.is_settled() {
        owed(&planned.prepared.receipt)
    } else {
        ""
    };
    let _ = writeln!(
        text,
        "{}{}{but}",
        planned.plan.details(),
        summary(&steps, &planned.plan)
    );
    text
}

/// What an `up` does even where nothing is to be changed.
pub fn owed(receipt: &Receipt) -> &'static str {
    if receipt.unproven {
        " but to prove what an earlier `up` changed"
    } else {
        ""
    }
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
    use crate::cloud::{CloudStep, Operation};
    use crate::plan::Plan;
    use crate::topology::CloudName;

    /// A plan that deletes a machine never ends with "nothing to do" alone.
    #[test]
    fn nothing_to_do_is_said_of_machines_and_nodes() {
        let operation = Operation::of(CloudName::LOCAL, "delete");
        let step = |loses: Option<&str>| CloudStep {
            loses: loses.map(Into::into),
            ..CloudStep::new(
                "machines",
                "delete vm4 and its disk".into(),
                operation.clone(),
            )
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
