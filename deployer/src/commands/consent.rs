//! Consent: nothing that costs money or destroys data happens without the user's word.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::cli::Up;
use crate::cloud::aws::operation as aws;
use crate::cloud::chameleon::operation as chameleon;
use crate::cloud::{CloudPlan, CloudStep, Operation};
use crate::error::CommandError;
use crate::receipt::Receipt;
use crate::report::{Event, Reporter};
use crate::topology::CloudName;

use super::draft::Draft;
use super::look::Look;
use super::plan::text;

/// Asks a yes-or-no question on the terminal; `yes` answers it beforehand. Without a terminal it is refused.
pub fn confirm(question: &str, yes: bool) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        return Err(CommandError::usage(format!(
            "{question} There is no terminal to ask on, so nothing was done."
        ))
        .hint("say --yes if that is what you want"));
    }
    write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush())?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(CommandError::interrupted("nothing was done"))
    }
}

/// Shows the plan where it is not obvious, refuses what loses data, and asks where the user must decide.
pub fn consent(
    draft: &Draft,
    seen: &Look,
    before: Option<&Receipt>,
    options: &Up,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    let refused = seen.refused();
    let first = before.is_none();
    if first {
        let machines = seen
            .clouds
            .iter()
            .flat_map(|look| &look.plan.steps)
            .filter(|step| step.node.is_some())
            .count();
        let words = format!(
            "{}: new, {machines} machines to make, {}",
            draft.topology.name,
            seen.plan.summary()
        );
        reporter.event(&Event::Note(words));
    } else {
        reporter.event(&Event::Note(text(seen)));
    }
    if !refused.is_empty() {
        return Err(refusal(&refused));
    }
    let losses = seen.losses();
    if !losses.is_empty() {
        let list: String = losses.iter().map(|loss| format!("\n    {loss}")).collect();
        return confirm(&format!("This data is lost:{list}\nGo on?"), options.yes);
    }
    if let Some(question) = costs(seen) {
        return confirm(&question, options.yes);
    }
    let other = before.is_some_and(|before| {
        before.inventory != draft.source.text && !before.inventory.is_empty()
    });
    if other {
        let question = format!(
            "The inventory of {} is another than at the last up. Change it as shown?",
            draft.topology.name
        );
        return confirm(&question, options.yes);
    }
    Ok(())
}

/// The question before machines run that somebody pays for: how many, and for how long.
fn costs(seen: &Look) -> Option<String> {
    seen.clouds
        .iter()
        .find_map(|look| cost(look.name, &look.plan))
}

fn cost(name: CloudName, plan: &CloudPlan) -> Option<String> {
    let runs = |step: &&CloudStep| {
        matches!(
            step.operation,
            Operation::Aws(aws::Operation::Launch(_) | aws::Operation::Start { .. })
                | Operation::Chameleon(chameleon::Operation::Launch(_))
        )
    };
    let count = plan.steps.iter().filter(runs).count();
    if count == 0 {
        return None;
    }
    Some(match (name, plan.expires) {
        (CloudName::Chameleon, Some(end)) => {
            let now = jiff::Timestamp::now();
            let end = super::lease_end::words(end, now);
            format!(
                "{count} machines will run on Chameleon, which charges your project: {end}. Go on?"
            )
        }
        (CloudName::Chameleon, None) => format!(
            "{count} machines will run on Chameleon, and be charged to your project, until `deployer teardown`. Go on?"
        ),
        (_, Some(end)) => format!(
            "{count} machines will run on AWS, which charges your account. They power themselves off at {end}; until `deployer teardown` their disks cost on. Go on?"
        ),
        (_, None) => format!(
            "{count} machines will run on AWS, which charges your account. They run, and cost, until `deployer teardown`. Go on?"
        ),
    })
}

/// The error that names what would be lost, and the words that allow it.
pub fn refusal(refused: &[String]) -> CommandError {
    let list: String = refused.iter().map(|loss| format!("\n    {loss}")).collect();
    let nodes: Vec<&str> = refused
        .iter()
        .filter_map(|loss| loss.split(':').next())
        .collect();
    let mut flags: Vec<String> = nodes
        .iter()
        .map(|node| format!("--destroy-data {node}"))
        .collect();
    flags.dedup();
    CommandError::usage(format!(
        "this would lose data, so nothing was changed:{list}"
    ))
    .hint(format!(
        "if that is what you want: deployer up {}",
        flags.join(" ")
    ))
}
