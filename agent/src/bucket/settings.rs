//! Which bucket, where, and by whose keys.

use std::path::PathBuf;

use reqwest::Url;
use serde::Deserialize;

use super::credentials;
use crate::config::error::ConfigError;

/// The region where a store of another kind than AWS has none.
const NO_REGION: &str = "us-east-1";

/// Which bucket it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The bucket.
    pub(super) name: String,
    /// How the keys of its objects begin.
    #[serde(default)]
    pub(super) prefix: String,
    /// Where the store is; AWS's own of the region where this is missing.
    pub(super) endpoint: Option<String>,
    region: Option<String>,
    /// The file with the keys.
    pub(super) credentials_file: Option<PathBuf>,
    /// That the machine's profile has the keys.
    #[serde(default)]
    instance_profile: bool,
    /// Where the machine asks about itself, in place of AWS's address.
    pub(super) metadata: Option<String>,
    /// Milliseconds from one look at the list to the next.
    #[serde(default = "default_interval")]
    pub(crate) interval_ms: u64,
    /// Milliseconds after which an object that stays as it is ends with its last line.
    #[serde(default = "default_settled")]
    pub(crate) settled_ms: u64,
}

fn default_interval() -> u64 {
    5000
}

fn default_settled() -> u64 {
    60_000
}

impl Settings {
    /// Where the store is.
    pub(super) fn address(&self) -> String {
        let aws = || format!("https://s3.{}.amazonaws.com", self.region());
        self.endpoint.clone().unwrap_or_else(aws)
    }

    pub(super) fn region(&self) -> &str {
        self.region.as_deref().unwrap_or(NO_REGION)
    }

    /// The bucket's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What tells it from other buckets.
    pub(crate) fn identity(&self) -> String {
        format!("{} {} {}", self.address(), self.name, self.prefix)
    }

    /// Names the first key whose value cannot work, with the reason.
    pub(crate) fn check(&self) -> Result<(), (String, String)> {
        let refuse = |key: &str, problem: &str| Err((format!("source.{key}"), problem.to_owned()));
        let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        if !(3..=63).contains(&self.name.len()) || !self.name.chars().all(is_fit) {
            return refuse("name", "must be 3 to 63 of a-z, 0-9, '.' and '-'");
        }
        if self.prefix.len() > 1024 {
            return refuse("prefix", "must be at most 1024 bytes");
        }
        if let Some(endpoint) = &self.endpoint {
            let is_plain = |url: &Url| {
                ["http", "https"].contains(&url.scheme())
                    && url.has_host()
                    && url.path() == "/"
                    && url.query().is_none()
                    && url.username().is_empty()
                    && url.password().is_none()
            };
            if !Url::parse(endpoint).is_ok_and(|url| is_plain(&url)) {
                return refuse("endpoint", "must be https://HOST or https://HOST:PORT");
            }
        } else if self.region.is_none() {
            return refuse("region", "must be given where `endpoint` is not");
        }
        let region = self.region();
        if region.is_empty() || !region.chars().all(|c| is_fit(c) && c != '.') {
            return refuse("region", "must be a name such as eu-north-1");
        }
        if self.instance_profile == self.credentials_file.is_some() {
            return refuse(
                "credentials_file",
                "or `instance_profile` must be given, and not both",
            );
        }
        for (key, value) in [
            ("interval_ms", self.interval_ms),
            ("settled_ms", self.settled_ms),
        ] {
            if !(100..=86_400_000).contains(&value) {
                return refuse(key, "must be from 100 (0.1 s) to 86400000 (a day)");
            }
        }
        Ok(())
    }

    /// Reads the keys once.
    pub(crate) fn check_files(&self) -> Result<(), ConfigError> {
        match &self.credentials_file {
            Some(file) => credentials::of_file(file).map(drop),
            None => Ok(()),
        }
    }
}
