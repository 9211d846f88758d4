//! Tags: how our things are known. They are in the call that makes a thing, so that nothing exists without them.

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use jiff::Timestamp;

use super::settings::Settings;
use crate::cloud::Wanted;

pub use crate::cloud::marks::{DEPLOYMENT, ID, Marks as Tags, NODE, OWNER, resource_name};

/// When the machine powers itself off (RFC 3339), or `never`.
pub const EXPIRES: &str = "deployer:expires";
/// What AWS's console shows as the name.
const NAME: &str = "Name";

/// The tags of one thing of a deployment.
pub fn of(wanted: &Wanted, settings: &Settings, node: Option<&str>) -> Tags {
    let mut tags = settings.tags.clone();
    let name = node.map_or_else(
        || wanted.deployment.clone(),
        |node| format!("{}-{node}", wanted.deployment),
    );
    let own = [
        (NAME, name),
        (ID, wanted.id.clone()),
        (DEPLOYMENT, wanted.deployment.clone()),
        (OWNER, fitting(&wanted.owner)),
    ];
    tags.extend(own.map(|(key, value)| (key.to_owned(), value)));
    tags.extend(node.map(|node| (NODE.to_owned(), node.to_owned())));
    tags
}

/// The tag that says when a machine powers itself off.
pub fn expiry(expires: Option<Timestamp>) -> (String, String) {
    (
        EXPIRES.into(),
        expires.map_or_else(|| "never".into(), |time| time.to_string()),
    )
}

/// Tags as a call wants them.
pub fn list(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

/// Tags for what a call makes.
pub fn specification(kind: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder()
        .resource_type(kind)
        .set_tags(Some(list(tags)))
        .build()
}

/// Tags as an answer has them.
pub fn read(tags: &[Tag]) -> Tags {
    tags.iter()
        .filter_map(|tag| {
            Some((
                tag.key()?.to_owned(),
                tag.value().unwrap_or_default().to_owned(),
            ))
        })
        .collect()
}

/// Whose things are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Of one deployment, by its id.
    Deployment(&'a str),
    /// Of all deployments.
    All,
    /// One thing, whatever its tags are: by the name of the filter for its kind of id, and its id.
    Thing(&'a str, &'a str),
}

impl Scope<'_> {
    /// As a call wants it.
    pub fn filter(self) -> Filter {
        match self {
            Self::Deployment(id) => filter(&format!("tag:{ID}"), id),
            Self::All => filter("tag-key", ID),
            Self::Thing(name, id) => filter(name, id),
        }
    }
}

/// A filter of one value.
pub fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// What is wrong with the user's own tags.
pub fn problems(tags: &Tags) -> Vec<String> {
    let mut problems = Vec::new();
    if tags.len() > 40 {
        problems.push(format!(
            "`tags`: {} are too many: AWS takes 50 and some are ours",
            tags.len()
        ));
    }
    for (key, value) in tags {
        if key.starts_with("aws:") || key.starts_with("deployer:") || key == NAME {
            problems.push(format!("`tags`: `{key}` is not yours to set"));
        }
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            problems.push(format!(
                "`tags`: `{key}`: a key has 1 to 128 characters, a value up to 256"
            ));
        }
        if let Some(character) = key
            .chars()
            .chain(value.chars())
            .find(|character| !allowed(*character))
        {
            problems.push(format!(
                "`tags`: `{key}`: the character `{}` is not allowed",
                character.escape_default()
            ));
        }
    }
    problems
}

fn allowed(character: char) -> bool {
    character.is_alphanumeric() || " _.:/=+-@".contains(character)
}

/// A text with every character that tags do not take replaced.
fn fitting(text: &str) -> String {
    text.chars()
        .map(|character| if allowed(character) { character } else { '-' })
        .take(256)
        .collect()
}
