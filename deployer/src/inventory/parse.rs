//! From bytes to an [`Inventory`].

use jsonschema::Validator;
use serde_json::Value;

use super::explain::explain;
use super::mend::{Broken, broken, mend};
use super::normalise::normalise;
use super::positions::Positions;
use super::problem::{Position, Problem, Problems};
use super::rules::Rules;
use super::types::Inventory;
use crate::yaml;

/// Far above any real inventory, far below what makes the parser slow.
const MAX_BYTES: usize = 256 << 10;

/// What a text says, as far as it can be read.
#[derive(Debug)]
pub struct Reading {
    /// All that is wrong with the text by itself; never empty without an inventory.
    pub problems: Vec<Problem>,
    /// What is said by the rest; `None`: too little is left.
    pub inventory: Option<Inventory>,
}

/// Reads an inventory. `file` is the name of the file in messages; nothing is read from it.
///
/// # Errors
/// All that is wrong with the text by itself. What does not fit together is found by
/// [`Topology::new`](crate::topology::Topology::new).
pub fn parse(bytes: &[u8], file: &str, rules: &Rules) -> Result<Inventory, Problems> {
    let Reading {
        problems,
        inventory,
    } = read(bytes, file, rules);
    match inventory {
        Some(inventory) if problems.is_empty() => Ok(inventory),
        _ => Err(Problems::from_all(problems)),
    }
}

const START: Position = Position { line: 1, column: 1 };

/// Said where the schema takes what the types do not: no inventory should lead here.
const UNREADABLE: &str = "cannot be read, and why is not known: please report it with the file";

fn whole(file: &str, position: Position, message: &str) -> Problem {
    Problem {
        file: file.to_owned(),
        position: Some(position),
        key: String::new(),
        message: message.to_owned(),
        hint: None,
    }
}

/// Reads an inventory as far as it can be read.
pub fn read(bytes: &[u8], file: &str, rules: &Rules) -> Reading {
    let refused = |position, message: &str| Reading {
        problems: vec![whole(file, position, message)],
        inventory: None,
    };
    if bytes.len() > MAX_BYTES {
        return refused(START, "the file is larger than 256 KiB");
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            return refused(end_of(&good), "the file is not UTF-8 from here on");
        }
    };
    let yaml::Read { root, faults } = yaml::read(text);
    let mut problems: Vec<Problem> = faults
        .into_iter()
        .map(|fault| Problem {
            hint: fault.hint,
            ..whole(file, fault.position, &fault.message)
        })
        .collect();
    let Some(root) = root else {
        if problems.is_empty() {
            return refused(START, "the file is empty: there is no inventory in it");
        }
        return Reading {
            problems,
            inventory: None,
        };
    };
    let positions = Positions::of(&root, file);
    let value = normalise(&root, rules.schema());
    let found = match &rules.validator {
        Ok(validator) => held_against(rules, validator, &value, &positions),
        Err(message) => return refused(START, message),
    };
    let partial = !problems.is_empty() || !found.is_empty();
    problems.extend(found.iter().flat_map(|(problems, _)| problems.clone()));
    let mended = mend(value, found.into_iter().flat_map(|(_, broken)| broken));
    let inventory = mended.and_then(|(value, left_out)| {
        // By way of JSON, so that the types read exactly the value that was held against their schema.
        let mut inventory = rules.inventory(value).ok()?;
        inventory.positions = positions;
        inventory.left_out = partial.then_some(left_out);
        Some(inventory)
    });
    if inventory.is_none() && problems.is_empty() {
        problems.push(whole(file, START, UNREADABLE));
    }
    Reading {
        problems,
        inventory,
    }
}

/// What the schema refuses: each with its problems, and the places that are broken.
fn held_against(
    rules: &Rules,
    validator: &Validator,
    value: &Value,
    positions: &Positions,
) -> Vec<(Vec<Problem>, Vec<Broken>)> {
    let found = validator.iter_errors(value).map(|error| {
        let problems = explain(&error, rules, positions);
        (problems, broken(&error))
    });
    found.collect()
}

/// The place just behind a text.
fn end_of(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position {
        line: text.matches('\n').count() + 1,
        column: last.chars().count() + 1,
    }
}
