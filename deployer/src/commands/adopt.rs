//! `adopt`: takes a deployment over from another laptop, by the copy of its state that lies on its machines.

use std::path::Path;

use crate::cli::{Adopt, Environment};
use crate::error::CommandError;
use crate::inventory::check_deployment_name;
use crate::machine::Access;
use crate::observe::older;
use crate::prepare::{state_copy, target};
use crate::reach::copies::{self, Found};
use crate::receipt::{Copied, Receipt};
use crate::report::{Event, Reporter};
use crate::run::journal::{self, Journal, JournalError, Mode};
use crate::run::keys;
use crate::secret::Secret;
use crate::state_copy::{Key, State, is_by_passphrase};
use crate::tell::prompt;

/// Writes receipt, secrets and keys as if `up` had been run here.
pub async fn run(
    options: &Adopt,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let state_dir = target::state_dir(&options.target, environment);
    let found = copies::newest(options, environment, reporter).await?;
    let mark = &found.mark;
    let known = known(&state_dir, &found)?;
    let key = key(options, &found, reporter)?;
    let closed = found.closed.clone();
    let opening = tokio::task::spawn_blocking(move || key.open(&closed));
    let text = opening.await?.map_err(|error| {
        CommandError::failed(format!("{}: the copy was not opened: {error}", found.place))
            .hint("nothing was written here; where the copies are damaged, `deployer up` on the laptop that has the receipt writes them anew")
    })?;
    let state = State::read(&text)?;
    let told = state.receipt(Path::new(""));
    require_same(&found, &told)?;
    let directory = journal::directory(&state_dir, &told.name, &told.cloud);
    let mut receipt = state.receipt(&directory);
    let shown = match &found.host_key {
        Some(key) => format!(", which shows the host key {}", fingerprint(key)),
        None => String::new(),
    };
    let (name, id) = (receipt.name.clone(), receipt.id.clone());
    let question = format!(
        "Take over {name} (id {id}) by {}, from {}{shown}?",
        mark.words(),
        found.place
    );
    prompt::confirm(&question, options.yes, reporter)?;

    let journal = Journal::open(&state_dir, &receipt.name, &receipt.cloud, Mode::Create)?;
    let there = journal.receipt();
    // Another run may have made one since we looked.
    if !there.inventory.is_empty() && known.as_ref() != Some(&there) {
        return Err(is_there(&there, journal.directory()));
    }
    receipt.copied = Some(Copied {
        number: mark.number,
        digest: mark.digest.clone(),
    });
    for (name, key) in state.keys() {
        keys::restore(journal.directory(), name, &key)?;
    }
    journal.restore_secrets(&state.secrets())?;
    journal.change(|own| *own = receipt)?;
    reporter.event(&Event::Note(format!(
        "{name} is taken over: `deployer plan` with its inventory shows whether all is as it says"
    )));
    Ok(0)
}

