//! The plan for human eyes.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use crate::step::Action;

use super::{Change, Plan};

impl Display for Plan {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.write_details(formatter)?;
        writeln!(formatter, "{}", self.summary())
    }
}

/// All but the summary.
struct Details<'a>(&'a Plan);

impl Display for Details<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.write_details(formatter)
    }
}

impl Plan {
    /// The plan without its last line, the summary.
    pub fn details(&self) -> impl Display + '_ {
        Details(self)
    }

    fn write_details(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for stage in &self.stages {
            writeln!(formatter, "{}", stage.name)?;
            for change in stage.queues.values().flatten() {
                write!(formatter, "{change}")?;
            }
            writeln!(formatter)?;
        }
        let restarts = self.restarts.iter();
        let restarts = restarts.map(|restart| {
            let (node, unit, because) = (&restart.node, &restart.unit, &restart.because);
            format!("{node}: {unit}, {because}")
        });
        section(formatter, "restarts", restarts)?;
        let losses = self.losses.iter().map(|loss| {
            let (node, words) = (&loss.node, &loss.words);
            let needed = if loss.allowed {
                String::new()
            } else {
                format!(" (needs --destroy-data {node})")
            };
            format!("{node}: {words}{needed}")
        });
        section(formatter, "data lost", losses)?;
        let troubles = self.troubles.iter().cloned();
        section(formatter, "not as it should be", troubles)?;
        section(formatter, "notes", self.notes.iter().cloned())
    }
}

fn section(
    formatter: &mut Formatter<'_>,
    title: &str,
    lines: impl ExactSizeIterator<Item = String>,
) -> fmt::Result {
    if lines.len() == 0 {
        return Ok(());
    }
    writeln!(formatter, "{title}")?;
    for line in lines {
        writeln!(formatter, "  {line}")?;
    }
    writeln!(formatter)
}

impl Display for Change {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let (node, words) = (&self.step.node, self.step.action.describe());
        let because = harmless(&self.because);
        writeln!(formatter, "  {node}: {words} ({because})")?;
        for line in self.diff.iter().flat_map(|diff| diff.lines()) {
            writeln!(formatter, "      {}", harmless(line))?;
        }
        Ok(())
    }
}

/// A line from a machine, without what could steer the terminal.
fn harmless(line: &str) -> String {
    let steers = |character: char| character.is_control() && character != '\t';
    line.chars()
        .map(|character| {
            if steers(character) {
                char::REPLACEMENT_CHARACTER
            } else {
                character
            }
        })
        .collect()
}

impl Plan {
    /// One line: how much happens where, and whether anything is lost. Waiting is no change.
    pub fn summary(&self) -> String {
        let lost: BTreeSet<&str> = self.losses.iter().map(|loss| loss.node.as_str()).collect();
        let lost = if lost.is_empty() {
            "nothing lost".into()
        } else {
            format!("data of {} lost", counted(lost.len(), "node"))
        };
        if self.is_empty() {
            let nothing = if self.troubles.is_empty() {
                "nothing to do"
            } else {
                "nothing that `up` can do"
            };
            return if self.losses.is_empty() {
                nothing.into()
            } else {
                format!("{nothing}, {lost}")
            };
        }
        let changes = self.changes().filter(|change| !waits(&change.step.action));
        let nodes: BTreeSet<&str> = self
            .changes()
            .map(|change| change.step.node.as_str())
            .collect();
        format!(
            "{}, {}, {}, {lost}",
            counted(nodes.len(), "node"),
            counted(changes.count(), "change"),
            counted(self.restarts.len(), "restart"),
        )
    }
}

fn waits(action: &Action) -> bool {
    matches!(
        action,
        Action::WaitForPort { .. } | Action::CallTool { waits: true, .. }
    )
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
