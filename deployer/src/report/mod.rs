//! Reports: what happens, as events; who shows them, and how, is the reporter's business.

use std::time::Duration;

pub mod bars;
pub mod pipe;
pub mod plain;
#[cfg(test)]
mod tests;

/// Something worth telling.
#[derive(Debug, Clone)]
pub enum Event {
    /// A stage began.
    StageStarted {
        /// Its name.
        stage: String,
        /// The nodes at work in it; empty when it is not about nodes.
        nodes: Vec<String>,
    },
    /// A stage ended.
    StageFinished {
        /// Its name.
        stage: String,
        /// How long it took.
        took: Duration,
    },
    /// A step began.
    StepStarted {
        /// The node; `None`: the deployment as a whole.
        node: Option<String>,
        /// Verb and object.
        words: String,
    },
    /// A running step says how far it is.
    StepOutput {
        /// The node.
        node: Option<String>,
        /// One line.
        line: String,
    },
    /// Something takes its time; said once.
    Waiting {
        /// The node.
        node: Option<String>,
        /// What is waited for.
        words: String,
    },
    /// A step ended.
    StepFinished {
        /// The node.
        node: Option<String>,
        /// Verb and object.
        words: String,
        /// How it went.
        outcome: StepOutcome,
        /// How long it took.
        took: Duration,
    },
    /// Something to know, outside of steps.
    Note(String),
    /// Something to know that may hurt.
    Warning(String),
}

/// How a step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// It was done.
    Done,
    /// It was so already.
    Already,
    /// It was not tried, and why.
    Skipped(String),
    /// It failed; the error itself is returned to the caller, too.
    Failed(String),
}

/// Shows events. Used by several queues at once.
pub trait Reporter: Send + Sync {
    /// One event.
    fn event(&self, event: &Event);

    /// Somebody is about to be asked something on the terminal (`true`), or has answered. In between nothing is drawn there.
    fn asking(&self, _begins: bool) {}
}

/// While it lives a person is asked something, and nothing is drawn over that.
pub struct Question<'a>(&'a dyn Reporter);

impl<'a> Question<'a> {
    /// Clears the terminal of what is drawn live.
    pub fn begin(reporter: &'a dyn Reporter) -> Self {
        reporter.asking(true);
        Self(reporter)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.0.asking(false);
    }
}

/// How long nobody wonders.
const SILENCE: Duration = Duration::from_secs(2);

/// Does some work, and says what for once it takes longer than one waits without a word.
pub async fn aloud<T>(
    reporter: &dyn Reporter,
    node: Option<&str>,
    words: &str,
    work: impl Future<Output = T>,
) -> T {
    aloud_after(SILENCE, reporter, node, words, work).await
}

async fn aloud_after<T>(
    silence: Duration,
    reporter: &dyn Reporter,
    node: Option<&str>,
    words: &str,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(silence, &mut work).await {
        return done;
    }
    reporter.event(&Event::Waiting {
        node: node.map(Into::into),
        words: words.into(),
    });
    work.await
}
