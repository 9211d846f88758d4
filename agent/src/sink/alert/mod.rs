//! Alerts: mail about windows of a stream's rows, one row of which is as it should not be.
//!
//! A record is settled when it is in the alert's file. Beside the writes, windows are judged and mails are sent from there: at
//! least once each, whatever ends the process. All partitions of the topic must come to one process: half of a window's rows make
//! no report.

mod asked;
mod condition;
mod report;
mod row;
mod state;
mod windows;
mod work;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::disk::{blocking, held, settle};
use super::letters::{self, Letters};
use super::{Asked, Letter, OpenError, Outcome, Record, Sink};
use crate::config::error::ConfigError;
use crate::config::topic::Topic;
use crate::mail::{self, Mailer};
use crate::observe::Health;
use condition::Condition;
use row::{Row, Span};
use state::{Kept, State};
use windows::Rules;

/// The longest grace and cooldown.
const LONGEST: u64 = 30 * 86_400_000;

/// What is told to whom, and when.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// What the mails and the alarms call it.
    title: String,
    /// A directory of its own.
    directory: PathBuf,
    /// A word that changes when a mail of trial is to be sent.
    mark: String,
    /// What must be true of one row: its column, one of = != > >= < <=, and a value.
    when: Vec<Condition>,
    /// The column that has the window, with `start` and `end`.
    window: String,
    /// How long late rows are waited for once a window has ended, in milliseconds.
    grace_ms: u64,
    /// How long it is from one mail to the next at least, in milliseconds.
    cooldown_ms: u64,
    /// To whom mails go.
    to: Vec<String>,
    /// Their subject.
    subject: String,
    /// How they are sent.
    mail: mail::Settings,
}

impl Settings {
    fn rules(&self) -> Rules {
        // Both were checked to be less than that.
        let milliseconds = |given: u64| i64::try_from(given).unwrap_or(i64::MAX);
        Rules {
            when: self.when.clone(),
            grace: milliseconds(self.grace_ms),
            cooldown: milliseconds(self.cooldown_ms),
        }
    }
}

impl super::Settings for Settings {
    fn check(&self) -> Result<(), (String, String)> {
        let refuse = |key: &str, problem: String| Err((key.to_owned(), problem));
        if !self.directory.is_absolute() {
            let problem = format!("{} is not an absolute path", self.directory.display());
            return refuse("directory", problem);
        }
        if self.when.is_empty() {
            return refuse("when", "must have one condition at least".to_owned());
        }
        for condition in &self.when {
            condition
                .check()
                .map_err(|problem| ("when".to_owned(), problem))?;
        }
        for (key, value) in [
            ("grace_ms", self.grace_ms),
            ("cooldown_ms", self.cooldown_ms),
        ] {
            if value > LONGEST {
                return refuse(key, format!("{value} is more than {LONGEST}"));
            }
        }
        if self.to.is_empty() {
            return refuse("to", "must name an address at least".to_owned());
        }
        for address in &self.to {
            mail::check_address(address).map_err(|problem| ("to".to_owned(), problem))?;
        }
        for (key, text) in [("subject", &self.subject), ("title", &self.title)] {
            if text.is_empty() || text.chars().any(char::is_control) {
                return refuse(key, "must be one line".to_owned());
            }
        }
        self.mail.check()
    }

    fn check_files(&self) -> Result<(), ConfigError> {
        self.mail.open().map(drop)
    }

    fn keeps_records(&self) -> bool {
        false
    }

    fn open(&self) -> Result<Box<dyn Sink>, OpenError> {
        Ok(Box::new(Alert {
            mailer: self.mail.open()?,
            rules: self.rules(),
            shared: Arc::new(Shared {
                settings: self.clone(),
                kept: Mutex::default(),
                letters: Mutex::default(),
            }),
            taken: Notify::new(),
        }))
    }

    fn asked(&self) -> Result<Box<dyn Asked>, OpenError> {
        let directory = self.directory.clone();
        Ok(Box::new(asked::Beside { directory }))
    }
}

