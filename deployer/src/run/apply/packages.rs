//! Debian packages.

use std::time::Duration;

use super::shell::{LONG, Script, Shell};
use crate::host::Input;
use crate::run::StepError;
use crate::step::{Content, keyring, sources};

const INSTALL: Script = Script {
    name: "install packages",
    text: concat!(include_str!("apt.sh"), include_str!("packages.sh")),
};
const ADD_REPOSITORY: Script = Script {
    name: "add a package repository",
    text: concat!(include_str!("apt.sh"), include_str!("repository.sh")),
};
/// cloud-init and apt's lock may each take 300 s, a slow mirror the rest.
const TIMEOUT: Duration = Duration::from_mins(30);

pub(super) async fn install(shell: &Shell<'_>, packages: &[String]) -> Result<(), StepError> {
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    shell
        .script(&INSTALL, &packages, Input::Nothing, TIMEOUT)
        .await?;
    Ok(())
}

/// A package, and the repository it comes from; see [`crate::step::Action::InstallFromRepository`].
pub(super) struct FromRepository<'a> {
    pub(super) software: &'a str,
    pub(super) package: &'a str,
    pub(super) oldest: &'a str,
    pub(super) because: &'a str,
    pub(super) repository: &'a str,
    pub(super) key: &'a Content,
    pub(super) other_key: &'a str,
    pub(super) answers: &'a Content,
}

pub(super) async fn install_from_repository(
    shell: &Shell<'_>,
    wanted: &FromRepository<'_>,
) -> Result<(), StepError> {
    let package = wanted.package;
    // A version may have a `~` after it, which sorts before nothing at all.
    let oldest = format!("{}~", wanted.oldest);
    let (keyring, sources) = (keyring(package), sources(package));
    let arguments = [
        wanted.repository,
        &keyring,
        &sources,
        &oldest,
        &wanted.key.text,
        package,
        wanted.software,
        wanted.because,
        wanted.other_key,
    ];
    let input = Input::Bytes(wanted.answers.text.clone().into_bytes());
    shell
        .script(&ADD_REPOSITORY, &arguments, input, LONG)
        .await?;
    install(shell, &[package.to_owned()]).await
}