/// What this box knows of the deployment already: nothing, or what is older than the copy. All else is left alone.
fn known(state_dir: &Path, found: &Found) -> Result<Option<Receipt>, CommandError> {
    let mark = &found.mark;
    let mut known = None;
    for entry in journal::list(state_dir)? {
        let same_name = entry.name == mark.deployment;
        match journal::read_receipt(&entry.directory) {
            Ok(own) if own.id == mark.id => {
                if !older::is_ahead(mark, &own) {
                    return Err(CommandError::usage(format!(
                        "{} (id {}) is here already, by {} or newer; nothing was written",
                        own.name,
                        own.id,
                        mark.words()
                    )));
                }
                known = Some(own);
            }
            Ok(_) | Err(JournalError::Missing(_)) => {}
            Err(error) if same_name => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(known)
}

fn is_there(there: &Receipt, directory: &Path) -> CommandError {
    CommandError::usage(format!(
        "another deployment called {} is here already (id {}, in {}); nothing was written",
        there.name,
        there.id,
        directory.display()
    ))
    .hint("--state-dir DIR names another place for this one")
}

/// What opens the copy: what the options name, else the passphrase that is asked for.
fn key(options: &Adopt, found: &Found, reporter: &dyn Reporter) -> Result<Key, CommandError> {
    if let Some(path) = &options.identity {
        let text = std::fs::read_to_string(path).map_err(|error| {
            CommandError::usage(format!("cannot read {}: {error}", path.display()))
        })?;
        return Ok(Key::Identity(Secret::new(text)));
    }
    if let Some(path) = &options.passphrase_file {
        let read = state_copy::passphrase(path);
        let passphrase = read.map_err(|(what, next)| CommandError::usage(what).hint(next))?;
        return Ok(Key::Passphrase(passphrase));
    }
    if !is_by_passphrase(&found.closed) {
        return Err(
            CommandError::usage(format!("{}: the copy is for keys of age", found.place))
                .hint("--identity FILE names the file with the private half of one"),
        );
    }
    let asked = format!("Passphrase of {}", found.mark.deployment);
    Ok(Key::Passphrase(prompt::passphrase(&asked, reporter)?))
}

/// Refuses a copy that is not of where it lay.
fn require_same(found: &Found, receipt: &Receipt) -> Result<(), CommandError> {
    let mark = &found.mark;
    // Both become a part of paths here.
    target::cloud_name(&receipt.cloud)?;
    check_deployment_name(&receipt.name).map_err(|why| {
        CommandError::failed(format!("the copy is of `{}`, which {why}", receipt.name))
    })?;
    if receipt.id != mark.id || receipt.name != mark.deployment {
        return Err(CommandError::failed(format!(
            "{}: the copy is of {} (id {}), and its mark says {} (id {})",
            found.place, receipt.name, receipt.id, mark.deployment, mark.id
        )));
    }
    let Some(shown) = &found.host_key else {
        return Ok(());
    };
    let machines = receipt
        .machines
        .values()
        .filter_map(|record| record.machine.clone());
    let keys = machines.filter_map(|machine| match receipt.trusting(machine).access {
        Access::Ssh(ssh) => ssh.host_key,
        Access::Here => None,
    });
    let known = keys.flat_map(|keys| keys.lines().map(words).collect::<Vec<_>>());
    if known.into_iter().any(|key| key == words(shown)) {
        return Ok(());
    }
    Err(CommandError::failed(format!(
        "{}: the host key that it shows ({}) is none of those in the copy; nothing was written",
        found.place,
        fingerprint(shown)
    ))
    .hint(
        "a host of yours: log in once by hand and compare its key, so that your known_hosts has it",
    )
    .hint("a machine of a cloud: somebody may stand between"))
}

/// Algorithm and key, without a comment.
fn words(key: &str) -> String {
    key.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn fingerprint(key: &str) -> String {
    let read = ssh_key::PublicKey::from_openssh(key);
    read.map_or_else(
        |_| key.to_owned(),
        |key| key.fingerprint(ssh_key::HashAlg::Sha256).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::{Found, require_same};
    use crate::receipt::{HostKey, MachineRecord, Receipt};
    use crate::step::StateMark;

    #[test]
    fn a_copy_is_of_the_machine_that_shows_it() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBtN";
        let found = |id: &str, host_key: Option<&str>| Found {
            place: "vm1".into(),
            mark: StateMark {
                version: 1,
                id: id.into(),
                deployment: "x".into(),
                number: 1,
                digest: String::new(),
                sha256: String::new(),
                written: String::new(),
                by: String::new(),
            },
            marked: true,
            closed: String::new(),
            host_key: host_key.map(str::to_owned),
        };
        let machine = serde_json::json!({
            "node": "vm1", "id": "i-1", "networks": {}, "public": null,
            "access": {"ssh": {"address": "10.0.0.1", "user": null, "port": null, "key": null,
                "host_key": "ssh-ed25519 GIVEN", "jump": null}},
        });
        let mut receipt = Receipt::bare("1", "x", "aws");
        let record = MachineRecord {
            cloud: "aws".into(),
            machine: Some(serde_json::from_value(machine).expect("a machine")),
            data: Vec::new(),
        };
        receipt.machines.insert("vm1".into(), record);
        let own = HostKey {
            machine: "i-1".into(),
            key: format!("{key} root@vm1"),
            alone: true,
        };
        receipt.host_keys.insert("vm1".into(), own);
        require_same(&found("1", None), &receipt).expect("known_hosts vouches for it");
        require_same(&found("1", Some(key)), &receipt).expect("its own key");
        let refused = |found: &Found, receipt: &Receipt, words: &str| {
            let error = require_same(found, receipt).expect_err("refused").block();
            assert!(error.contains(words), "{error}");
        };
        refused(
            &found("1", Some("ssh-ed25519 GIVEN")),
            &receipt,
            "none of those in the copy",
        );
        refused(&found("2", None), &receipt, "its mark says x (id 2)");
        let outside = Receipt::bare("1", "../x", "aws");
        refused(&found("1", None), &outside, "the copy is of `../x`");
        let nowhere = Receipt::bare("1", "x", "../aws");
        refused(&found("1", None), &nowhere, "../aws");
    }
}
