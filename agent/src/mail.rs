//! Mail: handed to a relay by SMTP, to one address after the other, so that one who is refused keeps it from nobody else.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls as Encryption, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde::{Deserialize, Serialize};

use crate::config::error::ConfigError;
use crate::config::files;
use crate::error::chain;

/// How long the relay may take for each answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How a relay is reached, and who writes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The relay's name or address.
    relay: String,
    /// Its port.
    port: u16,
    /// How the connection is encrypted.
    #[serde(default)]
    tls: Tls,
    /// The certificates, in PEM, of which one must have signed the relay's, beside those that the system trusts.
    ca_file: Option<PathBuf>,
    /// Who writes.
    from: String,
    /// Who logs in; nobody where this is missing.
    user: Option<String>,
    /// The file that holds this user's password.
    password_file: Option<PathBuf>,
}

/// How a connection to a relay is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// From the relay's first answer on. One that does not offer it gets nothing.
    #[default]
    Starttls,
    /// From the first byte on.
    Tls,
    /// Not at all.
    Off,
}

impl Settings {
    /// Names the first key whose value cannot work, with the reason.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn check(&self) -> Result<(), (String, String)> {
        let refuse = |key: &str, problem: &str| Err((format!("mail.{key}"), problem.to_owned()));
        let is_name = |one: char| one.is_ascii_alphanumeric() || ".-:".contains(one);
        if self.relay.is_empty() || !self.relay.chars().all(is_name) {
            return refuse("relay", "is no name and no address of a host");
        }
        if self.port == 0 {
            return refuse("port", "must not be 0");
        }
        check_address(&self.from).map_err(|problem| ("mail.from".to_owned(), problem))?;
        match (&self.user, &self.password_file) {
            (Some(_), None) => refuse("password_file", "must be given where `user` is"),
            (None, Some(_)) => refuse("user", "must be given where `password_file` is"),
            (Some(_), _) if self.tls == Tls::Off => {
                refuse("tls", "must not be off where a password is sent")
            }
            _ if self.tls == Tls::Off && self.ca_file.is_some() => {
                refuse("ca_file", "is of no use where tls is off")
            }
            _ => Ok(()),
        }
    }

    /// Makes what sends; no connection is opened yet.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn open(&self) -> Result<Mailer, ConfigError> {
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(self.relay.as_str())
                .port(self.port)
                .hello_name(ClientId::default())
                .timeout(Some(TIMEOUT));
        if self.tls != Tls::Off {
            let parameters = self.parameters()?;
            builder = builder.tls(match self.tls {
                Tls::Tls => Encryption::Wrapper(parameters),
                Tls::Starttls | Tls::Off => Encryption::Required(parameters),
            });
        }
        if let (Some(user), Some(file)) = (&self.user, &self.password_file) {
            let password = files::password("mail.password_file", file)?;
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Mailer {
            transport: builder.build(),
            from: self.from.clone(),
        })
    }

    fn parameters(&self) -> Result<TlsParameters, ConfigError> {
        let mut builder = TlsParameters::builder(self.relay.clone());
        let path = self.ca_file.as_deref().unwrap_or(std::path::Path::new(""));
        let refuse = |error: lettre::transport::smtp::Error| ConfigError::File {
            key: "mail.ca_file",
            path: path.display().to_string(),
            problem: chain(&error),
        };
        if self.ca_file.is_some() {
            for pem in files::pems("mail.ca_file", path)? {
                let certificate = Certificate::from_pem(pem.as_bytes()).map_err(refuse)?;
                builder = builder.add_root_certificate(certificate);
            }
        }
        builder.build().map_err(refuse)
    }
}

/// Says what is wrong with an address of mail.
///
/// # Errors
/// In words.
pub fn check_address(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err(format!(
            "{text:?} has a line feed or another control character"
        ));
    }
    let mailbox = text.parse::<Mailbox>();
    mailbox.map_err(|error| format!("{text:?} is no address of mail: {error}"))?;
    Ok(())
}

/// A mail, as it is kept until it is sent: sent again it has the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The part of its Message-ID before the `@`.
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// All to whom it goes.
    pub to: Vec<String>,
}

/// Why a relay did not take a mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It will not take it another time either.
    #[error("{0}")]
    ForGood(String),
    /// It may take it another time.
    #[error("{0}")]
    ForNow(String),
}

/// Sends mails by one relay.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: String,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Mailer");
        shown.field("from", &self.from).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Hands a mail over for one of those to whom it goes. Returns when the relay has said that it has it.
    ///
    /// # Errors
    /// When it has not, or that is not known.
    pub async fn send(&self, mail: &Mail, to: &str) -> Result<(), Refusal> {
        let for_good = |error: &dyn std::error::Error| Refusal::ForGood(chain(error));
        let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| for_good(&error));
        let (from, to) = (mailbox(&self.from)?, mailbox(to)?);
        let domain = from.email.domain().to_owned();
        let mut message = Message::builder()
            .from(from.clone())
            .subject(mail.subject.as_str())
            .message_id(Some(format!("<{}@{domain}>", mail.id)))
            .date(mail.at.into());
        for one in &mail.to {
            message = message.to(mailbox(one)?);
        }
        let message = message.body(mail.text.clone());
        let message = message.map_err(|error| for_good(&error))?;
        let envelope = Envelope::new(Some(from.email), vec![to.email]);
        let envelope = envelope.map_err(|error| for_good(&error))?;
        let text = message.formatted();
        let sent = self.transport.send_raw(&envelope, &text);
        match sent.await {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() => Err(for_good(&error)),
            Err(error) => Err(Refusal::ForNow(chain(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_relay_or_an_address_is_refused() {
        let checked = |text: &str| {
            let settings: Settings = toml::from_str(text).map_err(|error| error.to_string())?;
            settings.check().map_err(|(key, _)| key)
        };
        let good = "relay = \"mail.example.org\"\nport = 587\nfrom = \"Logs <logs@example.org>\"\n";
        assert_eq!(checked(good), Ok(()));
        let login = "user = \"u\"\npassword_file = \"/p\"\n";
        assert_eq!(checked(&format!("{good}{login}tls = \"tls\"")), Ok(()));
        for (more, key) in [
            ("user = \"u\"", "mail.password_file"),
            ("password_file = \"/p\"", "mail.user"),
            ("tls = \"off\"\nca_file = \"/c\"", "mail.ca_file"),
            (&format!("{login}tls = \"off\""), "mail.tls"),
        ] {
            assert_eq!(checked(&format!("{good}{more}")), Err(key.to_owned()));
        }
        for (old, new, key) in [
            ("mail.example.org", "mail example", "mail.relay"),
            ("587", "0", "mail.port"),
            ("Logs <logs@example.org>", "logs", "mail.from"),
            ("Logs <", "Logs\\nBcc: x <", "mail.from"),
        ] {
            let text = good.replacen(old, new, 1);
            assert_eq!(checked(&text), Err(key.to_owned()), "{text}");
        }
        assert!(checked(&format!("{good}tls = \"maybe\"")).is_err());
    }
}
