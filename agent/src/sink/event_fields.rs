//! What of an event tells whose it is. All of its text is checked, and nothing else of it is kept: an event of megabytes
//! takes no more memory than its bytes.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// What is looked for in an event; in one that is no object nothing is found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct EventFields {
    pub(super) schema: Option<u64>,
    pub(super) client: Option<String>,
    pub(super) run: Option<String>,
    pub(super) sequence: Option<u64>,
    /// Whether there is a field that `CouchDB` would take for one of its own.
    pub(super) has_own_of_couchdb: bool,
    /// Whether there is a field where the headers would be.
    pub(super) has_kafka: bool,
}

impl<'de> Deserialize<'de> for EventFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(See::Fields)? {
            Seen::Fields(fields) => Ok(fields),
            _ => Ok(Self::default()),
        }
    }
}

/// What is kept of a value that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum See {
    Nothing,
    Scalar,
    Fields,
}

/// What was kept.
enum Seen {
    Other,
    Text(String),
    Number(u64),
    Fields(EventFields),
}

impl Seen {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for See {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        // Not as a value that is ignored: in that, texts and numbers are not looked at.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for See {
    type Value = Seen;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Seen, E> {
        Ok(Seen::Number(number))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Seen, E> {
        Ok(match self {
            Self::Scalar => Seen::Text(text.to_owned()),
            _ => Seen::Other,
        })
    }

    fn visit_unit<E: Error>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Seen, A::Error> {
        while elements.next_element_seed(Self::Nothing)?.is_some() {}
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Seen, A::Error> {
        if self != Self::Fields {
            while fields
                .next_entry_seed(Self::Nothing, Self::Nothing)?
                .is_some()
            {}
            return Ok(Seen::Other);
        }
        let mut found = EventFields::default();
        // A field that is there twice is what it is last.
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "schema" => found.schema = fields.next_value_seed(Self::Scalar)?.number(),
                "client" => found.client = fields.next_value_seed(Self::Scalar)?.text(),
                "run" => found.run = fields.next_value_seed(Self::Scalar)?.text(),
                "sequence" => found.sequence = fields.next_value_seed(Self::Scalar)?.number(),
                other => {
                    found.has_own_of_couchdb |= other.starts_with('_');
                    found.has_kafka |= other == "kafka";
                    fields.next_value_seed(Self::Nothing)?;
                }
            }
        }
        Ok(Seen::Fields(found))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_event_is_read_as_strictly_as_a_value_that_is_kept() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let in_field = |text: &str| format!(r#"{{"a":[{{"b":{text}}}],"client":{text}}}"#);
        let texts = [
            "1",
            "-0",
            "1.50",
            "1e400",
            "-1e400",
            "123456789012345678901234567890",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775809",
            "\"\"",
            r#""\u0000""#,
            r#""\ud800""#,
            r#""\ud83d\ude00""#,
            "\"\u{1}\"",
            r#""\x""#,
            "null",
            "nul",
            "true",
            "NaN",
            "[1,]",
            "[,]",
            "{}",
            r#"{"a"}"#,
            r#"{"a":1,}"#,
            "{1:2}",
            "01",
            "1.",
            "+1",
            "'a'",
            "",
            " ",
        ];
        for text in texts
            .map(str::to_owned)
            .into_iter()
            .chain([deep(126), deep(127), deep(128)])
        {
            for text in [text.clone(), in_field(&text)] {
                assert_eq!(
                    serde_json::from_str::<EventFields>(&text)
                        .map(drop)
                        .map_err(|error| error.to_string()),
                    serde_json::from_str::<Value>(&text)
                        .map(drop)
                        .map_err(|error| error.to_string()),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn the_last_of_two_fields_counts() {
        let text =
            r#"{"client":1,"client":"c","run":"r","run":null,"sequence":1,"sequence":2,"_x":0}"#;
        let fields: EventFields = serde_json::from_str(text).expect("an event");
        let expected = EventFields {
            client: Some("c".into()),
            sequence: Some(2),
            has_own_of_couchdb: true,
            ..EventFields::default()
        };
        assert_eq!(fields, expected);
        let none: EventFields = serde_json::from_str(r#"["client"]"#).expect("an event");
        assert_eq!(none, EventFields::default());
    }
}
