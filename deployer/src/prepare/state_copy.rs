//! Who may read the copy of the state that the inventory asks for.

use std::path::Path;

use crate::inventory::{Inventory, Problem, Problems, StateCopy};
use crate::prepare::login_keys::expanded;
use crate::prepare::private_file::{self, Fault};
use crate::report::Event;
use crate::secret::Secret;
use crate::state_copy::Seal;
use crate::topology::{CloudName, Topology};

/// A passphrase with fewer characters is guessed by who is root on a node.
const SHORTEST: usize = 12;

/// Reads the passphrase, which nobody else may be able to read.
pub fn read(inventory: &Inventory, home: &Path) -> Result<Option<Seal>, Problems> {
    let Some(wanted) = &inventory.state_copy else {
        return Ok(None);
    };
    let StateCopy {
        passphrase_file: Some(file),
        ..
    } = wanted
    else {
        return Ok(Some(Seal::Recipients(wanted.recipients.clone())));
    };
    let passphrase = passphrase(&expanded(file, home)).map_err(|(message, hint)| {
        let key = "state_copy.passphrase_file";
        Problems::from(inventory.problem(key, message, Some(hint)))
    })?;
    Ok(Some(Seal::Passphrase(passphrase)))
}

/// The passphrase in a file: its first line. The error is what is wrong with it, and what to do.
pub fn passphrase(path: &Path) -> Result<Secret, Fault> {
    let shown = path.display();
    let text = private_file::read(path, "write a passphrase of your own into it first")?;
    let line = text.lines().next().unwrap_or_default();
    let length = line.chars().count();
    if length < SHORTEST {
        let short = format!(
            "the passphrase in {shown} has {length} characters, {SHORTEST} at least are needed"
        );
        return Err((
            short,
            "several words that nobody guesses are easy to remember".into(),
        ));
    }
    Ok(Secret::new(line))
}

/// Where nobody could come to the copy from another laptop: a warning.
pub fn remark(inventory: &Inventory, topology: &Topology) -> Option<Event> {
    inventory.state_copy.as_ref()?;
    let mut clouds: Vec<CloudName> = topology.nodes.values().map(|node| node.cloud).collect();
    clouds.sort();
    clouds.dedup();
    let sections = serde_json::to_value(&inventory.clouds).unwrap_or_default();
    let let_in = |cloud: &CloudName| {
        let keys = &sections[cloud.name()]["ssh_keys"];
        !cloud.is_sold() || keys.as_array().is_some_and(|keys| !keys.is_empty())
    };
    if clouds.iter().any(let_in) {
        return None;
    }
    let keys: Vec<String> = clouds
        .iter()
        .map(|cloud| format!("`clouds.{cloud}.ssh_keys`"))
        .collect();
    let problem: Problem = inventory.problem(
        "state_copy",
        "machines let in the deployer's own SSH key alone, so no other laptop can come to the copy",
        Some(format!(
            "name a public key of yours in {} before they are made",
            keys.join(" or ")
        )),
    );
    Some(Event::Warning(problem.to_string()))
}

#[cfg(test)]
mod tests {
    use super::passphrase;

    #[test]
    fn a_passphrase_is_long() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let read = |text: &str| {
            std::fs::write(file.path(), text).expect("written");
            passphrase(file.path())
        };
        for (text, words) in [("\n", "has 0 characters"), ("horse\n", "has 5 characters")] {
            let (message, hint) = read(text).expect_err("refused");
            assert!(message.contains(words), "{message}");
            assert!(!message.contains("horse") && !hint.contains("horse"));
        }
        let read = read("correct horse battery\nmore\n").expect("a passphrase");
        assert_eq!(read.expose(), "correct horse battery");
    }
}
