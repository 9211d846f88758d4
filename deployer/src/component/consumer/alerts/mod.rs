//! Alerts: mail about windows of a stream's rows. The first consumer sends them, as for one of its sinks: half of a window's rows
//! make no report, so no other one reads for them.

mod check;
mod condition;
mod section;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{NAME, pipeline_node};
use crate::component::place::Place;
use crate::component::spark;
use crate::component::{Behind, Does};
use crate::receipt::Secrets;
use crate::step::{Content, sha256};
use crate::topology::{Node, Topology};
pub(super) use check::check;
pub(super) use section::all as sections;
use section::{Alert, MAIL};
pub use section::{AlertsSection, MailSection, Tls};

/// The file with the relay's password.
pub(super) const PASSWORD: &str = "mail-password";
/// The key of that password among the secrets.
const SECRET: &str = "password";
/// The file in which an alert says what it has sent.
const STATE: &str = "state.json";

/// All alerts, by name.
fn all(topology: &Topology) -> &BTreeMap<String, Alert> {
    let AlertsSection(alerts) = topology.sections.get();
    alerts
}

/// Their names.
pub(super) fn names(topology: &Topology) -> impl Iterator<Item = &String> {
    all(topology).keys()
}

/// Whether a node sends their mail.
pub(super) fn is_on(node: &Node, topology: &Topology) -> bool {
    !all(topology).is_empty() && node.has(NAME) && pipeline_node(topology) == Some(node)
}

/// An alert, as the agent is told of it: its topic and the keys of its kind.
pub(super) struct Told<'a> {
    pub(super) name: &'a str,
    pub(super) from: &'a str,
    pub(super) of_kind: BTreeMap<&'static str, Value>,
}

/// All alerts, as the agent is told of them.
pub(super) fn told<'a>(topology: &'a Topology) -> Vec<Told<'a>> {
    let (place, mail) = (Place::new(topology, NAME), topology.sections.get());
    let streams = spark::streams(topology);
    let told = |(name, alert): (&'a String, &'a Alert)| {
        let mut of_kind = settings(&topology.name, name, alert, mail);
        of_kind.insert("mark", json!(mark(&of_kind)));
        let directory = format!("{}/{name}", place.data());
        of_kind.insert("directory", json!(directory));
        if mail.user.is_some() {
            of_kind.insert("mail.password_file", json!(place.file(PASSWORD)));
        }
        Some(Told {
            name,
            from: streams.get(&alert.stream)?.to.0.first()?,
            of_kind,
        })
    };
    all(topology).iter().filter_map(told).collect()
}

/// What a mail marked TEST is sent for, where any of it changes.
fn settings(
    deployment: &str,
    name: &str,
    alert: &Alert,
    mail: &MailSection,
) -> BTreeMap<&'static str, Value> {
    let when = alert.when.iter();
    // Each was looked at.
    let when = when.filter_map(|(column, setting)| condition::read(column, &setting.0).ok());
    let mut settings = BTreeMap::from([
        ("title", json!(format!("{name} of {deployment}"))),
        ("when", when.collect()),
        ("window", json!(alert.report)),
        ("grace_ms", json!(alert.grace.milliseconds())),
        ("cooldown_ms", json!(alert.cooldown.milliseconds())),
        ("to", json!(alert.to)),
        ("subject", json!(alert.subject)),
        ("mail.relay", json!(mail.relay)),
        ("mail.port", json!(mail.port)),
        ("mail.tls", json!(mail.tls)),
        ("mail.from", json!(mail.from)),
    ]);
    settings.extend(mail.user.as_ref().map(|user| ("mail.user", json!(user))));
    settings
}

/// A word for settings, another one for others.
fn mark(settings: &BTreeMap<&'static str, Value>) -> String {
    sha256(json!(settings).to_string().as_bytes())[..16].to_owned()
}

/// The password of who logs in to the relay.
pub(super) fn password(topology: &Topology, secrets: &Secrets) -> Option<Content> {
    let mail: &MailSection = topology.sections.get();
    mail.user.as_ref()?;
    Some(Content::secret(format!("{}\n", secrets.get(MAIL, SECRET))))
}

/// Where the password is kept among the secrets, and the inventory's key of its file.
pub const PASSWORD_PLACE: (&str, &str, &str) = (MAIL, SECRET, "mail.password_file");

/// Whether the relay's certificate is looked at.
pub(super) fn is_encrypted(topology: &Topology) -> bool {
    let mail: &MailSection = topology.sections.get();
    mail.tls != Tls::Off
}

/// The files in which they say what they have sent.
pub(super) fn states(topology: &Topology) -> Vec<String> {
    let data = Place::new(topology, NAME).data();
    names(topology)
        .map(|name| format!("{data}/{name}/{STATE}"))
        .collect()
}

/// What an alert says in its file.
#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    title: String,
    tested: Option<String>,
    last_error: Option<String>,
}

/// The alerts whose mail marked TEST was not taken by the relay, by what all of them say, one after the other.
pub(super) fn behind(topology: &Topology, said: &str) -> BTreeMap<String, Behind> {
    let states = serde_json::Deserializer::from_str(said).into_iter();
    let states: Vec<State> = states.map_while(Result::ok).collect();
    let mut behind = BTreeMap::new();
    for Told { name, of_kind, .. } in told(topology) {
        let state = states.iter().find(|state| of_kind["title"] == state.title);
        if state.is_some_and(|state| of_kind["mark"] == json!(state.tested)) {
            continue;
        }
        let error = state.and_then(|state| state.last_error.as_ref());
        let error = error.map(|error| format!(": {error}")).unwrap_or_default();
        let how = Behind {
            how: format!("could not send its mail marked TEST{error}"),
            done: None,
            does: Does::Nothing,
            every: Duration::ZERO,
            proves: true,
        };
        behind.insert(format!("the alert {name}"), how);
    }
    behind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_settings_have_another_mark() {
        let one = BTreeMap::from([("to", json!(["a"]))]);
        let other = BTreeMap::from([("to", json!(["b"]))]);
        assert_eq!(mark(&one), mark(&one.clone()));
        assert_ne!(mark(&one), mark(&other));
    }
}
