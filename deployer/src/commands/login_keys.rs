//! The private keys that the inventory names for the user's own hosts: looked at before any host is asked. What ssh would say of
//! them comes late, once for each host, and does not name the line of the inventory.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::inventory::{Inventory, Problems};
use crate::machine::Access;
use crate::topology::Topology;

/// What is wrong with a key, and what to do about it.
type Fault = (String, Option<String>);

/// Checks the keys of all nodes that have one.
pub fn check(inventory: &Inventory, topology: &Topology, home: &Path) -> Result<(), Problems> {
    let keys = topology.nodes.values().filter_map(|node| {
        let Some(Access::Ssh(access)) = &node.access else {
            return None;
        };
        Some((&node.name, access.key.as_deref()?))
    });
    let problems = keys.filter_map(|(node, key)| {
        let (message, hint) = fault(&expanded(key, home))?;
        let key = format!("clouds.existing.hosts.{node}.key");
        Some(inventory.problem(key, message, hint))
    });
    Problems::check(problems.collect())
}

/// The path with `~` replaced, as ssh does.
fn expanded(key: &str, home: &Path) -> PathBuf {
    key.strip_prefix("~/")
        .map_or_else(|| key.into(), |rest| home.join(rest))
}

fn fault(path: &Path) -> Option<Fault> {
    let shown = path.display();
    let metadata = match File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let hint = "give the path of the private key on this box".to_owned();
            return Some((format!("there is no file {shown}"), Some(hint)));
        }
        Err(error) => return Some((format!("cannot read {shown} ({error})"), None)),
    };
    if !metadata.is_file() {
        let hint = "give the path of a private key".to_owned();
        return Some((format!("{shown} is no file"), Some(hint)));
    }
    // As ssh sees it: only the owner's own carelessness counts.
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    let mode = metadata.mode() & 0o777;
    (own && mode & 0o077 != 0).then(|| {
        let message =
            format!("{shown} can be read by others (mode 0{mode:o}): ssh refuses such a key");
        (message, Some(format!("chmod 600 {shown}")))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::{expanded, fault};

    #[test]
    fn only_a_private_file_will_do() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        let words = |path: &Path| fault(path).map(|(message, _)| message);
        assert!(words(&path).is_some_and(|words| words.starts_with("there is no file")));
        assert!(words(directory.path()).is_some_and(|words| words.ends_with("is no file")));
        std::fs::write(&path, "").expect("a file");
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, permissions).expect("a mode");
            assert_eq!(fault(&path).is_none(), good, "{mode:o}");
        }
        assert!(words(&path).is_some_and(|words| words.contains("(mode 0604)")));
    }

    #[test]
    fn the_home_is_the_callers() {
        let home = Path::new("/home/me");
        assert_eq!(expanded("~/k", home), Path::new("/home/me/k"));
        assert_eq!(expanded("/k", home), Path::new("/k"));
        assert_eq!(expanded("k~/", home), Path::new("k~/"));
    }
}
