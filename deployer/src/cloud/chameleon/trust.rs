//! Whom the credentials are shown to: a site that is vouched for by this box's certificates, or by those that the user names.
//! Reads files, asks nobody.

use std::path::{Path, PathBuf};

use reqwest::Certificate;
use serde_json::Value;

use super::places::Places;
use crate::cloud::CloudError;

/// Certificates that may vouch for a site, and where they lie.
#[derive(Debug, Clone)]
pub struct Trusted {
    /// Their file.
    pub path: PathBuf,
    /// They themselves.
    pub certificates: Vec<Certificate>,
}

/// What `OS_CACERT` says for this run, or the `cacert` of an entry of `clouds.yaml`. As OpenStack's own tools have it, they are
/// trusted instead of this box's.
pub(super) fn find(
    places: &Places,
    entry: &Value,
    origin: &str,
) -> Result<Option<Trusted>, CloudError> {
    refuse_blindness(places, entry, origin)?;
    let said = places.variable("OS_CACERT");
    let Some(named) = said.or_else(|| entry.get("cacert").and_then(Value::as_str)) else {
        return Ok(None);
    };
    let path = match named.strip_prefix("~/") {
        Some(rest) => places.home.join(rest),
        None => PathBuf::from(named),
    };
    let word = if said.is_some() {
        "OS_CACERT"
    } else {
        "cacert"
    };
    read(path, &format!("`{word}` of {origin}")).map(Some)
}

/// A site that nobody vouches for may be anybody, and would be shown the credentials.
fn refuse_blindness(places: &Places, entry: &Value, origin: &str) -> Result<(), CloudError> {
    let yes = |text: &str| matches!(text.to_lowercase().as_str(), "1" | "true" | "yes" | "on");
    let is = |key: &str, value: bool| entry.get(key) == Some(&Value::Bool(value));
    let word = if places.variable("OS_INSECURE").is_some_and(yes) {
        "OS_INSECURE"
    } else if is("verify", false) {
        "`verify: false`"
    } else if is("insecure", true) {
        "`insecure: true`"
    } else {
        return Ok(());
    };
    Err(CloudError::Refused(format!(
        "{origin}: {word} would show the credentials to whoever answers: remove it, and name the site's certificate as `cacert` \
         (or OS_CACERT) if this box does not know it"
    )))
}

fn read(path: PathBuf, what: &str) -> Result<Trusted, CloudError> {
    let text = std::fs::read(&path).map_err(|source| CloudError::File {
        what: format!("{what}: cannot read the certificates"),
        path: path.display().to_string(),
        source,
    })?;
    let certificates = Certificate::from_pem_bundle(&text).unwrap_or_default();
    if certificates.is_empty() {
        return Err(no_certificate(&path, what));
    }
    Ok(Trusted { path, certificates })
}

fn no_certificate(path: &Path, what: &str) -> CloudError {
    CloudError::Refused(format!(
        "{what}: {} has no certificate that can be read: it must hold some in PEM (`-----BEGIN CERTIFICATE-----`)",
        path.display()
    ))
}
