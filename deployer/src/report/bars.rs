//! One live line per node, for a terminal.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Event, Reporter, StepOutcome};

/// Stands for what is about no node.
const ALL: &str = "deployer";

/// Shows one line per node with what it is doing and since when; finished stages stay as plain lines above.
#[derive(Debug)]
pub struct Bars {
    all: MultiProgress,
    lines: Mutex<BTreeMap<String, ProgressBar>>,
    /// While somebody is asked something: what is to be said when the answer is there.
    held: Mutex<Option<Vec<String>>>,
}

impl Bars {
    /// On the error channel; `None` where nothing can be drawn there: it is no terminal, or one that cannot move its cursor
    /// (`TERM=dumb`, as in an editor's shell), on which bars would swallow all that is said.
    pub fn on_terminal() -> Option<Self> {
        let bars = Self::on(ProgressDrawTarget::stderr());
        (!bars.all.is_hidden()).then_some(bars)
    }

    pub(super) fn on(target: ProgressDrawTarget) -> Self {
        Self {
            all: MultiProgress::with_draw_target(target),
            lines: Mutex::new(BTreeMap::new()),
            held: Mutex::new(None),
        }
    }

    fn print(&self, line: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.as_mut() {
            held.push(line.to_owned());
            return;
        }
        // Nothing useful can be done when the terminal is gone.
        let _ = self.all.println(line);
    }

    /// Whether a node's line shows work that goes on.
    fn at_work(&self, node: Option<&str>) -> bool {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.get(node.unwrap_or(ALL));
        line.is_some_and(|bar| !bar.message().is_empty() && !bar.message().ends_with('✓'))
    }

    fn with_line(&self, node: Option<&str>, change: impl FnOnce(&ProgressBar)) {
        // A line that is drawn now would hide the question.
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            return;
        }
        let key = node.unwrap_or(ALL).to_owned();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = lines.entry(key.clone()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner());
            let style =
                ProgressStyle::with_template("{spinner} {prefix:>10} {elapsed:>4} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix(key);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        change(bar);
    }

    fn clear(&self) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for bar in std::mem::take(&mut *lines).into_values() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Reporter for Bars {
    fn event(&self, event: &Event) {
        match event {
            Event::StageStarted { .. } => {}
            Event::StageFinished { stage, took } => {
                self.clear();
                self.print(&format!("{stage:<24} {:>6.1} s", took.as_secs_f64()));
            }
            Event::StepStarted { node, words } => self.with_line(node.as_deref(), |bar| {
                bar.reset_elapsed();
                bar.set_message(words.clone());
            }),
            // What a step said last tells more than its name.
            Event::Waiting { node, .. } if self.at_work(node.as_deref()) => {}
            Event::Waiting { node, words } => self.with_line(node.as_deref(), |bar| {
                bar.reset_elapsed();
                bar.set_message(words.clone());
            }),
            Event::StepOutput { node, line } => {
                self.with_line(node.as_deref(), |bar| {
                    bar.set_message(line.trim().to_owned());
                });
            }
            Event::StepFinished {
                node,
                words,
                outcome,
                ..
            } => match outcome {
                StepOutcome::Failed(_) => {
                    let node = node.as_deref().unwrap_or(ALL);
                    self.print(&format!("{node}: {words}: failed"));
                }
                StepOutcome::Skipped(why) => {
                    let node = node.as_deref().unwrap_or(ALL);
                    self.print(&format!("{node}: {words}: skipped, {why}"));
                }
                // What is about no node has no line of its own to keep.
                StepOutcome::Done | StepOutcome::Already if node.is_none() => self.clear(),
                StepOutcome::Done | StepOutcome::Already => {
                    self.with_line(node.as_deref(), |bar| bar.set_message(format!("{words} ✓")));
                }
            },
            Event::Note(text) => self.print(text),
            Event::Warning(text) => self.print(&format!("warning: {text}")),
        }
    }

    fn asking(&self, begins: bool) {
        if begins {
            // Held first: whoever draws beside us sees it, or is done before the lines are taken away.
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.get_or_insert_default();
            drop(held);
            self.clear();
        } else {
            let held = self
                .held
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            for line in held.into_iter().flatten() {
                self.print(&line);
            }
        }
    }
}
