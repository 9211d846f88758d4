//! Closing and opening a copy, in the format of `age`: who has its `age` program and the passphrase or key reads it without us.

use std::io::{Read as _, Write as _};
use std::iter::once;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, Identity, IdentityFile, Recipient, scrypt, x25519};

use crate::secret::Secret;

/// How slow a passphrase is to guess: 2^18 rounds, as `age` itself has it, are a second and 256 MiB for each try.
const ROUNDS: u8 = 18;

/// Who may read a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seal {
    /// Who knows this.
    Passphrase(Secret),
    /// Who has the private half of one of these public keys.
    Recipients(Vec<String>),
}

/// What opens a copy.
#[derive(Debug)]
pub enum Key {
    /// The passphrase.
    Passphrase(Secret),
    /// The text of a file with `AGE-SECRET-KEY-1…`.
    Identity(Secret),
}

/// Why a copy cannot be closed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not a public key of `age`.
    #[error("`{0}` is not a public key of age, such as `age1…`")]
    Recipient(String),
    /// Not a file of private keys.
    #[error("there is no private key of age in it: a line that begins with `AGE-SECRET-KEY-1`")]
    Identity,
    /// `age` could not close it.
    #[error("it cannot be encrypted: {0}")]
    Close(String),
    /// It is for another passphrase.
    #[error("the passphrase is not the one that it was encrypted with")]
    WrongPassphrase,
    /// It is for other keys.
    #[error("the key is none of those that it was encrypted for")]
    WrongKey,
    /// It was closed the other way.
    #[error("it was encrypted {0}")]
    OtherWay(&'static str),
    /// It is not as it was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl Seal {
    /// What tells one seal from another. As secret as the passphrase.
    pub(super) fn words(&self) -> Vec<&str> {
        match self {
            Self::Passphrase(passphrase) => vec!["passphrase", passphrase.expose()],
            Self::Recipients(recipients) => once("recipients")
                .chain(recipients.iter().map(String::as_str))
                .collect(),
        }
    }

    /// Closes a text.
    pub fn close(&self, text: &str) -> Result<String, SealError> {
        let recipients: Vec<Box<dyn Recipient>> = match self {
            Self::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase.expose()));
                recipient.set_work_factor(ROUNDS);
                vec![Box::new(recipient)]
            }
            Self::Recipients(recipients) => recipients
                .iter()
                .map(|text| Ok(Box::new(recipient(text)?) as Box<dyn Recipient>))
                .collect::<Result<_, SealError>>()?,
        };
        let failed = |error: &dyn std::fmt::Display| SealError::Close(error.to_string());
        let encryptor = Encryptor::with_recipients(recipients.iter().map(|one| &**one));
        let encryptor = encryptor.map_err(|error| failed(&error))?;
        let write = || {
            let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
            let mut writer = encryptor.wrap_output(armor)?;
            writer.write_all(text.as_bytes())?;
            writer.finish()?.finish()
        };
        let closed = write().map_err(|error| failed(&error))?;
        String::from_utf8(closed).map_err(|error| failed(&error))
    }
}

impl Key {
    /// Opens a text.
    pub fn open(&self, closed: &str) -> Result<Secret, SealError> {
        let damaged = |error: &dyn std::fmt::Display| SealError::Damaged(error.to_string());
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(closed.as_bytes()));
        let decryptor = decryptor.map_err(|error| damaged(&error))?;
        let identities: Vec<Box<dyn Identity>> = match (self, decryptor.is_scrypt()) {
            (Self::Passphrase(passphrase), true) => {
                let mut identity = scrypt::Identity::new(SecretString::from(passphrase.expose()));
                identity.set_max_work_factor(ROUNDS);
                vec![Box::new(identity)]
            }
            (Self::Identity(text), false) => identities(text)?,
            (Self::Passphrase(_), false) => {
                return Err(SealError::OtherWay("for keys of age, not by a passphrase"));
            }
            (Self::Identity(_), true) => {
                return Err(SealError::OtherWay("by a passphrase, not for keys of age"));
            }
        };
        let mut reader = decryptor
            .decrypt(identities.iter().map(|one| &**one))
            .map_err(|error| match (error, self) {
                (DecryptError::DecryptionFailed, Self::Passphrase(_)) => SealError::WrongPassphrase,
                (DecryptError::NoMatchingKeys, _) => SealError::WrongKey,
                (error, _) => damaged(&error),
            })?;
        let mut text = String::new();
        let read = reader.read_to_string(&mut text);
        read.map_err(|error| damaged(&error))?;
        Ok(Secret::new(text))
    }
}

