//! The inventory: what the user writes. Parses text, reads no file.
//!
//! Three passes, so that each says what it knows best. [`parse`] refuses what is no YAML, then holds the plain value
//! against the JSON Schema of the types ([`schema()`]): unknown keys, types, ranges and the forms of texts. Every
//! problem is reported at once, with its place in the file. What only makes sense across keys and nodes is checked by
//! [`crate::topology::Topology::new`], with the same kind of [`Problem`].

mod aws;
mod chameleon;
mod cloud_kind;
mod cloud_name;
mod clouds;
mod explain;
mod findings;
mod formats;
mod generate;
mod member;
mod mend;
mod normalise;
mod parse;
mod positions;
mod problem;
mod rules;
mod schema;
mod section;
mod sections;
mod security;
mod sink;
mod state_copy;
mod types;
mod values;

pub use aws::{Architecture, AwsCloud, CANONICAL, Image, OnTtl, SHORTEST_TTL, Ttl};
pub use chameleon::{ChameleonCloud, LeaseTime, Site};
pub use cloud_kind::{CloudKind, EXTEND, End, Machines, Seller};
pub use cloud_name::CloudName;
pub use clouds::{Clouds, ExistingCloud, Host, LocalCloud};
pub(crate) use explain::suggestion;
pub use findings::Findings;
pub(crate) use formats::check_node_name;
pub use formats::{Check, Format, check_deployment_name};
pub use member::Member;
pub use parse::{Reading, parse, read};
pub use problem::{Position, Problem, Problems};
pub use rules::Rules;
pub use schema::schema;
pub use section::Section;
pub use sections::Sections;
pub use security::Security;
pub use sink::Sink;
pub use state_copy::StateCopy;
pub use types::{Inventory, Node};
pub use values::{Setting, TimeSpan, Words, texts};

/// The default pipeline, `inventory/utilization.yaml`, for who runs the binary without its repository.
pub const DEFAULT: &str = include_str!("../../../inventory/utilization.yaml");

/// The inventories that come with the binary, by name. A file of that name wins.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("logins", include_str!("../../../inventory/logins.yaml")),
    ("logs", include_str!("../../../inventory/logs.yaml")),
    (
        "logs-bucket",
        include_str!("../../../inventory/logs-bucket.yaml"),
    ),
    ("trucks", include_str!("../../../inventory/trucks.yaml")),
    ("utilization", DEFAULT),
];

/// The range from which local deployments take their networks where the inventory names none.
pub const LOCAL_NETWORK: &str = "10.213.0.0/16";
