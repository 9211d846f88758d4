//! The keys of buckets, from files of the user's.

use std::collections::BTreeMap;
use std::path::Path;

use crate::component::pipeline::{BUCKET_KEYS, bucket_keys_files};
use crate::inventory::{Inventory, Problems};
use crate::prepare::login_keys::expanded;
use crate::prepare::private_file::{self, Fault};
use crate::receipt::Secrets;
use crate::secret::Secret;
use crate::topology::Topology;

/// The keys of each node that reads a bucket.
pub(super) type Keys = BTreeMap<String, Secret>;

/// Reads them all; nobody else may be able to.
pub(super) fn read(
    inventory: &Inventory,
    topology: &Topology,
    home: &Path,
) -> Result<Keys, Problems> {
    let mut keys = Keys::new();
    for (node, key, file) in bucket_keys_files(topology) {
        let read = read_file(&expanded(file, home)).map_err(|(message, hint)| {
            Problems::from(inventory.problem(key, message, Some(hint)))
        })?;
        keys.insert(node.to_owned(), read);
    }
    Ok(keys)
}

/// The same secrets with these keys among them, and no others.
pub(super) fn kept(mut secrets: Secrets, keys: &Keys) -> Secrets {
    secrets.forget(BUCKET_KEYS, |node| !keys.contains_key(node));
    for (node, key) in keys {
        secrets.set(BUCKET_KEYS, node, key.clone());
    }
    secrets
}

/// The keys in a file, as the agents read them. The error is what is wrong with it, and what to do.
fn read_file(path: &Path) -> Result<Secret, Fault> {
    let shown = path.display();
    let form = "it holds `aws_access_key_id = …` and `aws_secret_access_key = …`".to_owned();
    let text = private_file::read(path, &form)?;
    let lines = || text.lines().map(str::trim);
    if lines().filter(|line| line.starts_with('[')).count() > 1 {
        let several = format!("{shown} holds more than one profile");
        return Err((
            several,
            "put the profile that is meant into a file of its own".to_owned(),
        ));
    }
    for key in ["aws_access_key_id", "aws_secret_access_key"] {
        let is_said = |line: &str| {
            let said = line.split_once('=');
            said.is_some_and(|(name, value)| name.trim() == key && !value.trim().is_empty())
        };
        if !lines().any(is_said) {
            return Err((format!("{shown} holds no `{key} = …`"), form));
        }
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::read_file;

    #[test]
    fn keys_are_those_of_one_profile() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let read = |text: &str| {
            std::fs::write(file.path(), text).expect("written");
            read_file(file.path())
        };
        let good = "[default]\naws_access_key_id = A\naws_secret_access_key = geheim\n";
        for (text, words) in [
            ("", "no `aws_access_key_id"),
            (
                "aws_access_key_id = A\naws_secret_access_key =\n",
                "no `aws_secret_access_key",
            ),
            (&format!("{good}[other]\n"), "more than one profile"),
        ] {
            let (message, hint) = read(text).expect_err("refused");
            assert!(message.contains(words), "{message}");
            assert!(!message.contains("geheim") && !hint.contains("geheim"));
        }
        assert_eq!(read(good).expect("keys").expose(), good);
    }
}
