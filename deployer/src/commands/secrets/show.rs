//! `secrets show`: the list without a value in it, or one password alone.

use std::io::Write;

use serde::Serialize;

use super::unknown;
use crate::cli::{Environment, Target};
use crate::component::Renewal;
use crate::component::secrets::named;
use crate::error::CommandError;
use crate::reach::deployment::Deployment;
use crate::report::{Event, Reporter};

/// A secret, as the list has it. It is stable: fields may be added, none is renamed or removed.
#[derive(Serialize)]
struct Row {
    name: String,
    about: String,
    /// When it was made; `None`: before that was written down, or not yet.
    since: Option<String>,
    /// `secrets show` prints it.
    shown: bool,
    /// The command that brings another one.
    renewed_by: Option<String>,
    /// Another one is on its way, and is not in use everywhere.
    changing: bool,
}

const UNFINISHED: &str = "new secrets are not in use everywhere yet: deployer up finishes that";

/// Prints all of them.
pub(super) fn all(
    target: &Target,
    json: bool,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(target, environment)?;
    let secrets = deployment.secrets()?;
    let rows = named(&deployment.topology, &secrets)
        .into_iter()
        .map(|one| {
            let renewed_by = match one.renewal {
                Renewal::Rolling => Some("secrets rotate".to_owned()),
                Renewal::Pausing => Some(format!("secrets rotate {}", one.name)),
                Renewal::With(other) => Some(format!("secrets rotate {other}")),
                Renewal::Never => None,
            };
            Row {
                since: secrets.since(&one.of, &one.key).map(str::to_owned),
                shown: one.is_password,
                changing: secrets.former(&one.of, &one.key).is_some(),
                name: one.name,
                about: one.about,
                renewed_by,
            }
        });
    let rows: Vec<Row> = rows.collect();
    if json {
        serde_json::to_writer_pretty(&mut *out, &rows)?;
        writeln!(out)?;
    } else {
        let width = |words: fn(&Row) -> &str| {
            let lengths = rows.iter().map(|row| words(row).chars().count());
            lengths.max().unwrap_or(0)
        };
        let names = width(|row| &row.name).max(4);
        let about = width(|row| &row.about).max(3);
        writeln!(
            out,
            "{:<names$}  {:<about$}  {:<20}  another one by",
            "name", "for", "since"
        )?;
        for row in &rows {
            let (since, by) = (row.since.as_deref(), row.renewed_by.as_deref());
            let (since, by) = (since.unwrap_or("-"), by.unwrap_or("-"));
            let (name, text) = (&row.name, &row.about);
            writeln!(out, "{name:<names$}  {text:<about$}  {since:<20}  {by}")?;
        }
    }
    if rows.iter().any(|row| row.changing) {
        reporter.event(&Event::Warning(UNFINISHED.into()));
    }
    Ok(0)
}

/// Prints the password of one, and nothing else.
pub(super) fn one(
    name: &str,
    target: &Target,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(target, environment)?;
    let secrets = deployment.secrets()?;
    let all = named(&deployment.topology, &secrets);
    let Some(one) = all.iter().find(|one| one.name == name) else {
        return Err(unknown(name, all.iter().filter(|one| one.is_password)));
    };
    if !one.is_password {
        return Err(CommandError::usage(format!(
            "{name} is no password, and is not shown: {}",
            one.about
        ))
        .hint(format!(
            "it lies in {}",
            deployment.secrets_file().display()
        )));
    }
    let Some(secret) = secrets.known(&one.of, &one.key) else {
        let error = CommandError::failed(format!("{name} has no password yet"));
        return Err(error.hint("deployer up makes it"));
    };
    if secrets.former(&one.of, &one.key).is_some() {
        reporter.event(&Event::Warning(UNFINISHED.into()));
    }
    writeln!(out, "{}", secret.expose())?;
    Ok(0)
}
