use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::*;

const GRACE: i64 = 10_000;
const COOLDOWN: i64 = 600_000;
const MINUTE: i64 = 60_000;

fn rules(cooldown: i64) -> Rules {
    let when = json!([["level", "=", "ERROR"], ["n", ">", 1]]);
    Rules {
        when: serde_json::from_value(when).expect("conditions"),
        grace: GRACE,
        cooldown,
    }
}

/// When there is something to be done next.
fn next(windows: &Windows, rules: &Rules) -> Option<i64> {
    let all = [windows.next_over(rules), windows.next_report()];
    all.into_iter().flatten().min()
}

/// The window of a minute of event time.
fn span(minute: i64) -> Span {
    let at = |minute: i64| Timestamp::from_millisecond(minute * MINUTE).expect("a time");
    Span {
        start: at(minute),
        end: at(minute + 1),
    }
}

fn row(level: &str, n: u64) -> Row {
    let columns = [("level", Value::from(level)), ("n", Value::from(n))];
    Row(columns.map(|(name, value)| (name.to_owned(), value)).into())
}

fn take(windows: &mut Windows, minute: i64, level: &str, n: u64, now: i64) {
    windows.take(
        span(minute),
        format!("{minute} {level}"),
        row(level, n),
        now,
    );
}

/// Judges and reports at a time: what is said, as `minute: rows`, with a mark where it is changed.
fn turn(windows: &mut Windows, rules: &Rules, now: i64) -> Vec<String> {
    windows.judge(rules, now);
    let reports = windows.report(rules, now).into_iter();
    let words = |report: Report| {
        let rows: Vec<String> = report.rows.iter().map(ToString::to_string).collect();
        let minute = report.span.start.as_millisecond() / MINUTE;
        let mark = if report.is_changed { " changed" } else { "" };
        let part = if report.is_whole { "" } else { " in part" };
        format!("{minute}{mark}{part}: {}", rows.join(" "))
    };
    reports.map(words).collect()
}

#[test]
fn a_window_is_reported_with_all_its_rows_once_a_later_one_has_come_and_the_grace_has_passed() {
    let (mut windows, rules) = (Windows::default(), rules(COOLDOWN));
    windows.begin(0);
    for (level, n, at) in [
        ("WARN", 20, 1),
        ("ERROR", 2, 2),
        ("INFO", 64, 3),
        ("ERROR", 6, 4),
    ] {
        take(&mut windows, 0, level, n, at);
    }
    assert_eq!(next(&windows, &rules), Some(4 + 2 * MINUTE));
    take(&mut windows, 1, "INFO", 1, 50_000);
    assert_eq!(next(&windows, &rules), Some(50_000 + GRACE));
    assert!(turn(&mut windows, &rules, 50_000 + GRACE - 1).is_empty());
    let said = turn(&mut windows, &rules, 50_000 + GRACE);
    assert_eq!(said, ["0: (ERROR,6) (INFO,64) (WARN,20)"]);
    assert_eq!((windows.judged(), windows.due()), (Some(span(0)), 0));
}

#[test]
fn without_later_rows_a_window_is_over_after_twice_its_time_of_silence() {
    let (mut windows, rules) = (Windows::default(), rules(COOLDOWN));
    windows.begin(0);
    take(&mut windows, 7, "ERROR", 2, 100);
    assert!(turn(&mut windows, &rules, 99 + 2 * MINUTE).is_empty());
    assert_eq!(
        turn(&mut windows, &rules, 100 + 2 * MINUTE),
        ["7: (ERROR,2)"]
    );
    assert_eq!(next(&windows, &rules), None);
}

#[test]
fn silence_shorter_than_the_grace_ends_no_window() {
    let rules = Rules {
        grace: 3 * MINUTE,
        ..rules(0)
    };
    let mut windows = Windows::default();
    windows.begin(0);
    take(&mut windows, 7, "ERROR", 2, 100);
    assert!(turn(&mut windows, &rules, 99 + 3 * MINUTE).is_empty());
    assert_eq!(
        turn(&mut windows, &rules, 100 + 3 * MINUTE),
        ["7: (ERROR,2)"]
    );
}

#[test]
fn a_window_below_the_threshold_says_nothing_until_late_rows_take_it_over() {
    let (mut windows, rules) = (Windows::default(), rules(0));
    take(&mut windows, 0, "ERROR", 1, 0);
    take(&mut windows, 1, "INFO", 9, 0);
    assert!(turn(&mut windows, &rules, GRACE).is_empty());
    assert_eq!(windows.judged(), Some(span(0)));
    take(&mut windows, 0, "ERROR", 2, 20_000);
    assert!(turn(&mut windows, &rules, 20_000 + GRACE - 1).is_empty());
    assert_eq!(turn(&mut windows, &rules, 20_000 + GRACE), ["0: (ERROR,2)"]);
}

#[test]
fn late_rows_make_a_second_report_that_says_so_and_the_same_rows_make_none() {
    let (mut windows, rules) = (Windows::default(), rules(0));
    take(&mut windows, 0, "ERROR", 2, 0);
    take(&mut windows, 1, "INFO", 9, 0);
    assert_eq!(turn(&mut windows, &rules, GRACE), ["0: (ERROR,2)"]);
    // As after a crash of what writes them.
    take(&mut windows, 0, "ERROR", 1, 20_000);
    take(&mut windows, 0, "ERROR", 2, 20_001);
    assert!(turn(&mut windows, &rules, 90_000).is_empty());
    take(&mut windows, 0, "ERROR", 3, 100_000);
    assert_eq!(
        turn(&mut windows, &rules, 100_000 + GRACE),
        ["0 changed: (ERROR,3)"]
    );
}

