//! The nodes that an inventory's entries stand for.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::inventory::{self, Findings, Inventory, Member};
use crate::topology::Options;

/// All nodes, in the natural order of their names: `vm1-2` before `vm1-10`.
pub(super) fn members<'a>(
    inventory: &'a Inventory,
    options: &Options,
    findings: &mut Findings<'_>,
) -> Vec<Member<'a>> {
    let cloud = options.cloud.unwrap_or(inventory.cloud);
    let mut members: Vec<Member<'a>> = inventory
        .nodes
        .iter()
        .flat_map(|(name, entry)| {
            names(name, entry.count)
                .into_iter()
                .map(move |node| Member {
                    name: node,
                    key: format!("nodes.{name}"),
                    entry,
                    cloud: entry.cloud.unwrap_or(cloud),
                })
        })
        .collect();
    members.sort_by(|left, right| natural(&left.name, &right.name));
    check_names(&members, findings);
    // Reported once is enough: each name goes on with one node.
    members.dedup_by(|right, left| right.name == left.name);
    members
}

fn names(name: &str, count: Option<u32>) -> Vec<String> {
    count.map_or_else(
        || vec![name.to_owned()],
        |count| (1..=count).map(|index| format!("{name}-{index}")).collect(),
    )
}

fn check_names(members: &[Member<'_>], findings: &mut Findings<'_>) {
    let mut seen: BTreeMap<&str, &Member<'_>> = BTreeMap::new();
    for member in members {
        if let Err(reason) = inventory::check_node_name(&member.name) {
            findings.say(&member.key, format!("its node `{}` {reason}", member.name));
        }
        let Some(other) = seen.insert(&member.name, member) else {
            continue;
        };
        let counted = if other.entry.count.is_some() {
            other
        } else {
            member
        };
        let single = if other.entry.count.is_some() {
            member
        } else {
            other
        };
        findings.add(
            &single.key,
            format!(
                "a second node of this name comes from the count of `{}`",
                counted.key
            ),
            "give one of them another name",
        );
    }
}

/// Compares names so that runs of digits count as numbers.
pub(super) fn natural(left: &str, right: &str) -> Ordering {
    pieces(left)
        .cmp(&pieces(right))
        .then_with(|| left.cmp(right))
}

/// A run of digits as its length without leading zeros and its digits, which compare as numbers do; anything else as text.
fn pieces(name: &str) -> Vec<(usize, &str)> {
    let mut pieces = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest
            .find(|one: char| one.is_ascii_digit() != digits)
            .unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(if digits {
            let number = piece.trim_start_matches('0');
            (number.len(), number)
        } else {
            (0, piece)
        });
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = vec![
            "vm10", "vm2", "vm1-10", "vm1-2", "vm1", "b", "a9x", "a10", "vm02",
        ];
        names.sort_by(|left, right| natural(left, right));
        assert_eq!(
            names,
            [
                "a9x", "a10", "b", "vm1", "vm1-2", "vm1-10", "vm02", "vm2", "vm10"
            ]
        );
    }
}
