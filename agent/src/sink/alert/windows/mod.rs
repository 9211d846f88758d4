//! When a window is over, whether it is reported, and when. Pure: the clock is given, in milliseconds.
//!
//! A window is over once a row of a later one has come, and the grace has passed since; or, where none comes, after two windows'
//! time without any row, and no less than the grace: a stream may be slower than its windows. Then it is judged. Rows that come later open it again. What is to be reported waits for the end of the
//! cooldown, which begins with each report.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::condition::Condition;
use super::row::{Row, Span};

/// How many windows that are settled are remembered, for rows that come late.
const REMEMBERED: usize = 256;

/// How windows are judged and reported.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// What must be true of one row of a window.
    pub(super) when: Vec<Condition>,
    /// Milliseconds that are waited for late rows.
    pub(super) grace: i64,
    /// Milliseconds from a report to the next one, at least.
    pub(super) cooldown: i64,
}

impl Rules {
    /// Whether there is an alert because of a row; else why that cannot be said.
    pub(super) fn hold(&self, row: &Row) -> Result<bool, String> {
        let mut all = true;
        for condition in &self.when {
            all &= condition.holds(row)?;
        }
        Ok(all)
    }
}

/// A window.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Window {
    span: Span,
    /// By their keys.
    rows: BTreeMap<String, Row>,
    /// Nothing has changed since it was judged.
    is_judged: bool,
    /// It is to be reported.
    is_due: bool,
    /// What was reported of it, as a hash.
    reported: Option<String>,
    /// It was not forgotten before, with rows that are missing now.
    is_whole: bool,
    /// When its end was first known to have passed; a restart begins anew.
    #[serde(skip)]
    passed: Option<i64>,
}

impl Window {
    fn new(span: Span, is_whole: bool) -> Self {
        Self {
            span,
            rows: BTreeMap::new(),
            is_judged: false,
            is_due: false,
            reported: None,
            is_whole,
            passed: None,
        }
    }

    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (key, row) in &self.rows {
            hash.update(format!("{key:?}{row:?}"));
        }
        format!("{:x}", hash.finalize())
    }
}

/// What is known of all windows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Windows {
    /// In their order.
    all: Vec<Window>,
    /// The latest beginning of a window: so far has the time of events come.
    reached: Option<Timestamp>,
    /// The latest end of a window that is remembered no more.
    forgotten: Option<Timestamp>,
    /// The one that was judged last.
    judged: Option<Span>,
    /// When the cooldown ends.
    cool: Option<i64>,
    /// When the last row came; a restart begins anew.
    #[serde(skip)]
    heard: i64,
}

/// A window as it is reported.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    pub(super) span: Span,
    /// In the order of their keys.
    pub(super) rows: Vec<Row>,
    /// It was reported before, with other rows.
    pub(super) is_changed: bool,
    /// All its rows are there.
    pub(super) is_whole: bool,
}

impl Windows {
    /// Begins to wait, at the start of the process: what came meanwhile has not been read yet.
    pub(super) fn begin(&mut self, now: i64) {
        self.heard = now;
        self.wind(now);
    }

    /// Takes a row; one of the same key is replaced.
    pub(super) fn take(&mut self, span: Span, key: String, row: Row, now: i64) {
        self.heard = now;
        self.reached = self.reached.max(Some(span.start));
        let is_whole = self.forgotten.is_none_or(|end| span.start >= end);
        let at = match self.all.binary_search_by_key(&span, |window| window.span) {
            Ok(at) => at,
            Err(at) => {
                self.all.insert(at, Window::new(span, is_whole));
                at
            }
        };
        let window = &mut self.all[at];
        if window.rows.get(&key) != Some(&row) {
            window.rows.insert(key, row);
            if window.is_judged {
                window.is_judged = false;
                window.passed = None;
            }
        }
        self.wind(now);
    }

    /// Notes which windows have ended by the time of events.
    fn wind(&mut self, now: i64) {
        let Some(reached) = self.reached else { return };
        for window in &mut self.all {
            if !window.is_judged && window.span.end <= reached {
                window.passed.get_or_insert(now);
            }
        }
    }

    /// When a window is over, as far as it is known now.
    fn over(&self, window: &Window, rules: &Rules) -> i64 {
        let silence = window.span.length().saturating_mul(2);
        let silent = self.heard.saturating_add(silence.max(rules.grace));
        let passed = window
            .passed
            .map(|passed| passed.saturating_add(rules.grace));
        passed.map_or(silent, |passed| passed.min(silent))
    }

    /// When a window is over next.
    pub(super) fn next_over(&self, rules: &Rules) -> Option<i64> {
        let open = self.all.iter().filter(|window| !window.is_judged);
        open.map(|window| self.over(window, rules)).min()
    }

    /// When there is something to be reported next.
    pub(super) fn next_report(&self) -> Option<i64> {
        let is_due = self.all.iter().any(|window| window.is_due);
        is_due.then(|| self.cool.unwrap_or(i64::MIN))
    }

    /// Judges the windows that are over. Returns whether there were any.
    pub(super) fn judge(&mut self, rules: &Rules, now: i64) -> bool {
        let is_over = |window: &&Window| !window.is_judged && self.over(window, rules) <= now;
        let over: Vec<Span> = self
            .all
            .iter()
            .filter(is_over)
            .map(|window| window.span)
            .collect();
        for window in &mut self.all {
            if !over.contains(&window.span) {
                continue;
            }
            window.is_judged = true;
            let mut rows = window.rows.values();
            // What cannot be judged is not taken in.
            let is_alert = rows.any(|row| rules.hold(row).unwrap_or(false));
            if is_alert && window.reported.as_ref() != Some(&window.hash()) {
                window.is_due = true;
            }
        }
        self.judged = over.last().copied().or(self.judged);
        self.forget();
        !over.is_empty()
    }

    /// Forgets the oldest of those that are settled.
    fn forget(&mut self) {
        let settled = |window: &Window| window.is_judged && !window.is_due;
        let count = self.all.iter().filter(|window| settled(window)).count();
        let mut left = count.saturating_sub(REMEMBERED);
        for window in self.all.extract_if(.., |window| {
            let is_one = left > 0 && settled(window);
            left -= usize::from(is_one);
            is_one
        }) {
            self.forgotten = self.forgotten.max(Some(window.span.end));
        }
    }

    /// Takes what is to be reported now; nothing while it is cool. The cooldown begins anew.
    pub(super) fn report(&mut self, rules: &Rules, now: i64) -> Vec<Report> {
        if self.cool.is_some_and(|cool| now < cool) {
            return Vec::new();
        }
        let due = self.all.iter_mut().filter(|window| window.is_due);
        let reports: Vec<Report> = due
            .map(|window| {
                let before = window.reported.replace(window.hash());
                window.is_due = false;
                Report {
                    span: window.span,
                    rows: window.rows.values().cloned().collect(),
                    is_changed: before.is_some(),
                    is_whole: window.is_whole,
                }
            })
            .collect();
        if !reports.is_empty() {
            self.cool = Some(now.saturating_add(rules.cooldown));
        }
        reports
    }

    /// The window that was judged last.
    pub(super) fn judged(&self) -> Option<Span> {
        self.judged
    }

    /// How many windows wait for their report.
    pub(super) fn due(&self) -> usize {
        self.all.iter().filter(|window| window.is_due).count()
    }
}

#[cfg(test)]
mod tests;
