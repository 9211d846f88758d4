//! What an inventory says of alerts, and of how their mail is sent.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inventory::{Section, Setting, TimeSpan};

/// The key of the alerts.
pub(super) const ALERTS: &str = "alerts";
/// The key of what sends their mail.
pub(super) const MAIL: &str = "mail";

/// All sections.
pub(in super::super) fn all() -> Vec<Section> {
    vec![
        Section::of::<AlertsSection>(ALERTS).with(&[
            ("mail-address", check_address),
            ("one-line", check_one_line),
        ]),
        Section::of::<MailSection>(MAIL),
    ]
}

/// How mail is sent: by a relay that takes it from this deployment. Without this key none is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MailSection {
    /// The relay's name. Where the connection is encrypted its certificate must be of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "host-address"))]
    pub relay: Option<String>,
    /// The relay's port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// `starttls`: encrypted after the relay's first answer, else nothing is sent. `tls`: from the first byte on. `off`: not at all.
    pub tls: Tls,
    /// Who writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "mail-address"))]
    pub from: Option<String>,
    /// Who logs in to the relay; without it nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "one-line"))]
    pub user: Option<String>,
    /// The file on this box with that user's password. For you alone: mode 0600.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub password_file: Option<String>,
}

impl Default for MailSection {
    fn default() -> Self {
        Self {
            relay: None,
            port: 587,
            tls: Tls::Starttls,
            from: None,
            user: None,
            password_file: None,
        }
    }
}

/// How a connection to a relay is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// After its first answer.
    Starttls,
    /// From the first byte on.
    Tls,
    /// Not at all.
    Off,
}

/// Mail about what streams count, by name: `deployer guide alerts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("propertyNames" = {"format": "node-name"}))]
pub struct AlertsSection(pub BTreeMap<String, Alert>);

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// The stream whose rows it looks at.
    pub stream: String,
    /// What must be true of one row of a window, by its columns: `ERROR`, `3`, `"> 1"`; of several all.
    pub when: BTreeMap<String, Setting>,
    /// The column with a row's window, as Spark's function `window` gives it. A mail has all rows of the window.
    #[serde(default = "report")]
    pub report: String,
    /// How long late rows are waited for once a window has ended.
    #[serde(default = "grace")]
    pub grace: TimeSpan,
    /// How long it is from one mail to the next at least. What falls between comes in one.
    #[serde(default = "cooldown")]
    pub cooldown: TimeSpan,
    /// To whom mail goes.
    #[schemars(extend("items" = {"type": "string", "format": "mail-address"}))]
    pub to: Vec<String>,
    /// Its subject.
    #[schemars(extend("format" = "one-line"))]
    pub subject: String,
}

fn report() -> String {
    "window".to_owned()
}

fn grace() -> TimeSpan {
    TimeSpan::from_seconds(10)
}

fn cooldown() -> TimeSpan {
    TimeSpan::from_seconds(600)
}

/// Refuses what is no address of mail alone.
fn check_address(text: &str) -> Result<(), String> {
    check_one_line(text)?;
    let is_good = |part: &str| {
        let is_one =
            |one: char| one.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(one);
        !part.is_empty()
            && part.chars().all(is_one)
            && !part.starts_with('.')
            && !part.ends_with('.')
    };
    match text.split_once('@') {
        Some((name, host)) if is_good(name) && is_good(host) => Ok(()),
        _ => Err("is no address of mail, such as ops@example.org".to_owned()),
    }
}

/// Refuses what would begin another line of a mail.
fn check_one_line(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("has a line feed or another control character".to_owned());
    }
    Ok(())
}
