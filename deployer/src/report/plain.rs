//! One line per event, for logs and for output that is no terminal.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Event, Reporter, StepOutcome};

/// Writes lines such as `[  3.2s] vm2: start x.service … done`.
#[derive(Debug)]
pub struct Plain<W> {
    began: Instant,
    out: Mutex<W>,
}

impl<W: Write + Send> Plain<W> {
    /// Writes to `out`; the times count from now.
    pub fn new(out: W) -> Self {
        Self {
            began: Instant::now(),
            out: Mutex::new(out),
        }
    }
}

impl<W: Write + Send> Reporter for Plain<W> {
    fn event(&self, event: &Event) {
        let Some(text) = words(event) else {
            return;
        };
        let seconds = self.began.elapsed().as_secs_f64();
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody reads any more: that must not end the work.
        let _ = writeln!(out, "[{seconds:5.1}s] {text}");
    }
}

/// The event in words; `None` when a plain log need not have it.
fn words(event: &Event) -> Option<String> {
    Some(match event {
        Event::StageStarted { stage, nodes } if nodes.is_empty() => format!("{stage} …"),
        Event::StageStarted { stage, nodes } => format!("{stage} on {} …", nodes.join(", ")),
        Event::StageFinished { stage, took } => format!("{stage}: {}", seconds(*took)),
        // The end of the step has the same words.
        Event::StepStarted { .. } => return None,
        Event::Waiting { node, words } => format!("{}{words} … waiting", prefix(node.as_deref())),
        Event::StepOutput { node, line } => format!("{}  {line}", prefix(node.as_deref())),
        Event::StepFinished {
            node,
            words,
            outcome,
            took,
        } => {
            let outcome = match outcome {
                StepOutcome::Done if *took >= Duration::from_secs(1) => {
                    format!("done in {}", seconds(*took))
                }
                StepOutcome::Done => "done".into(),
                StepOutcome::Already => "already".into(),
                StepOutcome::Skipped(why) => format!("skipped: {why}"),
                // The lines of the failed command are in the error that ends the run.
                StepOutcome::Failed(error) => {
                    format!("failed: {}", error.lines().next().unwrap_or_default())
                }
            };
            format!("{}{words} … {outcome}", prefix(node.as_deref()))
        }
        Event::Note(text) => text.clone(),
        Event::Warning(text) => format!("warning: {text}"),
    })
}

fn prefix(node: Option<&str>) -> String {
    node.map_or_else(String::new, |node| format!("{node}: "))
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Plain;
    use crate::report::{Event, Reporter, StepOutcome};

    #[test]
    fn says_node_step_and_outcome() {
        let plain = Plain::new(Vec::new());
        let finished = |words: &str, outcome, milliseconds| Event::StepFinished {
            node: Some("vm2".into()),
            words: words.into(),
            outcome,
            took: Duration::from_millis(milliseconds),
        };
        plain.event(&Event::StageStarted {
            stage: "kafka".into(),
            nodes: vec!["vm2".into(), "vm3".into()],
        });
        plain.event(&finished("start kafka.service", StepOutcome::Done, 10));
        plain.event(&finished("wait for port 9092", StepOutcome::Done, 2340));
        plain.event(&finished(
            "write x",
            StepOutcome::Failed("no space\n  more".into()),
            1,
        ));
        plain.event(&Event::Warning("the stand-in answers".into()));
        let out = plain.out.into_inner().expect("lock");
        let text = String::from_utf8(out).expect("text");
        let words: Vec<&str> = text
            .lines()
            .map(|line| line.split_once("] ").expect("time").1)
            .collect();
        assert_eq!(
            words,
            [
                "kafka on vm2, vm3 …",
                "vm2: start kafka.service … done",
                "vm2: wait for port 9092 … done in 2.3 s",
                "vm2: write x … failed: no space",
                "warning: the stand-in answers",
            ]
        );
        assert!(text.starts_with("[  0.0s] "), "{text}");
    }
}