/// Whether a closed text is opened by a passphrase. What is none is not.
pub fn is_by_passphrase(closed: &str) -> bool {
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(closed.as_bytes()));
    decryptor.is_ok_and(|decryptor| decryptor.is_scrypt())
}

fn recipient(text: &str) -> Result<x25519::Recipient, SealError> {
    text.parse()
        .map_err(|_| SealError::Recipient(text.to_owned()))
}

fn identities(text: &Secret) -> Result<Vec<Box<dyn Identity>>, SealError> {
    let file = IdentityFile::from_buffer(text.expose().as_bytes());
    let file = file.map_err(|_| SealError::Identity)?;
    let identities = file.into_identities().map_err(|_| SealError::Identity)?;
    if identities.is_empty() {
        return Err(SealError::Identity);
    }
    let plain = identities.into_iter();
    Ok(plain.map(|one| one as Box<dyn Identity>).collect())
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret as _;
    use age::x25519::Identity;

    use super::{Key, Seal, SealError};
    use crate::secret::Secret;

    #[test]
    fn who_has_the_passphrase_or_a_key_reads_it_and_nobody_else() {
        let phrase = |text: &str| Secret::new(text);
        let (own, other) = (Identity::generate(), Identity::generate());
        let secret =
            |identity: &Identity| Key::Identity(Secret::new(identity.to_string().expose_secret()));
        let by_phrase = Seal::Passphrase(phrase("correct horse"))
            .close("all of it")
            .expect("closed");
        let for_key = Seal::Recipients(vec![own.to_public().to_string()])
            .close("all of it")
            .expect("closed");
        for closed in [&by_phrase, &for_key] {
            assert!(closed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
            assert!(!closed.contains("all of it"));
        }
        let good = [
            (Key::Passphrase(phrase("correct horse")), &by_phrase),
            (secret(&own), &for_key),
        ];
        for (key, closed) in good {
            assert_eq!(key.open(closed).expect("open").expose(), "all of it");
        }
        let wrong = Key::Passphrase(phrase("correct h0rse"));
        assert!(matches!(
            wrong.open(&by_phrase),
            Err(SealError::WrongPassphrase)
        ));
        assert!(matches!(wrong.open(&for_key), Err(SealError::OtherWay(_))));
        assert!(matches!(
            secret(&other).open(&for_key),
            Err(SealError::WrongKey)
        ));
        assert!(matches!(
            secret(&own).open(&by_phrase),
            Err(SealError::OtherWay(_))
        ));
        let no_key = Key::Identity(Secret::new("hello"));
        assert!(matches!(no_key.open(&for_key), Err(SealError::Identity)));
    }

    #[test]
    fn a_damaged_copy_is_said_to_be_so() {
        let own = Identity::generate();
        let key = Key::Identity(Secret::new(own.to_string().expose_secret()));
        let closed = Seal::Recipients(vec![own.to_public().to_string()])
            .close(&"x".repeat(1000))
            .expect("closed");
        let middle = closed.len() / 2;
        let mut turned = closed.clone().into_bytes();
        turned[middle] = if turned[middle] == b'A' { b'B' } else { b'A' };
        let turned = String::from_utf8(turned).expect("text");
        for damaged in [&closed[..middle], &turned, "", "{}"] {
            let error = key.open(damaged).expect_err("damaged");
            assert!(matches!(error, SealError::Damaged(_)), "{error}");
        }
    }

    #[test]
    fn what_is_no_recipient_is_refused() {
        let seal = Seal::Recipients(vec!["age1nobody".into()]);
        assert!(matches!(seal.close("x"), Err(SealError::Recipient(_))));
    }
}
