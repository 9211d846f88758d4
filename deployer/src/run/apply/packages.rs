//! Debian packages.

use std::time::Duration;

use super::shell::{LONG, Script, Shell};
use crate::host::Input;
use crate::run::StepError;
use crate::step::{COUCHDB_KEYRING, COUCHDB_OLDEST, COUCHDB_PACKAGE, COUCHDB_SOURCES, Content};

const INSTALL: Script = Script {
    name: "install packages",
    text: concat!(include_str!("apt.sh"), include_str!("packages.sh")),
};
const ADD_COUCHDB: Script = Script {
    name: "add CouchDB's package repository",
    text: concat!(include_str!("apt.sh"), include_str!("couchdb.sh")),
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

pub(super) async fn install_couchdb(
    shell: &Shell<'_>,
    repository: &str,
    key: &Content,
    answers: &Content,
) -> Result<(), StepError> {
    // A version may have a `~` after it, which sorts before nothing at all.
    let oldest = format!("{COUCHDB_OLDEST}~");
    let arguments = [
        repository,
        COUCHDB_KEYRING,
        COUCHDB_SOURCES,
        &oldest,
        &key.text,
    ];
    let input = Input::Bytes(answers.text.clone().into_bytes());
    shell.script(&ADD_COUCHDB, &arguments, input, LONG).await?;
    install(shell, &[COUCHDB_PACKAGE.into()]).await
}
