//! Marks: how our things are known. They are in the call that makes a thing, so that nothing exists without them. A project is shared
//! by many people: what lacks our id is never touched.
//!
//! Servers carry metadata. What Neutron makes carries a description. A lease has only its name.

use jiff::Timestamp;

use crate::cloud::Wanted;

pub use crate::cloud::marks::{DEPLOYMENT, ID, Marks, NODE, OWNER, resource_name};

/// The marks of one thing of a deployment.
pub fn of(wanted: &Wanted, node: Option<&str>) -> Marks {
    let mut marks: Marks = [
        (ID, wanted.id.as_str()),
        (DEPLOYMENT, wanted.deployment.as_str()),
        (OWNER, wanted.owner.as_str()),
    ]
    .map(|(key, value)| (key.to_owned(), value.replace(char::is_whitespace, "-")))
    .into();
    marks.extend(node.map(|node| (NODE.to_owned(), node.to_owned())));
    marks
}

/// Marks as a description: `key=value`, separated by spaces.
pub fn description(marks: &Marks) -> String {
    let words: Vec<String> = marks
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    words.join(" ").chars().take(255).collect()
}

/// The marks in a description.
pub fn read(description: &str) -> Marks {
    description
        .split(' ')
        .filter_map(|word| word.split_once('='))
        .filter(|(key, _)| key.starts_with("deployer:"))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// What a lease is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Machines.
    Machines,
    /// Floating IPs. A lease of its own: one that holds a floating IP in use cannot be prolonged everywhere.
    Address,
}

impl Purpose {
    /// Its word in names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Machines => "machines",
            Self::Address => "address",
        }
    }
}

/// A new lease's name. Older sites want names that were never there before, newer ones do not care.
pub fn lease_name(wanted: &Wanted, purpose: Purpose, now: Timestamp) -> String {
    let (id, deployment, when) = (&wanted.id, &wanted.deployment, now.as_second());
    format!("deployer-{id}-{}-{when:x}-{deployment}", purpose.word())
}

/// The marks in a lease's name, and what it is for.
pub fn read_lease_name(name: &str) -> Option<(Marks, Purpose)> {
    let mut parts = name.strip_prefix("deployer-")?.splitn(4, '-');
    let (id, purpose, _, deployment) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let purpose = [Purpose::Machines, Purpose::Address]
        .into_iter()
        .find(|one| one.word() == purpose)?;
    let marks = [(ID, id), (DEPLOYMENT, deployment)];
    Some((
        marks
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        purpose,
    ))
}
