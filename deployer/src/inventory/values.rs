//! Values that are written as texts: spans of time, and settings that are passed on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A span of time, written as a whole number and a unit: `500ms`, `1s`, `5m`, `12h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeSpan {
    milliseconds: u64,
}

impl TimeSpan {
    const UNITS: [(&str, u64); 5] = [
        ("ms", 1),
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
    ];

    /// A span of so many milliseconds.
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self { milliseconds }
    }

    /// A span of so many seconds.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self::from_milliseconds(seconds.saturating_mul(1000))
    }

    /// A span of so many days.
    pub const fn from_days(days: u64) -> Self {
        Self::from_seconds(days.saturating_mul(86_400))
    }

    /// Its length in milliseconds.
    pub const fn milliseconds(self) -> u64 {
        self.milliseconds
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = Self::UNITS
            .into_iter()
            .rev()
            .find(|(_, factor)| self.milliseconds > 0 && self.milliseconds.is_multiple_of(*factor))
            .unwrap_or(Self::UNITS[0]);
        write!(formatter, "{}{unit}", self.milliseconds / factor)
    }
}

impl TryFrom<String> for TimeSpan {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.trim_start_matches(|one: char| one.is_ascii_digit());
        let (number, unit) = text.split_at(text.len() - digits.len());
        let factor = Self::UNITS.into_iter().find(|(name, _)| *name == unit);
        let Some((_, factor)) = factor.filter(|_| !number.is_empty()) else {
            return Err(
                "is not a span of time: a whole number and a unit, such as `500ms`, `1s`, `5m`, `12h`, `7d`"
                    .to_owned(),
            );
        };
        // A hundred years and more are a mistake, and this far below the limits of all who calculate with it.
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .filter(|milliseconds| *milliseconds <= 36_500 * 86_400_000)
            .map(Self::from_milliseconds)
            .ok_or_else(|| "is longer than a hundred years".to_owned())
    }
}

impl From<TimeSpan> for String {
    fn from(span: TimeSpan) -> Self {
        span.to_string()
    }
}

impl JsonSchema for TimeSpan {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TimeSpan".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "time-span", "examples": ["500ms", "1s", "7d"]})
    }
}

/// The value of a setting that is passed on as text. In the file it may be a text, a number, or true or false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Scalar", into = "String")]
pub struct Setting(pub String);

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Boolean(bool),
    Number(serde_json::Number),
}

impl From<Scalar> for Setting {
    fn from(scalar: Scalar) -> Self {
        Self(match scalar {
            Scalar::Text(text) => text,
            Scalar::Boolean(value) => value.to_string(),
            Scalar::Number(number) => number.to_string(),
        })
    }
}

impl From<Setting> for String {
    fn from(setting: Setting) -> Self {
        setting.0
    }
}

impl JsonSchema for Setting {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"], "format": "setting"})
    }
}

/// One word, or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMore")]
pub struct Words(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Words {
    fn from(said: OneOrMore) -> Self {
        match said {
            OneOrMore::One(word) => Self(vec![word]),
            OneOrMore::More(words) => Self(words),
        }
    }
}

impl JsonSchema for Words {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Words".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "array"], "items": {"type": "string"}})
    }
}

/// A duration such as `7d` or `36h`; a day has 24 hours.
pub(super) fn duration(text: &str) -> Option<std::time::Duration> {
    let span: jiff::Span = text.parse().ok()?;
    let duration = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .ok()?;
    std::time::Duration::try_from(duration).ok()
}

/// Settings as the texts that are written into configuration files.
pub fn texts(settings: &BTreeMap<String, Setting>) -> BTreeMap<String, String> {
    settings
        .iter()
        .map(|(name, value)| (name.clone(), value.0.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::TimeSpan;

    #[test]
    fn time_spans_are_shown_in_their_largest_unit() {
        for text in ["0ms", "500ms", "1500ms", "1s", "90s", "2m", "36h", "7d"] {
            let span = TimeSpan::try_from(text.to_owned()).expect("a span");
            assert_eq!(span.to_string(), text);
        }
        let minute = TimeSpan::try_from("60s".to_owned()).expect("a span");
        assert_eq!(
            (minute.milliseconds(), minute.to_string().as_str()),
            (60_000, "1m")
        );
    }
}
