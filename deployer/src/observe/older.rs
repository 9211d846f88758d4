//! Whether another laptop has changed the deployment since: then what this one knows is old, and nothing may be done by it.

use std::collections::BTreeMap;

use crate::error::CommandError;
use crate::facts::Facts;
use crate::receipt::Receipt;
use crate::step::StateMark;

/// Refuses to go on by a receipt that is older than a copy of the state on a node.
pub fn refuse(receipt: &Receipt, facts: &BTreeMap<String, Facts>) -> Result<(), CommandError> {
    let path = StateMark::path(&receipt.name);
    let marks = facts.iter().filter_map(|(node, facts)| {
        let text = facts.files.get(&path)?.text.as_deref()?;
        Some((node, StateMark::read(text)?))
    });
    let ahead = marks.filter(|(_, mark)| is_ahead(mark, receipt));
    match ahead.max_by_key(|(_, mark)| mark.number) {
        None => Ok(()),
        Some((node, mark)) => Err(old(receipt, node, &mark)),
    }
}

/// Whether a copy is not of what this laptop knows, nor of what it knew before.
pub fn is_ahead(mark: &StateMark, receipt: &Receipt) -> bool {
    let (number, digest) = receipt
        .copied
        .as_ref()
        .map_or((0, ""), |own| (own.number, own.digest.as_str()));
    // Of the same number there is one, but for two laptops that went on from the same one.
    let newer = mark.number > number || (mark.number == number && mark.digest != digest);
    mark.id == receipt.id && newer
}

/// The error that says so.
pub fn old(receipt: &Receipt, node: &str, mark: &StateMark) -> CommandError {
    let (name, id, by) = (&receipt.name, &receipt.id, &mark.by);
    let known = receipt.copied.as_ref().map_or(0, |own| own.number);
    CommandError::failed(format!(
        "{name} was changed from another laptop since: {node} has {}, this one knows copy {known}; nothing was changed",
        mark.words()
    ))
    .hint(format!("`deployer adopt --id {id}` takes it over as it is now"))
    .hint(format!("who goes on with it is for you and {by} to say"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::refuse;
    use crate::facts::{Facts, FileFact};
    use crate::receipt::{Copied, Receipt};
    use crate::step::StateMark;

    #[test]
    fn a_receipt_that_is_behind_a_node_is_refused() {
        let facts = |id: &str, number: u64, digest: &str| {
            let mark = StateMark {
                version: 1,
                id: id.into(),
                deployment: "x".into(),
                number,
                digest: digest.into(),
                sha256: String::new(),
                written: "2026-01-01T00:00:00Z".into(),
                by: "ann@laptop".into(),
            };
            let file = FileFact {
                text: Some(serde_json::to_string(&mark).expect("JSON")),
                ..FileFact::default()
            };
            let files = BTreeMap::from([(StateMark::path("x"), file)]);
            let facts = Facts {
                files,
                ..Facts::default()
            };
            BTreeMap::from([("vm1".to_owned(), facts)])
        };
        let mut receipt = Receipt::bare("1", "x", "local");
        let error = refuse(&receipt, &facts("1", 1, "a")).expect_err("old");
        let words = error.block();
        assert!(
            words.contains("ann@laptop") && words.contains("adopt --id 1"),
            "{words}"
        );
        receipt.copied = Some(Copied {
            number: 2,
            digest: "b".into(),
        });
        refuse(&receipt, &facts("1", 1, "a")).expect("its own, of before");
        refuse(&receipt, &facts("1", 2, "b")).expect("its own");
        refuse(&receipt, &facts("1", 2, "c")).expect_err("two went on from copy 1");
        refuse(&receipt, &facts("1", 3, "b")).expect_err("old");
        refuse(&receipt, &facts("2", 3, "b"))
            .expect("of another deployment, which is said elsewhere");
    }
}
