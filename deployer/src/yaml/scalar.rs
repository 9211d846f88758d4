//! What a word without quotes means by itself: YAML 1.2's core schema, in which `yes`, `no` and `on` are texts.

use serde_json::{Number, Value};

/// The meaning of a word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Meaning {
    /// Nothing: an empty place, `~` or `null`.
    Nothing,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Whole(i128),
    /// Another number, or one that is written with a point or an exponent.
    Number(f64),
    /// A text.
    Text,
}

impl Meaning {
    /// What a word means.
    pub fn of(word: &str) -> Self {
        match word {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Nothing,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            ".nan" | ".NaN" | ".NAN" => return Self::Number(f64::NAN),
            _ => {}
        }
        let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
        match unsigned {
            ".inf" | ".Inf" | ".INF" => {
                let negative = word.starts_with('-');
                return Self::Number(if negative {
                    f64::NEG_INFINITY
                } else {
                    f64::INFINITY
                });
            }
            _ => {}
        }
        for (prefix, radix) in [("0x", 16), ("0o", 8)] {
            if let Some(digits) = word.strip_prefix(prefix)
                && !digits.starts_with(['+', '-'])
                && let Ok(number) = i128::from_str_radix(digits, radix)
            {
                return Self::Whole(number);
            }
        }
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
        if unsigned.len() > 1 && digits(unsigned) && unsigned.starts_with('0') {
            // To some a number in octal, to some in decimal, and most likely no number at all.
            return Self::Text;
        }
        if digits(unsigned) {
            // What is longer than this is as wrong wherever a number is wanted.
            return word
                .parse()
                .map_or(Self::Number(f64::INFINITY), Self::Whole);
        }
        let (mantissa, exponent) = unsigned
            .split_once(['e', 'E'])
            .map_or((unsigned, None), |(left, right)| (left, Some(right)));
        let exponent_good =
            exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)));
        let mantissa_good = match mantissa.split_once('.') {
            None => digits(mantissa),
            Some((whole, part)) => {
                (digits(whole) || whole.is_empty() && !part.is_empty())
                    && (digits(part) || part.is_empty())
            }
        };
        if mantissa_good && exponent_good {
            return word.parse().map_or(Self::Text, Self::Number);
        }
        Self::Text
    }

    /// The whole number that it is, however it is written: `2.0`, `1e9`.
    pub fn whole(self) -> Option<i128> {
        match self {
            Self::Whole(number) => Some(number),
            // Up to here each whole number has a float of its own.
            Self::Number(number)
                if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 =>
            {
                format!("{number:.0}").parse().ok()
            }
            _ => None,
        }
    }

    /// The value as `serde_yaml` has it; a number that it would write in another way is a text.
    pub(super) fn to_yaml(self, word: &str) -> serde_yaml::Value {
        let number: Option<serde_yaml::Value> = match self {
            Self::Nothing => return serde_yaml::Value::Null,
            Self::Bool(value) => return value.into(),
            Self::Text => return word.into(),
            Self::Whole(number) => i64::try_from(number).ok().map(Into::into),
            Self::Number(number) => Some(number.into()),
        };
        let same = |value: &serde_yaml::Value| {
            serde_yaml::to_string(value).is_ok_and(|written| written.trim_end() == word)
        };
        number.filter(same).unwrap_or_else(|| word.into())
    }

    /// The value as JSON. What JSON has no number for becomes a text.
    pub fn to_json(self, word: &str) -> Value {
        let number = match self {
            Self::Nothing => return Value::Null,
            Self::Bool(value) => return value.into(),
            Self::Text => return word.into(),
            Self::Whole(number) => Number::from_i128(number),
            Self::Number(number) => Number::from_f64(number),
        };
        number.map_or_else(|| word.into(), Value::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::Meaning::{self, Bool, Nothing, Number, Text, Whole};

    #[test]
    fn words_mean_what_the_core_schema_says() {
        for (word, meaning) in [
            ("", Nothing),
            ("~", Nothing),
            ("null", Nothing),
            ("nULL", Text),
            ("True", Bool(true)),
            ("yes", Text),
            ("no", Text),
            ("on", Text),
            ("0", Whole(0)),
            ("007", Text),
            ("-12", Whole(-12)),
            ("+3", Whole(3)),
            ("0x1F", Whole(31)),
            ("0o17", Whole(15)),
            ("0x", Text),
            ("0x-1", Text),
            ("1_000", Text),
            ("1e9", Number(1e9)),
            ("1E+2", Number(100.0)),
            (".5", Number(0.5)),
            ("2.", Number(2.0)),
            (".", Text),
            ("1e", Text),
            ("e9", Text),
            ("3.9.1", Text),
            ("1.5s", Text),
            ("-", Text),
            ("-.inf", Number(f64::NEG_INFINITY)),
            (
                "99999999999999999999999",
                Whole(99_999_999_999_999_999_999_999),
            ),
            ("2026-11-28", Text),
            ("12:30", Text),
        ] {
            assert_eq!(Meaning::of(word), meaning, "{word}");
        }
    }

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        let whole = |word| Meaning::of(word).whole();
        assert_eq!(whole("1e9"), Some(1_000_000_000));
        assert_eq!(whole("2.0"), Some(2));
        assert_eq!(whole("1.5"), None);
        assert_eq!(whole("1e99"), None);
        assert_eq!(whole(".nan"), None);
    }
}
