//! Whose keys requests are signed with: those in a file, or those that the machine's profile has for a while.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Client;
use rusty_s3::Credentials;
use serde::Deserialize;

use crate::config::error::ConfigError;
use crate::config::files::read_secret;

/// Where a machine asks about itself.
const METADATA: &str = "http://169.254.169.254";
/// How long the machine's own service may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long before their end keys are replaced.
const EARLY: Duration = Duration::from_mins(5);
/// For how long that service lets in whoever asked it for that.
const TOKEN_SECONDS: &str = "300";

/// The key of the file in the configuration.
const KEY: &str = "source.credentials_file";

/// Where keys come from.
pub(super) enum Keys {
    /// A file, read whenever keys are wanted: who replaces it need not restart anything.
    File(PathBuf),
    /// The machine's profile.
    Profile {
        /// Where it is asked for.
        metadata: String,
        /// What it said, until it ends.
        present: Option<(Credentials, Timestamp)>,
    },
}

/// What the machine's service says of keys.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: Timestamp,
}

impl Keys {
    /// Those in a file; without one those that the machine's profile has, asked for there where that is said.
    pub(super) fn new(file: Option<&Path>, metadata: Option<&str>) -> Self {
        match file {
            Some(file) => Self::File(file.to_owned()),
            None => Self::Profile {
                metadata: metadata.unwrap_or(METADATA).to_owned(),
                present: None,
            },
        }
    }

    /// Forgets those of the profile: the machine may have another role now.
    pub(super) fn forget(&mut self) {
        if let Self::Profile { present, .. } = self {
            *present = None;
        }
    }

    /// Returns the keys that are in force.
    pub(super) async fn get(&mut self, http: &Client) -> Result<Credentials, String> {
        match self {
            Self::File(path) => of_file(path).map_err(|error| crate::error::chain(&error)),
            Self::Profile { metadata, present } => {
                let soon = Timestamp::now() + EARLY;
                if let Some((credentials, end)) = present
                    && *end > soon
                {
                    return Ok(credentials.clone());
                }
                match ask(http, metadata).await {
                    Ok(told) => {
                        let credentials = Credentials::new_with_token(
                            told.access_key_id,
                            told.secret_access_key,
                            told.token,
                        );
                        *present = Some((credentials.clone(), told.expiration));
                        Ok(credentials)
                    }
                    // They are good for some minutes yet.
                    Err(error) => match present {
                        Some((credentials, end)) if *end > Timestamp::now() => {
                            tracing::warn!(error, "the machine's profile has no newer keys yet");
                            Ok(credentials.clone())
                        }
                        _ => Err(error),
                    },
                }
            }
        }
    }
}

/// Asks the machine's own service, in the way that needs a token first (`IMDSv2`).
async fn ask(http: &Client, metadata: &str) -> Result<Told, String> {
    let roles = format!("{metadata}/latest/meta-data/iam/security-credentials/");
    let told = async {
        let token = http
            .put(format!("{metadata}/latest/api/token"))
            .header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS)
            .timeout(PATIENCE)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?;
        let get = async |url: &str| -> reqwest::Result<String> {
            let request = http.get(url).header("x-aws-ec2-metadata-token", &token);
            let response = request.timeout(PATIENCE).send().await?;
            response.error_for_status()?.text().await
        };
        let role = get(&roles).await?;
        get(&format!("{roles}{}", role.trim())).await
    };
    let told = told.await.map_err(|error| {
        let reason = crate::error::chain(&error);
        format!("the machine's profile gives no keys: {reason}; give the machine an instance profile, or name a `credentials_file`")
    })?;
    serde_json::from_str(&told).map_err(|error| {
        // The answer itself would show the secret.
        let (line, column) = (error.line(), error.column());
        format!(
            "the machine's profile gives keys that cannot be read (line {line}, column {column})"
        )
    })
}

/// Reads keys from a file as AWS's own tools have it.
pub(super) fn of_file(path: &Path) -> Result<Credentials, ConfigError> {
    let text = read_secret(KEY, path)?;
    in_text(&text).map_err(|problem| ConfigError::File {
        key: KEY,
        path: path.display().to_string(),
        problem,
    })
}

fn in_text(text: &str) -> Result<Credentials, String> {
    let (mut id, mut secret, mut token) = (None, None, None);
    let mut profiles = 0;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') {
            profiles += 1;
            continue;
        }
        let number = number + 1;
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| format!("line {number} is not `KEY = VALUE`"))?;
        let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        match key.trim() {
            "aws_access_key_id" => id = value,
            "aws_secret_access_key" => secret = value,
            "aws_session_token" => token = value,
            // Others are about tools, not about keys.
            _ => {}
        }
    }
    if profiles > 1 {
        return Err("holds more than one profile; it must hold one".to_owned());
    }
    let missing = |key: &str| format!("holds no `{key} = …`");
    let id = id.ok_or_else(|| missing("aws_access_key_id"))?;
    let secret = secret.ok_or_else(|| missing("aws_secret_access_key"))?;
    Ok(match token {
        Some(token) => Credentials::new_with_token(id, secret, token),
        None => Credentials::new(id, secret),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_awss_own_tools_is_understood_and_anything_else_is_said() {
        let whole = "[default]\n# mine\naws_access_key_id = AKIA1\naws_secret_access_key=s/e+c\nregion = x\n";
        let read = in_text(whole).expect("keys");
        assert_eq!(
            (read.key(), read.secret(), read.token()),
            ("AKIA1", "s/e+c", None)
        );
        let read = in_text(&format!("{whole}aws_session_token = t=\n")).expect("keys");
        assert_eq!(read.token(), Some("t="));
        for (text, problem) in [
            ("", "aws_access_key_id"),
            (
                "aws_access_key_id = \naws_secret_access_key = x",
                "aws_access_key_id",
            ),
            ("aws_access_key_id = x", "aws_secret_access_key"),
            ("AKIA1 secret", "line 1"),
            (
                "[a]\naws_access_key_id = x\n[b]\naws_secret_access_key = y",
                "more than one profile",
            ),
        ] {
            let told = in_text(text).expect_err(text);
            assert!(told.contains(problem), "{text}: {told}");
            assert!(!told.contains("secret "), "{told}");
        }
    }
}
