//! Names of topics: by Kafka's rules, and of those that an inventory has.

use std::collections::BTreeMap;

use crate::inventory::Findings;
use crate::topology::Topic;

/// Kafka's own limit.
const MAX_TOPIC_NAME: usize = 249;

/// Checks a topic's name by Kafka's rules. The error completes the sentence that begins with the name.
pub fn check_topic_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("is empty".to_owned());
    }
    if name == "." || name == ".." {
        return Err("is refused by Kafka".to_owned());
    }
    if name.len() > MAX_TOPIC_NAME {
        return Err(format!(
            "has {} characters; {MAX_TOPIC_NAME} at most",
            name.len()
        ));
    }
    if let Some(bad) = name
        .chars()
        .find(|one| !(one.is_ascii_alphanumeric() || matches!(one, '.' | '_' | '-')))
    {
        return Err(format!(
            "holds {bad:?}; Kafka allows letters, digits, `.`, `_` and `-` in a topic's name"
        ));
    }
    if name.starts_with("__") {
        return Err("begins with `__`, as only Kafka's own topics do".to_owned());
    }
    Ok(())
}

/// Says at a key that the topic it names is none of the inventory's, and which are.
pub fn no_topic(
    key: String,
    topic: &str,
    topics: &BTreeMap<String, Topic>,
    findings: &mut Findings<'_>,
) {
    let own = topics.values().filter(|topic| !topic.canary);
    let own: Vec<String> = own.map(|topic| format!("`{}`", topic.name)).collect();
    findings.lacks(
        key,
        format!("`{topic}` is no topic of the inventory"),
        format!(
            "add it to `topics.extra`, or name one of {}",
            own.join(", ")
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::check_topic_name;

    #[test]
    fn names_are_held_against_kafkas_rules() {
        for name in ["a", "A.b_c-1", "_a"] {
            assert_eq!(check_topic_name(name), Ok(()), "{name:?}");
        }
        for name in ["", ".", "..", "__a", "a b", "a/b", "ä", "{a}"] {
            assert!(check_topic_name(name).is_err(), "{name:?}");
        }
    }
}
