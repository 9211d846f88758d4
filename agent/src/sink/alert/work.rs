//! What an alert does by the clock: windows are judged, and mails sent.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until};

use super::state::{Due, State};
use super::{Alert, Shared, report};
use crate::backoff::Backoff;
use crate::mail::Refusal;
use crate::observe::Health;
use crate::sink::disk::{blocking, held};

/// The first and the longest wait after a mail was not taken, or the disk took nothing.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// The longest time in which nobody looks at the clock again: it may be set.
const LOOK: Duration = Duration::from_secs(30);

/// What is to be done next.
struct Turn {
    /// The mail that is to be sent.
    due: Option<Due>,
    /// Whether a mail of trial is to be sent.
    is_trial: bool,
    /// When a window is over, or to be reported.
    next: Option<i64>,
}

impl Shared {
    /// Judges what is over now, and writes the mail that is due.
    fn turn(&self) -> io::Result<Turn> {
        let now = Timestamp::now();
        let (at, rules) = (now.as_millisecond(), self.settings.rules());
        let is_past = |time: Option<i64>| time.is_some_and(|time| time <= at);
        let mut held = held(&self.kept);
        let mut kept = match held.take() {
            Some(kept) => kept,
            None => self.read()?,
        };
        let report = |state: &State| state.windows.next_report().filter(|_| state.due.is_none());
        let state = kept.state();
        if is_past(state.windows.next_over(&rules)) || is_past(report(state)) {
            kept.change(|state| {
                state.windows.judge(&rules, at);
                if !is_past(report(state)) {
                    return;
                }
                let reports = state.windows.report(&rules, at);
                let mail = report::mail(&self.settings, &reports, now);
                let left = mail.to.clone();
                state.due = Some(Due { mail, left });
            })?;
        }
        let state = kept.state();
        let next = [state.windows.next_over(&rules), report(state)];
        let turn = Turn {
            due: state.due.clone(),
            is_trial: state.tested.as_ref() != Some(&self.settings.mark),
            next: next.into_iter().flatten().min(),
        };
        *held = Some(kept);
        Ok(turn)
    }
}

impl Alert {
    /// Judges and sends as long as the consumer runs.
    pub(super) async fn work(&self, health: &Health) {
        let alarm = format!("mail of alert {}", self.shared.settings.title);
        let fresh = || Backoff::new(WAITS.0, WAITS.1);
        let (mut waits, mut again, mut trial) = (fresh(), None, None);
        loop {
            let shared = Arc::clone(&self.shared);
            let turn = match blocking(move || shared.turn()).await {
                Ok(turn) => turn,
                Err(error) => {
                    health.raise(&alarm, format!("its file cannot be written: {error}"));
                    sleep(waits.next_wait()).await;
                    continue;
                }
            };
            if !turn.is_trial {
                trial = None;
            } else if trial.is_none() {
                let mail = report::trial(&self.shared.settings, Timestamp::now());
                let left = mail.to.clone();
                trial = Some(Due { mail, left });
            }
            let has_mail = turn.due.is_some() || trial.is_some();
            if !has_mail || again.is_some_and(|again| Instant::now() < again) {
                self.wait(turn.next, again.filter(|_| has_mail)).await;
                continue;
            }
            match self.send_all(turn.due, trial.as_mut()).await {
                Ok(()) => {
                    (waits, again) = (fresh(), None);
                    health.clear(&alarm);
                }
                Err(why) => {
                    if waits.attempt().is_power_of_two() || waits.attempt() == 0 {
                        tracing::error!(alarm, why, "mail is not taken; nothing is lost");
                    }
                    health.raise(&alarm, why.as_str());
                    self.note(|state| state.last_error = Some(why)).await;
                    again = Some(Instant::now() + waits.next_wait());
                }
            }
        }
    }

    /// Waits until there is something to be done, or records have come.
    async fn wait(&self, next: Option<i64>, again: Option<Instant>) {
        let left = next.map(|next| next.saturating_sub(Timestamp::now().as_millisecond()));
        let left = left.map(|left| Duration::from_millis(u64::try_from(left).unwrap_or(0)));
        let mut until = Instant::now() + left.map_or(LOOK, |left| left.min(LOOK));
        if let Some(again) = again {
            until = until.min(again);
        }
        tokio::select! {
            () = sleep_until(until) => {}
            () = self.taken.notified() => {}
        }
    }

    /// Sends all that is to be sent; else says why that was not possible.
    async fn send_all(&self, due: Option<Due>, trial: Option<&mut Due>) -> Result<(), String> {
        if let Some(mut due) = due {
            let refusals = self.send(&mut due).await;
            let all = due.mail.to.len();
            // Who gets none for good keeps it from nobody else. Where nobody gets it, somebody must act.
            let is_over = due.left.is_empty()
                || (due.left.len() < all
                    && refusals
                        .iter()
                        .all(|(_, one)| matches!(one, Refusal::ForGood(_))));
            let left = (!is_over).then_some(due);
            self.note(move |state| state.due = left).await;
            said(&refusals)?;
        }
        if let Some(trial) = trial {
            let refusals = self.send(trial).await;
            said(&refusals)?;
            let mark = self.shared.settings.mark.clone();
            self.note(move |state| state.tested = Some(mark)).await;
        }
        self.note(|state| state.last_error = None).await;
        Ok(())
    }

    /// Sends a mail to all who do not have it; says who does not get it now.
    async fn send(&self, due: &mut Due) -> Vec<(String, Refusal)> {
        let mut refusals = Vec::new();
        for to in due.left.clone() {
            match self.mailer.send(&due.mail, &to).await {
                Ok(()) => {
                    tracing::info!(to, subject = due.mail.subject, "mail is sent");
                    due.left.retain(|one| *one != to);
                    let (id, left) = (due.mail.id.clone(), due.left.clone());
                    self.note(move |state| {
                        state.last_mail = Some(Timestamp::now());
                        let same = state.due.as_mut().filter(|due| due.mail.id == id);
                        if let Some(due) = same {
                            due.left = left;
                        }
                    })
                    .await;
                }
                Err(refusal) => refusals.push((to, refusal)),
            }
        }
        refusals
    }

    /// Notes something in the state. What the disk does not take is noted by the next turn: a mail may be sent twice.
    async fn note(&self, change: impl FnOnce(&mut State) + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        if let Err(error) = blocking(move || shared.change(change)).await {
            tracing::error!(%error, "the alert's file cannot be written; mails may be sent again");
        }
    }
}

fn said(refusals: &[(String, Refusal)]) -> Result<(), String> {
    let words = refusals.iter().map(|(to, why)| format!("{to}: {why}"));
    let words: Vec<String> = words.collect();
    if words.is_empty() {
        return Ok(());
    }
    Err(words.join("; "))
}
