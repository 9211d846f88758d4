//! The clouds that this program knows, by name.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::json;

use super::cloud_kind::{CloudKind, End, Machines, Seller};
use super::{aws, chameleon, clouds};

/// One of the clouds that this program knows.
#[derive(Clone, Copy)]
pub struct CloudName(&'static CloudKind);

/// Clouds besides those that are built in.
static MORE: OnceLock<Vec<CloudName>> = OnceLock::new();

impl CloudName {
    /// Machines booted on this box.
    pub const LOCAL: Self = Self(&clouds::LOCAL);
    /// Hosts the user already has.
    pub const EXISTING: Self = Self(&clouds::EXISTING);
    /// Amazon EC2.
    pub const AWS: Self = Self(&aws::KIND);
    /// Chameleon's virtual machines.
    pub const CHAMELEON: Self = Self(&chameleon::KIND);

    /// The cloud where nobody says which: an inventory, or a command line without a receipt.
    pub const DEFAULT: Self = Self::LOCAL;

    const BUILT_IN: [Self; 4] = [Self::LOCAL, Self::EXISTING, Self::AWS, Self::CHAMELEON];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let more = MORE.get().into_iter().flatten().copied();
        Self::BUILT_IN.into_iter().chain(more)
    }

    /// Makes clouds known that are not built in: once, before anything is read.
    pub fn know(kinds: impl IntoIterator<Item = &'static CloudKind>) {
        let built_in = |kind: &&CloudKind| Self::BUILT_IN.iter().any(|one| one.0.name == kind.name);
        let more = kinds.into_iter().filter(|kind| !built_in(kind));
        MORE.get_or_init(|| more.map(Self).collect());
    }

    /// The one that is called so.
    pub fn find(name: &str) -> Option<Self> {
        Self::all().find(|cloud| cloud.name() == name)
    }

    /// The name on the command line and in inventories.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What is known of it.
    pub fn kind(self) -> &'static CloudKind {
        self.0
    }

    /// Whether its machines are booted on this box.
    pub fn is_of_this_box(self) -> bool {
        matches!(self.0.machines, Machines::OfThisBox)
    }

    /// Whether its machines are hosts that the user has.
    pub fn is_of_the_user(self) -> bool {
        matches!(self.0.machines, Machines::OfTheUser)
    }

    /// Whether the name, as a receipt has it, is of a cloud whose machines are hosts that the user has.
    pub fn is_of_the_user_by_name(name: &str) -> bool {
        Self::find(name).is_some_and(Self::is_of_the_user)
    }

    /// Who sells its machines, if they are sold.
    pub fn seller(self) -> Option<Seller> {
        match self.0.machines {
            Machines::Sold(seller) => Some(seller),
            Machines::OfThisBox | Machines::OfTheUser => None,
        }
    }

    /// Whether its machines are sold. They are nearer to the world's servers than to the operator's box, which may be behind a home's
    /// uplink; hosts that are there already may be in the next room, and know no way out.
    pub fn is_sold(self) -> bool {
        self.seller().is_some()
    }

    /// Whether a packet filter of its own guards its machines. Where none does, a table of ours does, on each of them.
    pub fn guards(self) -> bool {
        self.is_sold()
    }

    /// How its machines end where nobody takes them away.
    pub fn end(self) -> End {
        self.0.end
    }
}

impl PartialEq for CloudName {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for CloudName {}

impl Hash for CloudName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

/// In the order in which they are known.
impl Ord for CloudName {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |cloud: &Self| Self::all().position(|one| one == *cloud);
        (place(self), self.name()).cmp(&(place(other), other.name()))
    }
}

impl PartialOrd for CloudName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for CloudName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Display for CloudName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Serialize for CloudName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for CloudName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = || Self::all().map(Self::name).collect::<Vec<_>>().join(", ");
        Self::find(&name).ok_or_else(|| {
            D::Error::custom(format_args!("unknown cloud `{name}`; known: {}", known()))
        })
    }
}

impl JsonSchema for CloudName {
    fn schema_name() -> Cow<'static, str> {
        "CloudName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let each = Self::all().map(
            |cloud| json!({"description": cloud.0.about, "type": "string", "const": cloud.0.name}),
        );
        json_schema!({
            "description": "The clouds this build knows.",
            "oneOf": each.collect::<Vec<_>>(),
        })
    }
}
