//! Which `CouchDB` it is, and as whom documents are written.

use std::path::PathBuf;

use reqwest::Certificate;
use serde::Deserialize;

use super::{Couchdb, Documents};
use crate::config::error::ConfigError;
use crate::config::files;
use crate::config::topic::Topic;
use crate::config::values::not_empty;
use crate::sink::asked::Asked;
use crate::sink::{OpenError, Sink};

/// Where the documents go and as whom they are written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The server, as in `http://HOST:5984`; no user, password or path.
    pub url: String,
    /// The certificates, in PEM, of which one must have signed the server's; of `https` alone. Those the system trusts
    /// where this is missing.
    pub ca_file: Option<PathBuf>,
    /// The user who writes the documents; no administrator.
    pub user: String,
    /// The file that holds this user's password.
    pub password_file: PathBuf,
}

impl Settings {
    /// Reads the certificates that are trusted; none where the system's are.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else.
    pub fn roots(&self) -> Result<Option<Vec<Certificate>>, ConfigError> {
        self.ca_file
            .as_ref()
            .map(|file| files::certificates("couchdb.ca_file", file))
            .transpose()
    }

    /// Reads the password of the user who writes the documents.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, or is open to everybody.
    pub fn password(&self) -> Result<String, ConfigError> {
        files::password("couchdb.password_file", &self.password_file)
    }
}

impl crate::sink::Settings for Settings {
    fn check(&self) -> Result<(), (String, String)> {
        check_url(&self.url)?;
        if self.ca_file.is_some() && !self.url.starts_with("https:") {
            return Err((
                "couchdb.ca_file".to_owned(),
                "is of no use: couchdb.url does not begin with https://".to_owned(),
            ));
        }
        not_empty("couchdb.user", &self.user)?;
        if self.user.contains(':') {
            return Err((
                "couchdb.user".to_owned(),
                format!("{:?} must not hold a ':'", self.user),
            ));
        }
        not_empty(
            "couchdb.password_file",
            &self.password_file.display().to_string(),
        )
    }

    fn check_files(&self) -> Result<(), ConfigError> {
        self.password()?;
        self.roots().map(drop)
    }

    fn check_topic(&self, topic: &Topic) -> Result<(), (&'static str, String)> {
        check_database(&topic.database).map_err(|problem| ("database", problem))
    }

    fn open(&self) -> Result<Box<dyn Sink>, OpenError> {
        Ok(Box::new(Documents::new(Couchdb::open(self)?)))
    }

    fn asked(&self) -> Result<Box<dyn Asked>, OpenError> {
        Ok(Box::new(Couchdb::open(self)?))
    }
}

fn check_url(value: &str) -> Result<(), (String, String)> {
    let key = "couchdb.url";
    let error = |problem: &str| Err((key.to_owned(), problem.to_owned()));
    // The address itself is not shown where it may hold a password.
    let Ok(url) = reqwest::Url::parse(value) else {
        return error("is not an address like http://HOST:5984");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return error("must not hold a user or password; they have their own keys");
    }
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return error("is not an address like http://HOST:5984");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return error("must end after the port");
    }
    Ok(())
}

fn check_database(value: &str) -> Result<(), String> {
    let first = value.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    let rest = value
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_$()+-".contains(c));
    if first && rest && value.len() <= 200 {
        return Ok(());
    }
    Err(format!(
        "{value:?} is not a database name (a-z first, then a-z, 0-9 and _$()+-)"
    ))
}
