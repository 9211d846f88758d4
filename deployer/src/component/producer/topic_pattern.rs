//! Patterns of topics' names, in which a client's number and name are filled in.

use crate::component::kafka::check_topic_name;

/// The pattern with its placeholders filled in with the shortest values must be a topic's name.
pub(super) fn check_topic_pattern(pattern: &str) -> Result<(), String> {
    let filled = fill_topic_pattern(pattern, 1, "a");
    if let Some(start) = filled.find('{') {
        let rest = &filled[start..];
        let placeholder = rest.find('}').map_or(rest, |end| &rest[..=end]);
        return Err(format!(
            "holds `{placeholder}`; the placeholders are `{{number}}` and `{{client}}`"
        ));
    }
    check_topic_name(&filled)
}

/// Fills a topic pattern with a client's number and name.
pub(super) fn fill_topic_pattern(pattern: &str, number: u32, client: &str) -> String {
    pattern
        .replace("{number}", &number.to_string())
        .replace("{client}", client)
}

#[cfg(test)]
mod tests {
    use super::check_topic_pattern;

    #[test]
    fn patterns_are_names_once_they_are_filled_in() {
        for pattern in ["a", "{client}", "u{number}.{client}"] {
            assert_eq!(check_topic_pattern(pattern), Ok(()), "{pattern:?}");
        }
        for pattern in ["", "{", "{x}", "a{number", "__{client}", "a b"] {
            assert!(check_topic_pattern(pattern).is_err(), "{pattern:?}");
        }
    }
}
