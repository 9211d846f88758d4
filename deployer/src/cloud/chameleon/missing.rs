//! What a site does not have, in words.

use serde_json::Value;

use crate::cloud::CloudError;

/// Says that there is no such thing among all that there are.
pub(super) fn missing(kind: &str, name: &str, all: &[Value]) -> CloudError {
    let names: Vec<&str> = all.iter().filter_map(|one| one["name"].as_str()).collect();
    not_found(kind, name, &names)
}

/// Says that there is no such thing, and which names are nearest.
pub(super) fn not_found(kind: &str, name: &str, names: &[&str]) -> CloudError {
    let mut near: Vec<&str> = names.to_vec();
    near.sort_by_key(|one| strsim::levenshtein(&one.to_lowercase(), &name.to_lowercase()));
    near.dedup();
    near.truncate(3);
    let nearest = if near.is_empty() {
        "this project sees none".to_owned()
    } else {
        format!("the nearest are {}", near.join(", "))
    };
    CloudError::Refused(format!("`{kind}`: there is no {kind} `{name}`: {nearest}"))
}
