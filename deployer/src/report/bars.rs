//! One live line per node, for a terminal.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Event, Outcome, Reporter};

/// Shows one line per node with what it is doing and since when; finished stages stay as plain lines above.
#[derive(Debug)]
pub struct Bars {
    all: MultiProgress,
    lines: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Default for Bars {
    fn default() -> Self {
        Self {
            all: MultiProgress::new(),
            lines: Mutex::new(BTreeMap::new()),
        }
    }
}

impl Bars {
    fn print(&self, line: &str) {
        // Nothing useful can be done when the terminal is gone.
        let _ = self.all.println(line);
    }

    fn with_line(&self, node: Option<&str>, change: impl FnOnce(&ProgressBar)) {
        let key = node.unwrap_or("deployer").to_owned();
        let mut lines = self
            .lines
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
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
        let mut lines = self
            .lines
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
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
                Outcome::Failed(_) => {
                    let node = node.as_deref().unwrap_or("deployer");
                    self.print(&format!("{node}: {words}: failed"));
                }
                Outcome::Skipped(why) => {
                    let node = node.as_deref().unwrap_or("deployer");
                    self.print(&format!("{node}: {words}: skipped, {why}"));
                }
                // What is about no node has no line of its own to keep.
                Outcome::Done | Outcome::Already if node.is_none() => self.clear(),
                Outcome::Done | Outcome::Already => {
                    self.with_line(node.as_deref(), |bar| bar.set_message(format!("{words} ✓")));
                }
            },
            Event::Note(text) => self.print(text),
            Event::Warning(text) => self.print(&format!("warning: {text}")),
        }
    }
}
