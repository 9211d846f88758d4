//! Questions: nothing that costs money or destroys data happens without the user's word.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::cli::Up;
use crate::error::CommandError;
use crate::observe::Planned;
use crate::receipt::Receipt;
use crate::report::{Event, Question, Reporter};
use crate::secret::Secret;
use crate::tell::charges;
use crate::tell::plan_text::text;

/// Asks a yes-or-no question on the terminal; `yes` answers it beforehand. Without a terminal it is refused.
pub fn confirm(question: &str, yes: bool, reporter: &dyn Reporter) -> Result<(), CommandError> {
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
    let _nothing_is_drawn = Question::begin(reporter);
    write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush())?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(CommandError::interrupted("nothing was done"))
    }
}

/// Asks for a passphrase on the terminal, which does not show it.
pub fn passphrase(what: &str, reporter: &dyn Reporter) -> Result<Secret, CommandError> {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        return Err(CommandError::usage(format!(
            "{what} is needed, and there is no terminal to ask on"
        ))
        .hint("--passphrase-file FILE names a file with it"));
    }
    let _nothing_is_drawn = Question::begin(reporter);
    let shown = tcgetattr(&stdin)?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    hidden.local_modes.insert(LocalModes::ECHONL);
    // Before it is asked for: who is quick is not shown either, nor lost.
    tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
    let mut answer = String::new();
    let asked = write!(stderr, "{what}: ").and_then(|()| stderr.flush());
    let read = asked.and_then(|()| stdin.lock().read_line(&mut answer));
    tcsetattr(&stdin, OptionalActions::Flush, &shown)?;
    read?;
    Ok(Secret::new(answer.trim_end_matches(['\r', '\n'])))
}

/// Shows the plan where it is not obvious, refuses what loses data, and asks where the user must decide.
pub fn confirm_plan(
    planned: &Planned,
    before: Option<&Receipt>,
    options: &Up,
    reporter: &dyn Reporter,
) -> Result<(), CommandError> {
    let (prepared, seen) = (&planned.prepared, &planned.seen);
    let refused = planned.refused();
    let first = before.is_none();
    if first {
        let machines = seen
            .clouds
            .iter()
            .flat_map(|state| &state.plan.steps)
            .filter(|step| step.node.is_some())
            .count();
        let words = format!(
            "{}: new, {machines} machines to make, {}",
            prepared.topology.name,
            planned.plan.summary()
        );
        reporter.event(&Event::Note(words));
    } else {
        reporter.event(&Event::Note(text(planned)));
    }
    if !refused.is_empty() {
        return Err(refusal(&refused));
    }
    let other = before.is_some_and(|before| {
        before.inventory != prepared.source.text && !before.inventory.is_empty()
    });
    match question(
        &prepared.topology.name,
        &planned.losses(),
        charges::costs(seen),
        other,
        prepared.plain_text_ends(),
        &options.renew,
    ) {
        Some(question) => confirm(&question, options.yes, reporter),
        None => Ok(()),
    }
}

/// All that the user must decide, as one question; `None`: nothing.
fn question(
    name: &str,
    losses: &[String],
    costs: Option<String>,
    other: bool,
    plain_text_ends: Option<String>,
    renew: &[String],
) -> Option<String> {
    let lost = (!losses.is_empty()).then(|| {
        let list: String = losses.iter().map(|loss| format!("\n    {loss}")).collect();
        format!("This data is lost:{list}")
    });
    let other = other
        .then(|| format!("The inventory of {name} is another than at the last up, which changes what is shown above."));
    let closed = plain_text_ends.map(|words| format!("{name}: {words}."));
    let renewed = (!renew.is_empty()).then(|| {
        format!(
            "What is there of {} will be refused, and new ones count.",
            renew.join(", ")
        )
    });
    let parts = [lost, costs, other, closed, renewed];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{}\nGo on?", parts.join("\n")))
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

#[cfg(test)]
mod tests {
    use super::question;

    #[test]
    fn one_question_names_all_that_is_to_be_decided() {
        assert_eq!(question("x", &[], None, false, None, &[]), None);
        let losses = ["vm3: all documents".to_owned()];
        let cost = "2 machines will run on AWS".to_owned();
        let closed = "security goes on".to_owned();
        let renew = ["shop".to_owned()];
        let asked = question("x", &losses, Some(cost), true, Some(closed), &renew);
        let asked = asked.expect("a question");
        for part in [
            "vm3: all documents",
            "will run on AWS",
            "The inventory of x is another",
            "x: security goes on.",
            "What is there of shop will be refused",
        ] {
            assert!(asked.contains(part), "`{part}` is missing: {asked}");
        }
        assert_eq!(asked.matches("Go on?").count(), 1, "{asked}");
        let alone = question("x", &[], None, true, None, &[]).expect("a question");
        assert!(
            !alone.contains("lost") && alone.ends_with("Go on?"),
            "{alone}"
        );
    }
}
