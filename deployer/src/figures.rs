//! What a running agent says of itself: its answers to `/metrics` and `/healthz`, one after the other. Plain data; figures that
//! an older or newer agent leaves out or adds do no harm.

use std::collections::BTreeMap;

use serde::Serialize;

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

impl Figures {
    /// Reads both answers as they came; `None`: one of them is missing, or it is no agent that answers.
    pub fn read(answers: &str) -> Option<Self> {
        let mut answers = split(answers).into_iter();
        let (metrics, health) = (answers.next()?, answers.next()?);
        if metrics.status != 200 || !matches!(health.status, 200 | 503) {
            return None;
        }
        let mut figures = Self::default();
        for line in &metrics.body {
            figures.take(line);
        }
        if health.status == 503 {
            figures.wrong = health.body.iter().map(|line| (*line).to_owned()).collect();
        }
        Some(figures)
    }

    /// Takes what is wanted of a line such as `consumer_lag_events{topic="t",partition="0"} 3`.
    fn take(&mut self, line: &str) {
        let Some((name, value)) = line.rsplit_once(' ') else {
            return;
        };
        let (name, labels) = name.split_once('{').unwrap_or((name, ""));
        let count = value.parse().ok();
        match name {
            "consumer_dead_letters_total" => {
                self.dead_letters = Some(self.dead_letters.unwrap_or(0) + count.unwrap_or(0));
            }
            "producer_spool_events" => self.spool_events = count,
            "producer_spool_bytes" => self.spool_bytes = count,
            "producer_spool_limit_bytes" => self.spool_limit_bytes = count,
            "producer_events_refused_total" => self.refused = count.filter(|count| *count > 0),
            "consumer_events_lost_total" => {
                self.lost
                    .extend(label(labels, "topic").map(str::to_owned).zip(count));
            }
            "producer_source_troubles_total" => {
                self.source_troubles
                    .extend(label(labels, "kind").map(str::to_owned).zip(count));
            }
            "consumer_lag_events" => {
                if let (Some(topic), Ok(lag)) = (label(labels, "topic"), value.parse::<i64>()) {
                    let topic = match label(labels, "sink") {
                        Some(sink) => format!("{topic} to {sink}"),
                        None => topic.to_owned(),
                    };
                    *self.lag.get_or_insert_default().entry(topic).or_default() += lag;
                }
            }
            _ => {}
        }
    }
}

/// The value of a label.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

/// An answer by HTTP.
#[derive(Default)]
struct Answer<'a> {
    status: u16,
    body: Vec<&'a str>,
    in_body: bool,
}

fn split(text: &str) -> Vec<Answer<'_>> {
    let mut answers: Vec<Answer<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("HTTP/1.") {
            let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
            answers.push(Answer {
                status: status.unwrap_or_default(),
                ..Answer::default()
            });
        } else if let Some(answer) = answers.last_mut() {
            if answer.in_body && !line.is_empty() {
                answer.body.push(line);
            }
            answer.in_body |= line.is_empty();
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::Figures;

    const HEAD: &str = "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\n";

    fn answers(metrics: &str, health: &str) -> String {
        format!("HTTP/1.1 200 OK\r\n{HEAD}{metrics}# EOF\nHTTP/1.1 {health}")
    }

    #[test]
    fn a_consumer_tells_its_lag_by_topic_and_what_is_wrong() {
        let metrics = "\
# HELP consumer_lag_events Events of a partition that are not settled.
# TYPE consumer_lag_events gauge
consumer_lag_events{topic=\"a\",partition=\"0\"} 3
consumer_lag_events{topic=\"a\",partition=\"1\"} 4
consumer_lag_events{topic=\"b\",partition=\"0\"} 0
consumer_lag_events{sink=\"files\",topic=\"a\",partition=\"0\"} 9
consumer_dead_letters_total 12
consumer_dead_letters_total{sink=\"files\"} 1
consumer_event_to_document_seconds_sum 0.5
";
        let ill = format!("503 Service Unavailable\r\n{HEAD}a: HTTP 404 not_found\nb: is away\n");
        let figures = Figures::read(&answers(metrics, &ill)).expect("figures");
        let lag = [("a", 7), ("a to files", 9), ("b", 0)];
        let lag = lag.map(|(topic, lag)| (topic.to_owned(), lag));
        assert_eq!(figures.lag, Some(lag.into()));
        assert_eq!(figures.dead_letters, Some(13));
        assert_eq!(figures.wrong, ["a: HTTP 404 not_found", "b: is away"]);
        assert_eq!(figures.spool_events, None);
    }

    #[test]
    fn what_is_lost_refused_or_not_as_it_was_is_told() {
        let well = format!("200 OK\r\n{HEAD}ok\n");
        let read = |metrics: &str| Figures::read(&answers(metrics, &well)).expect("figures");
        let consumer = read("consumer_events_lost_total{topic=\"a\"} 5\n");
        assert_eq!(consumer.lost, [("a".to_owned(), 5)].into());
        let producer = read(
            "producer_events_refused_total 3\nproducer_source_troubles_total{kind=\"files_cut\"} 2\n",
        );
        assert_eq!(producer.refused, Some(3));
        assert_eq!(
            producer.source_troubles,
            [("files_cut".to_owned(), 2)].into()
        );
        assert_eq!(read("producer_events_refused_total 0\n").refused, None);
    }

    #[test]
    fn a_producer_tells_of_its_spool_and_half_an_answer_is_none() {
        let metrics =
            "producer_spool_events 5\nproducer_spool_bytes 1000\nproducer_spool_limit_bytes 2000\n";
        let well = format!("200 OK\r\n{HEAD}ok\n");
        let figures = Figures::read(&answers(metrics, &well)).expect("figures");
        assert_eq!(
            (figures.spool_events, figures.spool_bytes, figures.lag),
            (Some(5), Some(1000), None)
        );
        assert_eq!(figures.wrong, Vec::<String>::new());
        assert_eq!(Figures::read(""), None);
        assert_eq!(
            Figures::read(&format!("HTTP/1.1 200 OK\r\n{HEAD}{metrics}")),
            None
        );
        assert_eq!(Figures::read(&answers("", "404 Not Found\r\n\r\n")), None);
    }
}
