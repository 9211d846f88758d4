//! The bucket whose objects' lines are the events of a producer: what an inventory says of it, and whose keys open it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NAME, ProducerChange, ProducerSection, Source};
use crate::inventory::{Findings, Inventory, Member};
use crate::machine::Profile;
use crate::receipt::Secrets;
use crate::step::Content;
use crate::topology::Node;

/// Whose keys of buckets are among the secrets, under the names of nodes.
pub const KEYS: &str = "producer-bucket";
/// The file of a node's keys.
pub(super) const FILE: &str = "bucket.keys";
/// The region of a store that has none.
const NO_REGION: &str = "us-east-1";

/// A bucket of a store that speaks S3.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BucketSection {
    /// The bucket.
    pub name: String,
    /// How the keys of its objects begin; unsaid: all of them are read.
    pub prefix: String,
    /// Where the store is, as `https://HOST`; unsaid: AWS's own of the region.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// The file on this box with the keys, as AWS's own tools have it. For you alone: mode 0600.
    #[schemars(extend("format" = "path"))]
    pub credentials_file: Option<String>,
    /// On AWS, in place of that file: the instance profile of yours whose role lets the machine in.
    pub instance_profile: Option<String>,
}

/// A bucket that a client reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// How the keys of its objects begin.
    pub prefix: String,
    /// Where the store is; `None`: AWS's own of the region.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: String,
    /// What of the inventory says it.
    #[serde(skip)]
    pub key: String,
    /// Who lets the client in.
    #[serde(skip)]
    pub opened_by: OpenedBy,
}

/// Who lets a client into its bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenedBy {
    /// The keys in a file on this box, and the key of the inventory that names it.
    File {
        /// The file.
        path: String,
        /// The key.
        key: String,
    },
    /// The role of its machine.
    Profile(Profile),
}

/// The bucket of a member, and the key of the inventory that says it.
fn said<'a>(inventory: &'a Inventory, member: &Member<'a>) -> Option<(&'a BucketSection, String)> {
    let own: &ProducerChange = member.entry.sections.get();
    let all: &ProducerSection = inventory.sections.get();
    match (&own.bucket, &all.bucket) {
        (Some(own), _) => Some((own, format!("{}.{NAME}.bucket", member.key))),
        (None, Some(all)) => Some((all, format!("{NAME}.bucket"))),
        (None, None) => None,
    }
}

/// What the agent is told of a member's bucket.
pub(super) fn bucket(inventory: &Inventory, member: &Member<'_>) -> Option<Bucket> {
    let (said, key) = said(inventory, member)?;
    Some(Bucket {
        name: said.name.clone(),
        prefix: said.prefix.clone(),
        endpoint: said.endpoint.clone(),
        region: said.region.clone().unwrap_or_else(|| NO_REGION.to_owned()),
        key: key.clone(),
        opened_by: match &said.instance_profile {
            Some(name) => OpenedBy::Profile(Profile {
                name: name.clone(),
                key: format!("{key}.instance_profile"),
            }),
            None => OpenedBy::File {
                path: said.credentials_file.clone().unwrap_or_default(),
                key: format!("{key}.credentials_file"),
            },
        },
    })
}

impl Bucket {
    /// Whether keys lie beside the client.
    pub(super) fn has_keys(&self) -> bool {
        matches!(self.opened_by, OpenedBy::File { .. })
    }
}

/// The keys of a node's bucket.
pub(super) fn keys(node: &Node, secrets: &Secrets) -> Content {
    Content::secret(secrets.get(KEYS, &node.name).to_owned())
}

/// Looks at the bucket of a member.
pub(super) fn check(inventory: &Inventory, member: &Member<'_>, findings: &mut Findings<'_>) {
    let own: &ProducerChange = member.entry.sections.get();
    let all: &ProducerSection = inventory.sections.get();
    let is_read = own.source.unwrap_or(all.source) == Source::Bucket;
    let Some((said, key)) = said(inventory, member) else {
        if is_read {
            let source = match own.source {
                Some(_) => format!("{}.{NAME}.source", member.key),
                None => format!("{NAME}.source"),
            };
            findings.add(
                source,
                "is `bucket`, and no bucket is named",
                "add `bucket: { name: NAME, region: REGION, credentials_file: PATH }`",
            );
        }
        return;
    };
    if !is_read {
        // One that stands for all may be for others.
        if own.bucket.is_some() {
            findings.add(
                key,
                "is of no use: the source is no bucket",
                "add `source: bucket`",
            );
        }
        return;
    }
    let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    if said.name.is_empty() {
        findings.add(key.clone(), "says no `name`", "add `name: BUCKET`");
    } else if !(3..=63).contains(&said.name.len()) || !said.name.chars().all(is_fit) {
        findings.add(
            format!("{key}.name"),
            format!("`{}` is no name of a bucket", said.name),
            "write 3 to 63 of a-z, 0-9, `.` and `-`, without `s3://`",
        );
    }
    if said.prefix.len() > 1024 || said.prefix.contains(char::is_control) {
        findings.say(
            format!("{key}.prefix"),
            "must be at most 1024 bytes on one line",
        );
    }
    match (&said.endpoint, &said.region) {
        (Some(endpoint), _) if !is_endpoint(endpoint) => findings.add(
            format!("{key}.endpoint"),
            format!("`{endpoint}` is no address of a store"),
            "write `https://HOST` or `https://HOST:PORT`, and the bucket as `name`",
        ),
        (None, None) => findings.add(
            key.clone(),
            "says neither `region` nor `endpoint`",
            "add `region: eu-north-1` for AWS, or `endpoint: https://HOST`",
        ),
        _ => {}
    }
    if let Some(region) = &said.region
        && (region.is_empty() || !region.chars().all(|c| is_fit(c) && c != '.'))
    {
        findings.add(
            format!("{key}.region"),
            format!("`{region}` is no region"),
            "write a name such as `eu-north-1`",
        );
    }
    match (&said.credentials_file, &said.instance_profile) {
        (None, None) => findings.add(
            key,
            "has no keys",
            "add `credentials_file: PATH`, as AWS's own tools have it, with one profile, mode 0600; or on AWS \
             `instance_profile: NAME`, whose role lets the machine in",
        ),
        (Some(_), Some(_)) => findings.add(
            format!("{key}.instance_profile"),
            "stands beside `credentials_file`, and one of them is used",
            "take one of them away",
        ),
        (None, Some(name)) if !is_profile(name) => findings.add(
            format!("{key}.instance_profile"),
            format!("`{name}` is no name of an instance profile"),
            "write its name alone, as `aws iam list-instance-profiles` has it: neither path nor `arn:`",
        ),
        _ => {}
    }
}

/// Whether IAM could have an instance profile of this name.
fn is_profile(name: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    (1..=128).contains(&name.len()) && name.chars().all(is_fit)
}

/// Whether it is a scheme, a host and a port, and nothing more.
fn is_endpoint(text: &str) -> bool {
    let Some(rest) = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
    else {
        return false;
    };
    let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "443"));
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    !host.is_empty() && host.chars().all(is_host) && port.parse::<u16>().is_ok_and(|port| port > 0)
}