struct Alert {
    mailer: Mailer,
    rules: Rules,
    shared: Arc<Shared>,
    /// Told after records were taken.
    taken: Notify,
}

/// What writes in threads that may wait share. A call that is given up goes on there to its end.
struct Shared {
    settings: Settings,
    /// What fails leaves none, so that the next call reads it anew.
    kept: Mutex<Option<Kept>>,
    letters: Mutex<Option<Letters>>,
}

impl Shared {
    /// Changes the state, on the disk first.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> io::Result<T> {
        let mut held = held(&self.kept);
        let mut kept = match held.take() {
            Some(kept) => kept,
            None => self.read()?,
        };
        let made = kept.change(change)?;
        *held = Some(kept);
        Ok(made)
    }

    fn read(&self) -> io::Result<Kept> {
        let mut kept = Kept::open(&self.settings.directory)?;
        // Of the clocks that a restart begins anew nothing is on the disk.
        let title = &self.settings.title;
        kept.begin(title, Timestamp::now().as_millisecond());
        Ok(kept)
    }
}

/// A record that can be judged.
struct Taken {
    offset: i64,
    span: Span,
    key: String,
    row: Row,
}

impl Sink for Alert {
    fn place(&self, _: &Topic) -> String {
        format!("alert {}", self.shared.settings.title)
    }

    fn write<'a>(
        &'a self,
        topic: &'a Topic,
        records: &'a [&'a Record],
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(records.len());
            let mut rows = Vec::new();
            for record in records {
                match self.row(record) {
                    Ok(row) => {
                        rows.push(row);
                        outcomes.push(Outcome::Done);
                    }
                    Err(reason) => outcomes.push(Outcome::Never(reason)),
                }
            }
            let (Some(last), false) = (records.last(), rows.is_empty()) else {
                return outcomes;
            };
            let partition = format!("{}-{:04x}", topic.epoch, last.partition);
            let end = last.offset + 1;
            let shared = Arc::clone(&self.shared);
            let written = blocking(move || {
                let now = Timestamp::now().as_millisecond();
                shared.change(|state| {
                    let next = state.offsets.entry(partition).or_default();
                    let from = std::mem::replace(next, end.max(*next));
                    for taken in rows.into_iter().filter(|taken| taken.offset >= from) {
                        state.windows.take(taken.span, taken.key, taken.row, now);
                    }
                    from
                })
            });
            let written = written.await;
            self.taken.notify_one();
            settle(records, &mut outcomes, &written);
            outcomes
        })
    }

    fn keep<'a>(
        &'a self,
        topic: &'a Topic,
        letters: &'a [Letter<'a>],
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let documents = letters::documents(topic, letters);
            let count = documents.len();
            let shared = Arc::clone(&self.shared);
            let kept = blocking(move || {
                let mut held = held(&shared.letters);
                let mut letters = match held.take() {
                    Some(letters) => letters,
                    None => Letters::open(&shared.settings.directory)?,
                };
                let new = letters.add(&documents)?;
                *held = Some(letters);
                Ok(new)
            });
            letters::outcomes(kept.await, count)
        })
    }

    fn work<'a>(&'a self, health: &'a Health) -> BoxFuture<'a, ()> {
        Box::pin(self.work(health))
    }

    fn told(&self) -> Option<Value> {
        let held = held(&self.shared.kept);
        let state = held.as_ref()?.state();
        Some(json!({
            "judged": state.windows.judged().map(|span| span.to_string()),
            "due": state.windows.due(),
            "unsent": state.due.is_some(),
            "last_mail": state.last_mail,
            "last_error": state.last_error,
        }))
    }
}

impl Alert {
    /// The row of a record; else why it can never be judged.
    fn row(&self, record: &Record) -> Result<Taken, String> {
        let value = record.value.as_deref().ok_or("the record has no value")?;
        let (span, row) = Row::read(value, &self.shared.settings.window)?;
        self.rules.hold(&row)?;
        let key = record.key.as_deref().unwrap_or_default();
        Ok(Taken {
            offset: record.offset,
            span,
            key: String::from_utf8_lossy(key).into_owned(),
            row,
        })
    }
}
