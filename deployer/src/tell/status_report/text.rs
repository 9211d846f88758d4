//! The report as text.

use std::fmt::Write as _;

use super::{AgentReport, Report};
use crate::figures::Alert;

impl AgentReport {
    /// In a few words; `None`: nothing that a user would want to know.
    fn words(&self) -> Option<String> {
        if let Some(error) = &self.error {
            return Some(format!("no figures ({error})"));
        }
        let figures = &self.figures;
        let mut words = Vec::new();
        if let Some(lag) = &figures.lag {
            words.push(format!("lag {}", lag.values().sum::<i64>()));
        }
        if let Some(dead) = figures.dead_letters.filter(|dead| *dead > 0) {
            words.push(format!("{dead} dead letters since its start"));
        }
        let lost: u64 = figures.lost.values().sum();
        if lost > 0 {
            words.push(format!("{lost} events lost since its start"));
        }
        if let Some(refused) = figures.refused {
            words.push(format!("{refused} events refused since its start"));
        }
        for (kind, count) in &figures.source_troubles {
            words.push(format!("{count} {}", kind.replace('_', " ")));
        }
        if let Some(events) = figures.spool_events.filter(|events| *events > 0) {
            let mut spool = format!("{events} events in its spool");
            if let (Some(bytes), Some(limit)) = (figures.spool_bytes, figures.spool_limit_bytes) {
                let _ = write!(spool, ", {} of {} MiB", bytes >> 20, limit >> 20);
            }
            words.push(spool);
        }
        (!words.is_empty()).then(|| words.join(", "))
    }
}

impl Alert {
    /// In a few words.
    fn words(&self) -> String {
        let judged = self.judged.as_deref();
        let judged = judged.map_or("no window judged yet".to_owned(), |window| {
            format!("judged {window}")
        });
        let mut words = vec![judged];
        if self.due > 0 {
            words.push(format!("{} windows wait for the next mail", self.due));
        }
        if self.unsent {
            words.push("a mail is not sent yet".to_owned());
        }
        if let Some(time) = &self.last_mail {
            words.push(format!("last mail {time}"));
        }
        if let Some(error) = &self.last_error {
            words.push(format!("last error: {error}"));
        }
        words.join(", ")
    }
}

impl Report {
    /// The report as text.
    pub fn text(&self) -> String {
        let mut text = format!("{} on {} (id {})\n\n", self.deployment, self.cloud, self.id);
        for (name, node) in &self.nodes {
            let address = node.address.as_deref().unwrap_or("-");
            let _ = write!(text, "{name:<10} {address:<16} ");
            if let Some(error) = &node.error {
                let _ = write!(text, "{}", error.lines().next().unwrap_or_default());
            } else {
                let units: Vec<String> = node
                    .units
                    .iter()
                    .map(|(unit, state)| format!("{} {state}", short(unit, &self.deployment)))
                    .collect();
                text.push_str(&units.join(", "));
            }
            if let Some((acked, count)) = node.produced {
                let of = if count == 0 {
                    "∞".to_owned()
                } else {
                    count.to_string()
                };
                let _ = write!(text, " {acked}/{of}");
            }
            text.push('\n');
            for (role, agent) in &node.agents {
                if let Some(words) = agent.words() {
                    let _ = writeln!(text, "{:<27} {role}: {words}", "");
                }
                for (name, alert) in &agent.figures.alerts {
                    let words = alert.words();
                    let _ = writeln!(text, "{:<27} alert {name}: {words}", "");
                }
            }
        }
        if let Some(brokers) = &self.brokers {
            let _ = write!(
                text,
                "\nbrokers    {} of {} alive",
                brokers.alive.len() - brokers.others.len(),
                brokers.expected
            );
            if !brokers.others.is_empty() {
                let ids: Vec<String> = brokers.others.iter().map(ToString::to_string).collect();
                let _ = write!(
                    text,
                    ", and {} that the inventory does not name",
                    ids.join(", ")
                );
            }
        }
        if let Some(left) = &self.left {
            let _ = write!(text, "\nmachines   {left}; `deployer extend` renews");
        }
        if let Some(lease) = &self.lease {
            let _ = write!(text, "\nmachines   {lease}");
        }
        if let Some(store) = &self.store {
            let _ = write!(text, "\ndocuments  in {store}");
        }
        if !self.topics.is_empty() {
            let _ = write!(
                text,
                "\n\n{:<24} {:>10} {:>8} {:>8} {:>10} {:>12} {:>8}\n",
                "topic", "partitions", "in sync", "events", "documents", "dead letters", "newest"
            );
            for (name, topic) in &self.topics {
                let in_sync = if topic.under_replicated + topic.without_leader == 0 {
                    "all"
                } else {
                    "NOT ALL"
                };
                // What the inventory does not name any more.
                let name = if topic.former {
                    format!("({name})")
                } else {
                    name.clone()
                };
                let newest = age(topic.newest_age_seconds);
                let _ = writeln!(
                    text,
                    "{name:<24} {:>10} {in_sync:>8} {:>8} {:>10} {:>12} {newest:>8}",
                    topic.partitions,
                    shown(topic.events),
                    shown(topic.documents),
                    shown(topic.dead_letters),
                );
                for (sink, held) in &topic.sinks {
                    let _ = writeln!(
                        text,
                        "{:<24} {:>10} {:>8} {:>8} {:>10} {:>12} {:>8}",
                        format!("  to {sink}"),
                        "",
                        "",
                        "",
                        shown(held.records),
                        shown(held.dead_letters),
                        age(held.newest_age_seconds),
                    );
                }
            }
        }
        self.write_streams(&mut text);
        let put_away: u64 = self
            .topics
            .values()
            .filter_map(|topic| topic.put_away)
            .sum();
        if put_away > 0 {
            let _ = writeln!(text, "{put_away} dead letters were put away");
        }
        text.push('\n');
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        if self.healthy {
            text.push_str("all is well\n");
        } else {
            for problem in &self.problems {
                let _ = writeln!(text, "problem: {problem}");
            }
        }
        text
    }

    fn write_streams(&self, text: &mut String) {
        if self.streams.is_empty() {
            return;
        }
        let _ = write!(
            text,
            "\n{:<24} {:>10} {:>8} {:>8} {:>10} {:>12}\n",
            "stream", "lag", "batches", "last", "records", "took"
        );
        for (name, stream) in &self.streams {
            let took = stream.last_took_ms.map(|took| format!("{took} ms"));
            let _ = writeln!(
                text,
                "{name:<24} {:>10} {:>8} {:>8} {:>10} {:>12}",
                shown(stream.lag),
                shown(stream.batches),
                age(stream.last_age_seconds),
                shown(stream.last_records),
                shown(took),
            );
        }
    }
}

fn age(seconds: Option<i64>) -> String {
    seconds.map_or("-".into(), |seconds| format!("{seconds} s"))
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".into(), |value| value.to_string())
}

fn short<'a>(unit: &'a str, deployment: &str) -> &'a str {
    let unit = unit.strip_suffix(".service").unwrap_or(unit);
    unit.strip_prefix(deployment)
        .and_then(|rest| rest.strip_prefix('-'))
        .unwrap_or(unit)
}
