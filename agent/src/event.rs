//! An event as the producer makes it: who, when, which run, which number, and what was seen.

use jiff::Timestamp;
use serde::Serialize;

use crate::source::snapshot::Snapshot;

/// The version of an event's shape whose payload's fields stand among its own.
pub const SCHEMA: u32 = 1;

/// The version of an event's shape whose payload stands under the name of its kind: it may have a `timestamp`, too.
pub const NESTED: u32 = 2;

/// The most bytes of one event, below what Kafka takes by default (1 MB with the record's own overhead).
pub const MAX_BYTES: usize = 950_000;

/// One event.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    schema: u32,
    timestamp: String,
    client: &'a str,
    host: &'a str,
    run: &'a str,
    sequence: u64,
    #[serde(flatten)]
    payload: &'a Payload,
}

/// What an event carries.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Payload {
    /// A snapshot of the machine.
    Top(Box<Snapshot>),
    /// A line of the standard input; what was not UTF-8 is replaced.
    Line {
        /// The line without its end.
        line: String,
    },
    /// Somebody's login.
    Login {
        /// What was logged of it.
        login: Login,
    },
    /// What a truck tells of itself.
    Truck {
        /// Its figures.
        truck: Truck,
    },
    /// A numbered event that proves the way to `CouchDB`.
    Canary,
}

impl Payload {
    /// Returns the version of the shape of its events.
    fn schema(&self) -> u32 {
        match self {
            Self::Top(_) | Self::Line { .. } | Self::Canary => SCHEMA,
            Self::Login { .. } | Self::Truck { .. } => NESTED,
        }
    }
}

/// A login.
#[derive(Debug, Clone, Serialize)]
pub struct Login {
    /// Who it was.
    pub user_id: String,
    /// When it was, somewhere in 2022.
    pub timestamp: String,
    /// The browser.
    pub browser_info: &'static str,
    /// Where it came from.
    pub country: &'static str,
}

/// What a truck tells of itself.
#[derive(Debug, Clone, Serialize)]
pub struct Truck {
    /// When it tells that.
    pub timestamp: String,
    /// Kilometres since the run began.
    pub distance_covered: f64,
    /// Kilometres an hour.
    pub engine_speed: f64,
    /// Litres since the run began.
    pub fuel_consumed: f64,
}

/// A payload and the moment it was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// When the payload was taken.
    pub at: Timestamp,
    /// What was taken.
    pub payload: Payload,
}

impl Taken {
    /// Wraps a payload taken now.
    pub fn now(payload: Payload) -> Self {
        Self {
            at: Timestamp::now(),
            payload,
        }
    }
}

/// Who makes events and in which run.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The client's name.
    pub client: String,
    /// The machine's host name.
    pub host: String,
    /// The run's id.
    pub run: String,
}

impl Origin {
    /// Renders an event as one line of JSON of at most [`MAX_BYTES`], leaving out what does not fit: first the raw
    /// text, then the last processes. The flag says whether something was left out.
    ///
    /// # Errors
    /// When the payload cannot be written as JSON.
    pub fn render(&self, sequence: u64, taken: &Taken) -> Result<(String, bool), sonic_rs::Error> {
        let text = self.render_whole(sequence, taken)?;
        if text.len() <= MAX_BYTES {
            return Ok((text, false));
        }
        let Payload::Top(snapshot) = &taken.payload else {
            return Ok((text, false));
        };
        let mut snapshot = snapshot.clone();
        snapshot.raw = None;
        loop {
            let smaller = Taken {
                at: taken.at,
                payload: Payload::Top(snapshot.clone()),
            };
            let text = self.render_whole(sequence, &smaller)?;
            if text.len() <= MAX_BYTES || snapshot.processes.is_empty() {
                return Ok((text, true));
            }
            let kept = snapshot.processes.len() * MAX_BYTES / text.len();
            snapshot
                .processes
                .truncate(kept.min(snapshot.processes.len() - 1));
        }
    }

