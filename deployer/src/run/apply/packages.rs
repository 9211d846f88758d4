//! Debian packages.

use std::time::Duration;

use super::shell::{LONG, Script, Shell};
use crate::host::Input;
use crate::run::StepError;
use crate::step::{COUCHDB_KEYRING, COUCHDB_SOURCES, Content};

const INSTALL: Script = Script {
    name: "install packages",
    text: include_str!("packages.sh"),
};
const ADD_COUCHDB: Script = Script {
    name: "add CouchDB's package repository",
    text: include_str!("couchdb.sh"),
};
/// cloud-init and apt's lock may each take 300 s, a slow mirror the rest.
const PATIENCE: Duration = Duration::from_mins(30);
/// Apache's packages of CouchDB.
const COUCHDB_REPOSITORY: &str = "https://apache.jfrog.io/artifactory/couchdb-deb/";
/// The key that signs them.
const COUCHDB_KEY: &str = "https://couchdb.apache.org/repo/keys.asc";

pub(super) async fn install(shell: &Shell<'_>, packages: &[String]) -> Result<(), StepError> {
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    shell
        .script(&INSTALL, &packages, Input::Nothing, PATIENCE)
        .await?;
    Ok(())
}

pub(super) async fn install_couchdb(
    shell: &Shell<'_>,
    answers: &Content,
    repository: Option<&str>,
) -> Result<(), StepError> {
    let key = repository.map_or_else(
        || COUCHDB_KEY.to_owned(),
        |repository| format!("{}/keys.asc", repository.trim_end_matches('/')),
    );
    let repository = repository.unwrap_or(COUCHDB_REPOSITORY);
    let arguments = [repository, &key, COUCHDB_KEYRING, COUCHDB_SOURCES];
    let input = Input::Bytes(answers.text.clone().into_bytes());
    shell.script(&ADD_COUCHDB, &arguments, input, LONG).await?;
    install(shell, &["couchdb".into()]).await
}
