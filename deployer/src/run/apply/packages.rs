//! Debian packages.

use std::time::Duration;

use super::shell::{LONG, Script, Shell};
use crate::host::Input;
use crate::run::StepError;
use crate::step::FromRepository;

const INSTALL: Script = Script {
    name: "install packages",
    text: concat!(include_str!("apt.sh"), include_str!("packages.sh")),
};
const ADD_REPOSITORY: Script = Script {
    name: "add a package repository",
    text: concat!(include_str!("apt.sh"), include_str!("repository.sh")),
};
const FORGET_ANSWERS: Script = Script {
    name: "forget what a package was answered",
    text: include_str!("forget_answers.sh"),
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

pub(super) async fn install_from_repository(
    shell: &Shell<'_>,
    wanted: &FromRepository,
) -> Result<(), StepError> {
    // A version may have a `~` after it, which sorts before nothing at all.
    let oldest = format!("{}~", wanted.oldest);
    let (keyring, sources) = (wanted.keyring(), wanted.sources());
    let arguments = [
        wanted.repository.as_str(),
        &keyring,
        &sources,
        &oldest,
        &wanted.key.text,
        &wanted.package,
        &wanted.software,
        &wanted.because,
        &wanted.other_key,
    ];
    let input = Input::Bytes(wanted.answers.text.clone().into_bytes());
    shell
        .script(&ADD_REPOSITORY, &arguments, input, LONG)
        .await?;
    let installed = install(shell, std::slice::from_ref(&wanted.package)).await;
    // Also where it failed: it may never be tried again.
    let forgotten = forget_answers(shell, &wanted.forgotten).await;
    installed.and(forgotten)
}

async fn forget_answers(shell: &Shell<'_>, questions: &[String]) -> Result<(), StepError> {
    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    shell
        .script(&FORGET_ANSWERS, &questions, Input::Nothing, LONG)
        .await?;
    Ok(())
}
