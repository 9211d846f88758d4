//! The files a configuration names: passwords, certificates and keys, read before anything is opened.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use reqwest::Certificate;

use super::ConfigError;

/// The most bytes of such a file: more than all certificates a system trusts.
const MAX_BYTES: u64 = 4 << 20;

/// Reads a password; the end of its line does not count.
pub(crate) fn password(key: &'static str, path: &Path) -> Result<String, ConfigError> {
    let refuse = refusal(key, path);
    let text = read_secret(key, path)?;
    let password = text.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(refuse("is empty; it must hold the password".to_owned()));
    }
    if password.contains(['\n', '\r', '\0']) {
        return Err(refuse(
            "holds more than one line; it must hold the password alone".to_owned(),
        ));
    }
    Ok(password.to_owned())
}

/// Reads certificates in PEM.
pub(crate) fn certificates(
    key: &'static str,
    path: &Path,
) -> Result<Vec<Certificate>, ConfigError> {
    certificates_in(&read(key, path)?).map_err(refusal(key, path))
}

/// Reads certificates in PEM, each as a text of its own.
pub(crate) fn pems(key: &'static str, path: &Path) -> Result<Vec<String>, ConfigError> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = read(key, path)?;
    certificates_in(&text).map_err(refusal(key, path))?;
    let whole = text.split_inclusive(END).filter(|part| part.ends_with(END));
    Ok(whole.map(str::to_owned).collect())
}

/// Reads certificates from a text in PEM; else says what is wrong with it.
pub(super) fn certificates_in(text: &str) -> Result<Vec<Certificate>, String> {
    let certificates = Certificate::from_pem_bundle(text.as_bytes()).map_err(|error| {
        format!(
            "holds a certificate that cannot be read: {}",
            crate::error::chain(&error)
        )
    })?;
    if certificates.is_empty() {
        return Err("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)".to_owned());
    }
    Ok(certificates)
}

/// Checks that a file holds a private key in PEM that needs no password.
pub(super) fn check_private_key(key: &'static str, path: &Path) -> Result<(), ConfigError> {
    private_key_in(&read_secret(key, path)?).map_err(refusal(key, path))
}

/// Checks that a text is a private key in PEM that needs no password; else says what is wrong with it.
pub(super) fn private_key_in(text: &str) -> Result<(), String> {
    if text.contains("ENCRYPTED") {
        // The client would ask the terminal for the password, and a service has none.
        return Err(
            "is encrypted; take the password off with `openssl pkey` and let only the agent read it"
                .to_owned(),
        );
    }
    if !text.contains("PRIVATE KEY-----") || text.contains('\0') {
        return Err("holds no private key in PEM (-----BEGIN PRIVATE KEY-----)".to_owned());
    }
    Ok(())
}

/// Reads a file that nobody but its owner and a group may read.
pub(crate) fn read_secret(key: &'static str, path: &Path) -> Result<String, ConfigError> {
    let mode = std::fs::metadata(path)
        .map_err(|error| refusal(key, path)(format!("cannot be read: {error}")))?
        .permissions()
        .mode();
    if mode & 0o007 != 0 {
        return Err(refusal(key, path)(format!(
            "is open to everybody (mode {:04o}); use `chmod o= FILE`",
            mode & 0o7777
        )));
    }
    read(key, path)
}

fn read(key: &'static str, path: &Path) -> Result<String, ConfigError> {
    let refuse = refusal(key, path);
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
        .map_err(|error| refuse(format!("cannot be read: {error}")))?;
    Ok(text)
}

fn refusal(key: &'static str, path: &Path) -> impl Fn(String) -> ConfigError {
    let path = path.display().to_string();
    move |problem| ConfigError::File {
        key,
        path: path.clone(),
        problem,
    }
}
