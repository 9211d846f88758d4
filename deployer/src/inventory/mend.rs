//! An inventory without what is wrong with it, so that the rest is looked at in the same round.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::{Location, LocationSegment};
use serde_json::Value;

use super::positions::{join, join_index};

/// A step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// An item of a list.
    Item(usize),
    /// A key of a mapping.
    Key(String),
}

/// A place at which something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Broken {
    path: Vec<Step>,
    /// Nothing is there, and something must be.
    missing: bool,
}

/// The places that an error of the validator is about.
pub(super) fn broken(error: &ValidationError<'_>) -> Vec<Broken> {
    let path = steps(error.instance_path());
    let below = |name: &str| {
        let mut path = path.clone();
        path.push(Step::Key(name.to_owned()));
        path
    };
    let there = |path| Broken {
        path,
        missing: false,
    };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|name| there(below(name))).collect()
        }
        ValidationErrorKind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default();
            vec![there(below(name))]
        }
        ValidationErrorKind::Required { property } => vec![Broken {
            path: below(property.as_str().unwrap_or_default()),
            missing: true,
        }],
        _ => vec![there(path)],
    }
}

fn steps(location: &Location) -> Vec<Step> {
    location
        .segments()
        .map(|segment| match segment {
            LocationSegment::Property(name) => Step::Key(name.into_owned()),
            LocationSegment::Index(index) => Step::Item(index),
        })
        .collect()
}

/// Leaves out what is broken. Gives the rest with the keys that were left out; `None`: too little is left.
pub(super) fn mend(
    mut value: Value,
    broken: impl Iterator<Item = Broken>,
) -> Option<(Value, Vec<String>)> {
    let mut all: Vec<Broken> = broken.collect();
    // The last items of a list first, and what is in a value before the value.
    all.sort();
    all.dedup();
    let mut left_out = Vec::new();
    for Broken { path, missing } in all.into_iter().rev() {
        let key = key(&path);
        let (last, way) = path.split_last()?;
        let parent = way.iter().try_fold(&mut value, |value, step| match step {
            Step::Item(index) => value.get_mut(index),
            Step::Key(name) => value.get_mut(name),
        });
        match (parent, last) {
            // A deployment needs some name, and no other check looks at it.
            (Some(Value::Object(parent)), Step::Key(name)) if name == "name" && way.is_empty() => {
                parent.insert(name.clone(), "unnamed".into());
            }
            _ if missing => return None,
            (Some(Value::Object(parent)), Step::Key(name)) => {
                parent.remove(name);
            }
            (Some(Value::Array(parent)), Step::Item(index)) if *index < parent.len() => {
                parent.remove(*index);
            }
            // What held it is left out already.
            _ => {}
        }
        left_out.push(key);
    }
    Some((value, left_out))
}

fn key(path: &[Step]) -> String {
    path.iter().fold(String::new(), |path, step| match step {
        Step::Item(index) => join_index(&path, *index),
        Step::Key(name) => join(&path, name),
    })
}
