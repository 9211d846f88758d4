//! The text of an alert's mails.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::Settings;
use super::windows::Report;
use crate::mail::Mail;

/// The most rows and windows that a mail shows: there may have been no relay for days.
const ROWS: usize = 1000;
const WINDOWS: usize = 500;

/// The mail about some windows; one at least.
pub(super) fn mail(settings: &Settings, reports: &[Report], at: Timestamp) -> Mail {
    let changed = reports.iter().filter(|report| report.is_changed).count();
    let of_subject = match (reports.len(), changed) {
        (1, 0) => String::new(),
        (1, _) => " (changed by late rows)".to_owned(),
        (all, 0) => format!(" ({all} windows)"),
        (all, changed) => format!(" ({all} windows, {changed} changed by late rows)"),
    };
    let mut text = head(settings);
    for report in reports.iter().take(WINDOWS) {
        let _ = write!(text, "\n{}", report.span);
        if report.is_changed {
            text.push_str(", changed by late rows since it was reported");
        }
        if !report.is_whole {
            text.push_str(", of which only rows that came very late are still known");
        }
        text.push('\n');
        for row in report.rows.iter().take(ROWS) {
            let _ = writeln!(text, "{row}");
        }
        let more = report.rows.len().saturating_sub(ROWS);
        if more > 0 {
            let _ = writeln!(text, "and {more} rows more");
        }
    }
    if let [first, .., last] = reports.get(WINDOWS..).unwrap_or_default() {
        let more = reports.len() - WINDOWS;
        let (start, end) = (first.span.start, last.span.end);
        let _ = writeln!(text, "\nand {more} windows more, {start} to {end}");
    } else if let Some(last) = reports.get(WINDOWS) {
        let _ = writeln!(text, "\nand {}", last.span);
    }
    made(settings, of_subject.as_str(), "", text, at)
}

/// The mail by which is seen that mails arrive.
pub(super) fn trial(settings: &Settings, at: Timestamp) -> Mail {
    let mut text = head(settings);
    text.push_str(
        "\nThis is a TEST: the alert or how its mail is sent was changed. Nothing has happened.\n",
    );
    made(settings, "", "TEST | ", text, at)
}

fn head(settings: &Settings) -> String {
    let conditions: Vec<String> = settings.when.iter().map(ToString::to_string).collect();
    format!("{}: {}\n", settings.title, conditions.join(", "))
}

fn made(settings: &Settings, after: &str, before: &str, text: String, at: Timestamp) -> Mail {
    Mail {
        id: format!("alert-{:016x}", rand::random::<u64>()),
        at,
        subject: format!("{before}{}{after}", settings.subject),
        text,
        to: settings.to.clone(),
    }
}
