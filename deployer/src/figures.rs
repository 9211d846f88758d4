//! What a running agent says of itself: its answer to `/figures`, see the agents' contract, whose names the figures have. Plain
//! data; figures that an agent of another version leaves out or adds do no harm.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The figures that tell how an agent is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// What is wrong, one line each.
    pub wrong: Vec<String>,
    /// Of a consumer: topic, or `TOPIC to SINK` → events of its partitions that are neither there nor dead letters yet.
    pub lag: Option<BTreeMap<String, i64>>,
    /// Of a consumer: dead letters since its start.
    pub dead_letters: Option<u64>,
    /// Of a consumer: topic → events that Kafka deleted before they were read, since its start.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lost: BTreeMap<String, u64>,
    /// Of a consumer: how its alerts are, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub alerts: BTreeMap<String, Alert>,
    /// Of a producer: events that Kafka refused for good since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<u64>,
    /// Of a producer: kind → what its source could not give out as it is, since its start.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub source_troubles: BTreeMap<String, u64>,
    /// Of a producer: events on its disk that Kafka has not confirmed.
    pub spool_events: Option<u64>,
    /// Of a producer: the size of the spool's files.
    pub spool_bytes: Option<u64>,
    /// Of a producer: the size at which its source is not read any more.
    pub spool_limit_bytes: Option<u64>,
}

/// How an alert is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alert {
    /// The window that was judged last.
    pub judged: Option<String>,
    /// Windows that wait for the end of the cooldown.
    pub due: u64,
    /// A mail is written that the relay has not taken.
    pub unsent: bool,
    /// When the relay took the last one.
    pub last_mail: Option<String>,
    /// Why it does not take one.
    pub last_error: Option<String>,
}

/// Why an answer holds no figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoFigures {
    /// The agent knows no such page.
    #[error("the agent is of an older version that does not tell them; `deployer up` replaces it")]
    Older,
    /// It is no agent, or not all of its answer came.
    #[error("what answers is not understood")]
    NotUnderstood,
}

impl Figures {
    /// Reads an answer as it came, its head included.
    ///
    /// # Errors
    /// When it holds no figures.
    pub fn read(answer: &str) -> Result<Self, NoFigures> {
        let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
        let status = head.split(' ').nth(1);
        match status.filter(|_| head.starts_with("HTTP/1.")) {
            Some("200") => serde_json::from_str(body)
                .map(Told::into_figures)
                .map_err(|_| NoFigures::NotUnderstood),
            Some("404") => Err(NoFigures::Older),
            _ => Err(NoFigures::NotUnderstood),
        }
    }
}

/// What the page holds.
#[derive(Deserialize)]
struct Told {
    wrong: Vec<String>,
    /// A consumer's.
    sinks: Option<Vec<Sink>>,
    /// A producer's.
    spool: Option<Spool>,
    /// A producer's.
    refused: Option<u64>,
    #[serde(default)]
    source_troubles: BTreeMap<String, u64>,
}

/// One of a consumer's sinks.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Sink {
    name: Option<String>,
    lag: BTreeMap<String, i64>,
    dead_letters: u64,
    lost: BTreeMap<String, u64>,
    /// Where it is an alert.
    told: Option<Alert>,
}

/// A producer's spool.
#[derive(Deserialize)]
struct Spool {
    events: u64,
    bytes: u64,
    limit_bytes: u64,
}

impl Told {
    fn into_figures(self) -> Figures {
        let mut figures = Figures {
            wrong: self.wrong,
            refused: self.refused.filter(|count| *count > 0),
            source_troubles: self.source_troubles,
            ..Figures::default()
        };
        if let Some(spool) = self.spool {
            figures.spool_events = Some(spool.events);
            figures.spool_bytes = Some(spool.bytes);
            figures.spool_limit_bytes = Some(spool.limit_bytes);
        }
        for sink in self.sinks.unwrap_or_default() {
            *figures.dead_letters.get_or_insert_default() += sink.dead_letters;
            for (topic, count) in sink.lost {
                *figures.lost.entry(topic).or_default() += count;
            }
            if let (Some(name), Some(alert)) = (&sink.name, sink.told) {
                figures.alerts.insert(name.clone(), alert);
            }
            for (topic, lag) in sink.lag {
                let way = match &sink.name {
                    Some(name) => format!("{topic} to {name}"),
                    None => topic,
                };
                figures.lag.get_or_insert_default().insert(way, lag);
            }
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, NoFigures};

    fn read(body: &str) -> Result<Figures, NoFigures> {
        Figures::read(&format!(
            "HTTP/1.1 200 OK\nContent-Type: application/json\n\n{body}\n"
        ))
    }

    #[test]
    fn a_consumer_tells_its_lag_by_topic_and_what_is_wrong() {
        let figures = read(
            r#"{"wrong": ["a: HTTP 404 not_found", "b: is away"], "more": 1, "sinks": [
                {"name": null, "lag": {"a": 7, "b": 0}, "dead_letters": 12, "lost": {"a": 5}, "more": 1},
                {"name": "files", "lag": {"a": 9}, "dead_letters": 1},
                {"name": "errors", "told": {"judged": "a to b", "due": 2, "unsent": true, "last_mail": null, "more": 1}}]}"#,
        );
        let figures = figures.expect("figures");
        let lag = [("a", 7), ("a to files", 9), ("b", 0)];
        let lag = lag.map(|(topic, lag)| (topic.to_owned(), lag));
        assert_eq!(figures.lag, Some(lag.into()));
        assert_eq!(figures.dead_letters, Some(13));
        assert_eq!(figures.lost, [("a".to_owned(), 5)].into());
        assert_eq!(figures.wrong, ["a: HTTP 404 not_found", "b: is away"]);
        assert_eq!(figures.spool_events, None);
        let alert = &figures.alerts["errors"];
        assert_eq!((alert.due, alert.unsent), (2, true));
        assert_eq!(alert.judged.as_deref(), Some("a to b"));
        let new = read(r#"{"wrong": [], "sinks": [{"lag": {}}]}"#).expect("figures");
        assert_eq!((new.lag, new.dead_letters), (None, Some(0)));
    }

    #[test]
    fn a_producer_tells_of_its_spool_and_its_source() {
        let figures = read(
            r#"{"wrong": [], "spool": {"events": 5, "bytes": 1000, "limit_bytes": 2000}, "refused": 3,
                "source_troubles": {"files_cut": 2}}"#,
        );
        let figures = figures.expect("figures");
        assert_eq!(
            (figures.spool_events, figures.spool_bytes, figures.lag),
            (Some(5), Some(1000), None)
        );
        assert_eq!((figures.refused, figures.dead_letters), (Some(3), None));
        assert_eq!(
            figures.source_troubles,
            [("files_cut".to_owned(), 2)].into()
        );
        let well = read(r#"{"wrong": [], "refused": 0}"#).expect("figures");
        assert_eq!(well.refused, None);
    }

    #[test]
    fn who_tells_none_is_said() {
        let older = "HTTP/1.1 404 Not Found\nConnection: close\n\nsee /metrics and /healthz\n";
        assert_eq!(Figures::read(older), Err(NoFigures::Older));
        for answer in [
            "",
            "HTTP/1.1 200 OK\n",
            "HTTP/1.1 200 OK\n\n{\"wrong\":[",
            "HTTP/1.1 200 OK\n\n{}",
            "HTTP/1.1 500 Internal Server Error\n\n{\"wrong\":[]}",
            "SSH-2.0-x",
        ] {
            let read = Figures::read(answer);
            assert_eq!(read, Err(NoFigures::NotUnderstood), "{answer}");
        }
    }
}
