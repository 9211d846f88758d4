//! The report as text.

use std::fmt::Write as _;

use super::Report;

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
        }
        if let Some(brokers) = &self.brokers {
            let _ = write!(
                text,
                "\nbrokers    {} of {} alive",
                brokers.alive.len(),
                brokers.expected
            );
        }
        if let Some(left) = &self.left {
            let _ = write!(text, "\nmachines   {left}; `deployer extend` renews");
        }
        if let Some(lease) = &self.lease {
            let _ = write!(text, "\nmachines   {lease}");
        }
        if let Some(couchdb) = &self.couchdb {
            let _ = write!(text, "\ndocuments  in {couchdb}");
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
                let newest = topic
                    .newest_age_seconds
                    .map_or("-".into(), |age| format!("{age} s"));
                let _ = writeln!(
                    text,
                    "{name:<24} {:>10} {in_sync:>8} {:>8} {:>10} {:>12} {newest:>8}",
                    topic.partitions,
                    shown(topic.events),
                    shown(topic.documents),
                    shown(topic.dead_letters),
                );
            }
        }
        text.push('\n');
        if self.healthy {
            text.push_str("all is well\n");
        } else {
            for problem in &self.problems {
                let _ = writeln!(text, "problem: {problem}");
            }
        }
        text
    }
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
