//! The private keys that the inventory names for the user's own hosts: looked at before any host is asked. What ssh would say of
//! them comes late, once for each host, and does not name the line of the inventory.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::inventory::{Inventory, Problems};
use crate::machine::Access;
use crate::process;
use crate::topology::Topology;

/// What is wrong with a key, and what to do about it.
type Fault = (String, Option<String>);

/// Checks the keys of all nodes that have one.
pub async fn check(
    inventory: &Inventory,
    topology: &Topology,
    home: &Path,
) -> Result<(), Problems> {
    let keys = topology.nodes.values().filter_map(|node| {
        let Some(Access::Ssh(access)) = &node.access else {
            return None;
        };
        Some((&node.name, access.key.as_deref()?))
    });
    let mut problems = Vec::new();
    for (node, key) in keys {
        let path = expanded(key, home);
        let wrong = match fault(&path) {
            None => locked(&path, home).await,
            wrong => wrong,
        };
        if let Some((message, hint)) = wrong {
            let key = format!("clouds.existing.hosts.{node}.key");
            problems.push(inventory.problem(key, message, hint));
        }
    }
    Problems::check(problems)
}

/// The path with `~` replaced, as ssh does.
pub(super) fn expanded(key: &str, home: &Path) -> PathBuf {
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

/// A key that somebody would have to open by its passphrase, and that no agent holds open: nobody is asked while hosts are
/// worked on.
async fn locked(path: &Path, home: &Path) -> Option<Fault> {
    let text = std::fs::read_to_string(path).ok()?;
    let public = needs_passphrase(&text, || {
        std::fs::read_to_string(format!("{}.pub", path.display())).ok()
    })?;
    // Another agent than the usual one, or a key ring: only ssh knows.
    let configuration = std::fs::read_to_string(home.join(".ssh/config")).unwrap_or_default();
    let configuration = configuration.to_lowercase();
    if ["identityagent", "usekeychain"]
        .iter()
        .any(|key| configuration.contains(key))
    {
        return None;
    }
    let (status, held) = agent().await;
    if !public.is_empty() && held.contains(&public) {
        return None;
    }
    let shown = path.display();
    let why = if status == Some(1) || status == Some(0) {
        "your agent does not hold it"
    } else {
        "no agent runs"
    };
    let start = if why == "no agent runs" {
        "eval \"$(ssh-agent)\"; "
    } else {
        ""
    };
    Some((
        format!("{shown} has a passphrase, and {why}"),
        Some(format!("{start}ssh-add {shown}")),
    ))
}

/// The public half, as agents list it, of a private key that has a passphrase; empty where it is not known. `None`: it has none.
fn needs_passphrase(text: &str, public: impl Fn() -> Option<String>) -> Option<String> {
    let of_file = || {
        let line = public().unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .unwrap_or_default()
            .to_owned()
    };
    if let Ok(key) = ssh_key::PrivateKey::from_openssh(text) {
        let line = key.public_key().to_openssh().unwrap_or_default();
        let data = line.split_whitespace().nth(1).map(str::to_owned);
        return key.is_encrypted().then(|| data.unwrap_or_else(of_file));
    }
    // The older formats say it in their heads.
    let head = text.lines().take(3).any(|line| line.contains("ENCRYPTED"));
    head.then(of_file)
}

/// An agent that takes longer is none.
const ANSWER: Duration = Duration::from_secs(10);

/// How `ssh-add` ended (0: there are keys, 1: there is none, 2: there is no agent), and the keys it lists.
async fn agent() -> (Option<i32>, String) {
    let mut list = process::command("ssh-add");
    let listed = process::run(list.arg("-L"), &[], ANSWER, &|_| ()).await;
    listed
        .ok()
        .flatten()
        .map_or((None, String::new()), |ended| {
            let keys = String::from_utf8_lossy(&ended.stdout).into_owned();
            (ended.status.code(), keys)
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use ssh_key::rand_core::OsRng;

    use super::{expanded, fault, needs_passphrase};

    #[test]
    fn a_passphrase_is_seen_in_each_format() {
        let sealed = include_str!("../../../tests/fixtures/keys/sealed");
        let open = ssh_key::PrivateKey::random(&mut OsRng, ssh_key::Algorithm::Ed25519);
        let open = open.and_then(|key| key.to_openssh(ssh_key::LineEnding::LF));
        let open = open.expect("a key");
        let public = needs_passphrase(sealed, || None).expect("a passphrase");
        assert!(public.starts_with("AAAAC3NzaC1lZDI1NTE5"), "{public}");
        assert_eq!(needs_passphrase(&open, || None), None);
        let beside = || Some("ssh-rsa AAAAB3 me".to_owned());
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n";
        assert_eq!(needs_passphrase(old, beside).as_deref(), Some("AAAAB3"));
        let new = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nx\n";
        assert_eq!(needs_passphrase(new, || None).as_deref(), Some(""));
        assert_eq!(
            needs_passphrase("-----BEGIN RSA PRIVATE KEY-----\nx\n", || None),
            None
        );
    }

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
