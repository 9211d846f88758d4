//! Taking all away: what the last step left, or what a rehearsal left that was killed.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::CommandError;
use crate::rehearsal::Expected;
use crate::report::Event;
use crate::retry::Retry;

use super::super::child::End;
use super::super::limits::CLEARING;
use super::Runner;

/// Between two tries of that.
const PAUSE: Duration = Duration::from_secs(5);
/// After so many that failed somebody has to look.
const TRIES: u32 = 4;
/// What a verb says while another process has its deployment.
const LOCKED: &str = "is in use by";

impl Runner<'_> {
    /// Takes away all that has a receipt here. Who wishes twice more to stop meanwhile gets it.
    pub(super) async fn clear(&mut self, purpose: &str) -> Result<(), CommandError> {
        let wishes = if self.stop.is_set() { 3 } else { 2 };
        let mut retry = Retry::every(PAUSE).within(CLEARING);
        let mut failed = 0;
        if self.stop.is_set() && !self.place.deployments()?.is_empty() {
            self.reporter.event(&Event::Note(
                "all is taken away now; Ctrl-C twice more leaves it as it is, and it costs".into(),
            ));
        }
        loop {
            let left = self.place.deployments()?;
            let names: BTreeSet<&str> = left.iter().map(|entry| entry.name.as_str()).collect();
            let Some(name) = names.first() else {
                return Ok(());
            };
            let time = retry.left();
            if failed >= TRIES || time.is_zero() {
                return Err(self.left(&names));
            }
            let words = [
                "teardown",
                "--yes",
                "--name",
                name,
                "--cloud",
                self.place.cloud.name(),
            ];
            let mut arguments: Vec<String> = words.map(str::to_owned).into();
            let inventory = self.place.inventory(name);
            if inventory.exists() {
                arguments.extend(["--inventory".into(), inventory.display().to_string()]);
            }
            let title = format!("{name}: {purpose}");
            let expected = Expected::Code(0);
            let went = self
                .verb(&title, arguments, None, time, wishes, expected)
                .await?;
            match went.end {
                End::Stopped => return Err(self.left(&names)),
                End::Code(0) => continue,
                // A killed rehearsal's last step may still be at work.
                _ if went.said.contains(LOCKED) => {}
                _ => failed += 1,
            }
            if self.stop.unless(wishes, retry.pause()).await.is_none() {
                return Err(self.left(&names));
            }
        }
    }

    fn left(&self, names: &BTreeSet<&str>) -> CommandError {
        let list: Vec<&str> = names.iter().copied().collect();
        let error = CommandError::failed(format!(
            "still there, and it costs: {} on {}",
            list.join(", "),
            self.place.cloud
        ));
        let error = error.hint("the same rehearsal again takes it away before it begins");
        list.iter().fold(error, |error, name| {
            error.hint(format!("or: {}", self.place.teardown(name)))
        })
    }
}