    fn render_whole(&self, sequence: u64, taken: &Taken) -> Result<String, sonic_rs::Error> {
        let schema = taken.payload.schema();
        sonic_rs::to_string(&Event {
            schema,
            timestamp: if schema == SCHEMA {
                format_timestamp(taken.at)
            } else {
                format_microseconds(taken.at)
            },
            client: &self.client,
            host: &self.host,
            run: &self.run,
            sequence,
            payload: &taken.payload,
        })
    }
}

/// Writes a moment as RFC 3339 in UTC with milliseconds.
pub fn format_timestamp(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Writes a moment as RFC 3339 in UTC with microseconds.
pub fn format_microseconds(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// Returns this machine's host name.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() {
        "unknown".to_owned()
    } else {
        name.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::source::snapshot::parse;

    fn origin() -> Origin {
        Origin {
            client: "vm1-1".into(),
            host: "h".into(),
            run: "r".into(),
        }
    }

    #[test]
    fn a_line_renders_with_its_fields_in_order() {
        let at: Timestamp = "2026-11-21T08:34:00.1239Z".parse().expect("a timestamp");
        let taken = Taken {
            at,
            payload: Payload::Line {
                line: "ö\"\u{0}".into(),
            },
        };
        let (text, cut) = origin().render(12, &taken).expect("renders");
        assert!(!cut);
        assert_eq!(
            text,
            r#"{"schema":1,"timestamp":"2026-11-21T08:34:00.123Z","client":"vm1-1","host":"h","run":"r","sequence":12,"kind":"line","line":"ö\"\u0000"}"#
        );
    }

    #[test]
    fn an_event_of_a_new_kind_has_its_payload_under_the_kind() {
        let at: Timestamp = "2026-11-21T08:34:00.1239Z".parse().expect("a timestamp");
        let login = Login {
            user_id: "user7".into(),
            timestamp: "2022-03-04T05:06:07.000008Z".into(),
            browser_info: "chrome",
            country: "India",
        };
        let payload = Payload::Login { login };
        let (text, cut) = origin()
            .render(12, &Taken { at, payload })
            .expect("renders");
        assert!(!cut);
        assert_eq!(
            text,
            r#"{"schema":2,"timestamp":"2026-11-21T08:34:00.123900Z","client":"vm1-1","host":"h","run":"r","sequence":12,"kind":"login","login":{"user_id":"user7","timestamp":"2022-03-04T05:06:07.000008Z","browser_info":"chrome","country":"India"}}"#
        );
    }

    #[test]
    fn every_character_comes_back_wherever_it_stands_in_a_line() {
        for length in [0, 1, 15, 16, 31, 32, 33, 63, 64, 65] {
            for character in (0..=0x7f).map(char::from).chain(['ö', '\u{2028}', '𝄞']) {
                let before = "x".repeat(length);
                let line = format!("{before}{character}{before}");
                let taken = Taken::now(Payload::Line { line: line.clone() });
                let (text, _) = origin().render(1, &taken).expect("renders");
                let value: serde_json::Value = serde_json::from_str(&text).expect("is JSON");
                assert_eq!(value["line"], line);
                assert!(!text.contains(|c| c < ' '), "{text:?}");
            }
        }
    }

    #[test]
    fn too_large_a_snapshot_loses_the_raw_text_then_processes() {
        let mut text = String::from(
            "top - 08:55:35 up 21 min,  0 user,  load average: 0.10, 0.85, 0.76\n\n  PID USER COMMAND\n",
        );
        for pid in 0..20_000 {
            writeln!(text, "{pid} root {}", "x".repeat(60)).expect("a text takes everything");
        }
        let mut snapshot = parse(&text);
        snapshot.raw = Some(text);
        let taken = Taken::now(Payload::Top(Box::new(snapshot)));
        let (text, cut) = origin().render(1, &taken).expect("renders");
        assert!(
            cut && text.len() <= MAX_BYTES && text.len() > MAX_BYTES / 2,
            "{}",
            text.len()
        );
        let value: serde_json::Value = serde_json::from_str(&text).expect("is JSON");
        assert_eq!(value["kind"], "top");
        assert!(value.get("raw").is_none());
        assert_eq!(value["processes"][0]["pid"], 0);
    }
}
