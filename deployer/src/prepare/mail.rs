//! The password by which mail is sent, from a file of the user's.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::component::pipeline::{MAIL_PASSWORD, MailSection};
use crate::inventory::{Inventory, Problems};
use crate::prepare::login_keys::expanded;
use crate::receipt::Secrets;
use crate::secret::Secret;

/// Reads the password, which nobody else may be able to read; `None`: nobody logs in.
pub(super) fn read(inventory: &Inventory, home: &Path) -> Result<Option<Secret>, Problems> {
    let mail: &MailSection = inventory.sections.get();
    let Some(file) = &mail.password_file else {
        return Ok(None);
    };
    let (.., key) = MAIL_PASSWORD;
    let password = password(&expanded(file, home));
    password
        .map(Some)
        .map_err(|(message, hint)| Problems::from(inventory.problem(key, message, Some(hint))))
}

/// The same secrets with this password among them, or without one.
pub(super) fn kept(mut secrets: Secrets, password: Option<&Secret>) -> Secrets {
    let (of, key, _) = MAIL_PASSWORD;
    match password {
        Some(password) => secrets.set(of, key, password.clone()),
        None => secrets.forget(of, |_| true),
    }
    secrets
}

/// The password in a file: all of it, but for the end of its line. The error is what is wrong with it, and what to do.
fn password(path: &Path) -> Result<Secret, (String, String)> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        let first = "write the relay's password into it first".to_owned();
        (format!("cannot read {shown}: {error}"), first)
    };
    let mode = std::fs::metadata(path).map_err(unreadable)?;
    let mode = mode.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let open = format!("{shown} can be read by others (mode {mode:04o})");
        return Err((open, format!("chmod 600 {shown}")));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let password = text.trim_end_matches(['\n', '\r']);
    if password.is_empty() || password.contains(['\n', '\r', '\0']) {
        let wrong = format!("{shown} does not hold one line, the password");
        return Err((wrong, "write nothing but the password into it".to_owned()));
    }
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::password;

    #[test]
    fn a_password_is_one_line_and_for_its_owner_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("password");
        let refused = |words: &str| {
            let (message, hint) = password(&path).expect_err("refused");
            assert!(message.contains(words), "{message}");
            assert!(!message.contains("sesame") && !hint.contains("sesame"));
        };
        refused("cannot read");
        let write = |text: &str, mode: u32| {
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
        };
        write("sesame\n", 0o644);
        refused("can be read by others (mode 0644)");
        for text in ["", "\n", "sesame\nmore\n"] {
            write(text, 0o600);
            refused("does not hold one line");
        }
        write("open sesame\n", 0o600);
        assert_eq!(password(&path).expect("a password").expose(), "open sesame");
    }
}
