//! When a program runs: cron's five fields as an inventory has them, in the words of systemd's timers.

/// A field: its smallest and largest number, and the names that stand for numbers from the first on.
struct Field {
    first: u32,
    last: u32,
    names: &'static [&'static str],
    names_from: u32,
}

const MINUTES: Field = Field::of(0, 59);
const HOURS: Field = Field::of(0, 23);
const DAYS: Field = Field::of(1, 31);
const MONTHS: Field = Field {
    names: &[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
    names_from: 1,
    ..Field::of(1, 12)
};
/// Both 0 and 7 are Sunday.
const WEEKDAYS: Field = Field {
    names: &WEEK,
    ..Field::of(0, 7)
};
const WEEK: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Field {
    const fn of(first: u32, last: u32) -> Self {
        Self {
            first,
            last,
            names: &[],
            names_from: 0,
        }
    }

    /// All numbers that a field says; `None`: it says more than numbers, names, lists, ranges and steps.
    fn numbers(&self, text: &str) -> Option<Vec<u32>> {
        let mut numbers = Vec::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step.parse::<u32>().ok()?)),
                None => (part, None),
            };
            let (from, to) = match range.split_once('-') {
                Some((from, to)) => (self.number(from)?, self.number(to)?),
                None if range == "*" => (self.first, self.last),
                None => {
                    let from = self.number(range)?;
                    (from, if step.is_some() { self.last } else { from })
                }
            };
            let step = step.unwrap_or(1);
            if step == 0 || from > to {
                return None;
            }
            let step = usize::try_from(step).ok()?;
            numbers.extend((from..=to).step_by(step));
        }
        numbers.sort_unstable();
        numbers.dedup();
        Some(numbers)
    }

    fn number(&self, text: &str) -> Option<u32> {
        let upper = text.to_uppercase();
        let named = (self.names_from..).zip(self.names);
        let named = named.into_iter().find(|(_, name)| **name == upper);
        let number = match named {
            Some((number, _)) => number,
            None => text.parse().ok()?,
        };
        (self.first..=self.last).contains(&number).then_some(number)
    }
}

/// The times of a schedule as a timer's `OnCalendar=` has them: two where it says days of the month and of the week, either of which
/// will do. `None`: a timer cannot say it.
pub(super) fn calendar(schedule: &str) -> Option<Vec<String>> {
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays] = fields[..] else {
        return None;
    };
    let said = |field: &Field, text: &str| -> Option<String> {
        let numbers = field.numbers(text)?;
        Some(match text {
            "*" => "*".to_owned(),
            _ => joined(numbers.iter().map(ToString::to_string)),
        })
    };
    let clock = format!(
        "{}:{}:00 UTC",
        said(&HOURS, hours)?,
        said(&MINUTES, minutes)?
    );
    let month = said(&MONTHS, months)?;
    let day = said(&DAYS, days)?;
    let week = WEEKDAYS.numbers(weekdays)?.into_iter();
    let week: Vec<usize> = week.map(|day| day as usize % WEEK.len()).collect();
    let week = joined(week.into_iter().map(|day| WEEK[day].to_owned()));
    Some(match (days, weekdays) {
        (_, "*") => vec![format!("*-{month}-{day} {clock}")],
        ("*", _) => vec![format!("{week} *-{month}-* {clock}")],
        _ => vec![
            format!("*-{month}-{day} {clock}"),
            format!("{week} *-{month}-* {clock}"),
        ],
    })
}

fn joined(words: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = Vec::new();
    for word in words {
        if !all.contains(&word) {
            all.push(word);
        }
    }
    all.join(",")
}

#[cfg(test)]
mod tests {
    use super::calendar;

    #[test]
    fn each_field_of_cron_is_said_to_a_timer() {
        for (schedule, said) in [
            ("20 * * * *", &["*-*-* *:20:00 UTC"][..]),
            ("*/20 6-8 * * *", &["*-*-* 6,7,8:0,20,40:00 UTC"]),
            ("0 0 1 jan,6 *", &["*-1,6-1 0:0:00 UTC"]),
            ("5 4 * * 0-1,7", &["SUN,MON *-*-* 4:5:00 UTC"]),
            ("5 4 * * mon-FRI", &["MON,TUE,WED,THU,FRI *-*-* 4:5:00 UTC"]),
            (
                "0 12 13 * 5",
                &["*-*-13 12:0:00 UTC", "FRI *-*-* 12:0:00 UTC"],
            ),
            ("50/5 * * * *", &["*-*-* *:50,55:00 UTC"]),
        ] {
            assert_eq!(calendar(schedule).unwrap_or_default(), said, "{schedule}");
        }
        for other in [
            "",
            "* * * *",
            "60 * * * *",
            "0 0 L * *",
            "0 0 * * 5#1",
            "9-3 * * * *",
            "*/0 * * * *",
        ] {
            assert_eq!(calendar(other), None, "{other}");
        }
    }
}
