//! What of a node is no longer as the last `up` left it, as far as that can be told without what `up` would send.

use crate::facts::Facts;
use crate::step::{self, Action, Manifest};

use super::check::{Check, access_differs, archive_differs, check};

/// Says in words, one a line, what was changed or taken away behind our back. Whether services run and what the pipeline holds is
/// for others to judge.
pub fn drift<'a>(actions: impl IntoIterator<Item = &'a Action>, facts: &Facts) -> Vec<String> {
    let found = actions.into_iter().filter_map(|action| {
        let because = changed(action, facts)?;
        Some(format!("{} ({because})", thing(action)))
    });
    found.collect()
}

#[deny(clippy::wildcard_enum_match_arm)]
fn changed(action: &Action, facts: &Facts) -> Option<String> {
    match action {
        Action::WriteManifest { manifest } => match &facts.manifest {
            None => Some("missing".into()),
            Some(there) if there.id != manifest.id => {
                Some(format!("it is that of another deployment, id {}", there.id))
            }
            Some(_) => None,
        },
        // Their content is that of what was sent then.
        Action::UploadFile { path, access, .. } => match facts.files.get(path) {
            None => Some("missing".into()),
            Some(file) if file.directory => Some("a directory is there".into()),
            Some(file) => access_differs(access, file),
        },
        Action::UnpackArchive { path, .. } => {
            if facts.files.contains_key(&step::archive_marker(path)) {
                because(archive_differs(path, facts))
            } else {
                Some("missing".into())
            }
        }
        Action::StartUnit { unit, .. } => {
            let fact = facts.units.get(unit)?;
            (fact.loaded && !fact.enabled).then(|| "not enabled".into())
        }
        // Its key may be another than Apache's.
        Action::InstallFromRepository(wanted) => {
            let files = [wanted.keyring(), wanted.sources()];
            let there = facts.packages.contains(&wanted.package)
                && files.iter().all(|path| facts.files.contains_key(path));
            (!there).then(|| "missing".into())
        }
        Action::InstallPackages { .. }
        | Action::CreateUser { .. }
        | Action::CreateDirectory { .. }
        | Action::WriteFile { .. }
        | Action::SeedFile { .. }
        | Action::LinkFile { .. }
        | Action::OpenDirectories { .. }
        | Action::WriteHostsTable { .. }
        | Action::WriteStateCopy { .. }
        | Action::WriteFirewall { .. } => because(check(action, facts)),
        Action::WaitForPort { .. }
        | Action::CallTool { .. }
        | Action::StopUnit { .. }
        | Action::RemoveFile { .. }
        | Action::RemoveDirectory { .. }
        | Action::RemoveEmptyDirectory { .. }
        | Action::RemoveUser { .. }
        | Action::RemoveHostsTable { .. }
        | Action::RemoveFirewall { .. } => None,
    }
}

fn because(check: Check) -> Option<String> {
    match check {
        Check::Satisfied => None,
        Check::Differs { because, .. } => Some(because),
    }
}

/// What an action makes, in words.
fn thing(action: &Action) -> String {
    match action {
        Action::WriteManifest { manifest } => Manifest::path(&manifest.deployment),
        Action::CreateUser { user, .. } => format!("user {user}"),
        Action::CreateDirectory { path, .. } => format!("directory {path}"),
        Action::WriteFile { path, .. }
        | Action::SeedFile { path, .. }
        | Action::LinkFile { path, .. }
        | Action::UploadFile { path, .. } => path.clone(),
        Action::UnpackArchive { path, .. } => format!("the software in {path}"),
        Action::WriteHostsTable { block, .. } => format!("block {block} of /etc/hosts"),
        Action::WriteFirewall { table, .. } => format!("firewall table {table}"),
        Action::StartUnit { unit, .. } => unit.clone(),
        Action::WriteStateCopy { .. } => "the encrypted copy of the state".into(),
        other => other.describe(),
    }
}
