//! What clouds need of the operator's box, and getting it.

use std::path::Path;

use super::elevate::Elevate;
use super::program::{PATH, Program};
use super::{CloudError, Need, Progress};

/// Installs packages as on nodes: of `a | b` the first that the system offers; who has apt's lock is waited for and named; lists that
/// are old or were never fetched are read.
pub(super) const INSTALL: &str = concat!(
    include_str!("../run/apply/apt.sh"),
    include_str!("../run/apply/packages.sh")
);

/// Apt's lock may take 300 s, a slow mirror the rest; in seconds.
const TIMEOUT: u64 = 900;

/// Whether the box has a program, where it keeps those that root runs.
pub(super) fn program(name: &str) -> bool {
    on(PATH, name)
}

fn on(path: &str, name: &str) -> bool {
    path.split(':')
        .any(|directory| Path::new(directory).join(name).is_file())
}

/// The SSH client, where it is lacking: whatever is done on another machine goes by it.
#[expect(
    clippy::disallowed_methods,
    reason = "PATH is no setting of ours: it is how any program is found"
)]
pub(super) fn ssh() -> Vec<Need> {
    let own = std::env::var("PATH").unwrap_or_default();
    let there = on(&own, "ssh") || program("ssh");
    (!there)
        .then(|| lacking("ssh", "openssh-client"))
        .into_iter()
        .collect()
}

/// A program that is lacking, with the Debian package that brings it.
pub(super) fn lacking(name: &str, package: &str) -> Need {
    if program("apt-get") {
        return Need {
            what: format!("the program `{name}`"),
            package: Some(package.to_owned()),
        };
    }
    act(format!(
        "the program `{name}` (this box has no apt-get: install it by hand)"
    ))
}

/// What the user must do.
pub(super) fn act(what: String) -> Need {
    Need {
        what,
        package: None,
    }
}

/// Installs what has a package. Root must be had without asking by now.
pub async fn install(needs: &[Need], progress: &dyn Progress) -> Result<(), CloudError> {
    let mut packages: Vec<&str> = needs
        .iter()
        .filter_map(|need| need.package.as_deref())
        .collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let elevate = Elevate::new();
    elevate.ready().await?;
    let what = format!("install {}", packages.join(", "));
    let script = [&["-c", INSTALL, "sh"], &packages[..]].concat();
    let install = Program::new(what, "sh", script).within(TIMEOUT);
    let line = |line: &str| progress.line(None, line);
    elevate.run_aloud(install, &line).await?;
    Ok(())
}
