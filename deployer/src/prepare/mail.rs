//! The password by which mail is sent, from a file of the user's.

use std::path::Path;

use crate::component::pipeline::{MAIL_PASSWORD, MailSection};
use crate::inventory::{Inventory, Problems};
use crate::prepare::login_keys::expanded;
use crate::prepare::private_file::{self, Fault};
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
fn password(path: &Path) -> Result<Secret, Fault> {
    let shown = path.display();
    let text = private_file::read(path, "write the relay's password into it first")?;
    let password = text.trim_end_matches(['\n', '\r']);
    if password.is_empty() || password.contains(['\n', '\r', '\0']) {
        let wrong = format!("{shown} does not hold one line, the password");
        return Err((wrong, "write nothing but the password into it".to_owned()));
    }
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests {
    use super::password;

    #[test]
    fn a_password_is_one_line() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let read = |text: &str| {
            std::fs::write(file.path(), text).expect("written");
            password(file.path())
        };
        for text in ["", "\n", "sesame\nmore\n"] {
            let (message, hint) = read(text).expect_err("refused");
            assert!(message.contains("does not hold one line"), "{message}");
            assert!(!message.contains("sesame") && !hint.contains("sesame"));
        }
        assert_eq!(
            read("open sesame\n").expect("a password").expose(),
            "open sesame"
        );
    }
}