#[test]
fn what_falls_into_the_cooldown_is_reported_together_at_its_end() {
    let (mut windows, rules) = (Windows::default(), rules(COOLDOWN));
    for minute in 0..5 {
        take(&mut windows, minute, "ERROR", 2, 0);
    }
    let first = GRACE;
    assert_eq!(
        turn(&mut windows, &rules, first).len(),
        4,
        "all that is over"
    );
    take(&mut windows, 5, "ERROR", 7, 5 * MINUTE);
    take(&mut windows, 6, "ERROR", 1, 6 * MINUTE);
    take(&mut windows, 0, "WARN", 1, 6 * MINUTE);
    assert!(turn(&mut windows, &rules, 9 * MINUTE).is_empty());
    assert_eq!(windows.due(), 3);
    assert_eq!(next(&windows, &rules), Some(first + COOLDOWN));
    assert!(turn(&mut windows, &rules, first + COOLDOWN - 1).is_empty());
    let said = turn(&mut windows, &rules, first + COOLDOWN);
    let wanted = [
        "0 changed: (ERROR,2) (WARN,1)",
        "4: (ERROR,2)",
        "5: (ERROR,7)",
    ];
    assert_eq!(said, wanted);
}

#[test]
fn a_restart_waits_anew_and_forgets_nothing() {
    let (mut windows, rules) = (Windows::default(), rules(COOLDOWN));
    take(&mut windows, 0, "ERROR", 2, 0);
    take(&mut windows, 1, "ERROR", 3, 0);
    let kept = serde_json::to_string(&windows).expect("JSON");
    let mut windows: Windows = serde_json::from_str(&kept).expect("is read");
    let start = 3_600_000;
    windows.begin(start);
    assert!(turn(&mut windows, &rules, start + GRACE - 1).is_empty());
    assert_eq!(turn(&mut windows, &rules, start + GRACE), ["0: (ERROR,2)"]);
    let kept = serde_json::to_string(&windows).expect("JSON");
    let mut windows: Windows = serde_json::from_str(&kept).expect("is read");
    windows.begin(start + GRACE);
    assert!(turn(&mut windows, &rules, start + GRACE + 2 * MINUTE).is_empty());
    assert_eq!(windows.due(), 1, "it waits for the end of the cooldown");
    assert_eq!(
        turn(&mut windows, &rules, start + GRACE + COOLDOWN),
        ["1: (ERROR,3)"]
    );
}

#[test]
fn what_is_no_longer_remembered_is_reported_again_and_said_to_be_a_part() {
    let (mut windows, rules) = (Windows::default(), rules(0));
    let many = i64::try_from(REMEMBERED).expect("a number") + 2;
    for minute in 0..many {
        take(&mut windows, minute, "WARN", 1, 0);
    }
    assert!(turn(&mut windows, &rules, GRACE).is_empty());
    assert_eq!(windows.all.len(), REMEMBERED + 1);
    take(&mut windows, 0, "ERROR", 2, 20_000);
    assert_eq!(turn(&mut windows, &rules, 40_000), ["0 in part: (ERROR,2)"]);
}

/// Whatever comes in whatever order, with restarts: each window whose last rows are an alert was reported with these, none twice
/// with the same, and never two reports within a cooldown.
#[test]
fn nothing_is_missed_and_nothing_said_twice() {
    for seed in 0..300 {
        let mut chance = StdRng::seed_from_u64(seed);
        let rules = rules(chance.random_range(0..5) * MINUTE);
        let mut windows = Windows::default();
        let mut rows: BTreeMap<i64, BTreeMap<String, Row>> = BTreeMap::new();
        let mut said: BTreeMap<i64, Vec<Vec<Row>>> = BTreeMap::new();
        let mut reported: Option<i64> = None;
        let mut now = 0;
        windows.begin(now);
        let mut report = |windows: &mut Windows, now: i64| {
            windows.judge(&rules, now);
            let reports = windows.report(&rules, now);
            if !reports.is_empty() {
                let apart = reported.is_none_or(|last| now - last >= rules.cooldown);
                assert!(apart, "seed {seed}: within the cooldown");
                reported = Some(now);
            }
            for report in reports {
                let minute = report.span.start.as_millisecond() / MINUTE;
                let before = said.entry(minute).or_default();
                assert_eq!(report.is_changed, !before.is_empty(), "seed {seed}");
                assert_ne!(before.last(), Some(&report.rows), "seed {seed}: said twice");
                before.push(report.rows);
            }
        };
        for _ in 0..chance.random_range(1..200) {
            now += chance.random_range(0..40_000);
            match chance.random_range(0..10) {
                0 => {
                    let kept = serde_json::to_string(&windows).expect("JSON");
                    windows = serde_json::from_str(&kept).expect("is read");
                    windows.begin(now);
                }
                1..5 => report(&mut windows, now),
                _ => {
                    let minute = (now / MINUTE - chance.random_range(0..3)).max(0);
                    let level = ["ERROR", "WARN", "INFO"][chance.random_range(0..3)];
                    let n = chance.random_range(1..4);
                    take(&mut windows, minute, level, n, now);
                    let own = rows.entry(minute).or_default();
                    own.insert(format!("{minute} {level}"), row(level, n));
                }
            }
        }
        while let Some(next) = next(&windows, &rules) {
            now = now.max(next);
            report(&mut windows, now);
        }
        for (minute, rows) in rows {
            let rows: Vec<Row> = rows.into_values().collect();
            if rows.iter().any(|row| rules.hold(row) == Ok(true)) {
                let last = said.get(&minute).and_then(|said| said.last());
                assert_eq!(last, Some(&rows), "seed {seed}, minute {minute}");
            }
        }
    }
}
