//! The guide: pages of plain Markdown that a terminal shows as they are (`deployer/guide/*.md`). All of them are in the binary, so
//! that they say what this very build does. Pure.

mod keys;

use std::borrow::Cow;

/// A page.
#[derive(Debug)]
pub struct Page {
    /// The word by which it is asked for, and the name of its file.
    pub topic: &'static str,
    text: &'static str,
}

impl Page {
    /// What it is about: its first line.
    pub fn about(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches("# ")
    }

    /// All of it. What the schema of inventories says is taken from there.
    pub fn text(&self) -> Cow<'static, str> {
        match self.topic {
            "inventory" => Cow::Owned(format!("{}\n{}", self.text, keys::reference())),
            _ => Cow::Borrowed(self.text),
        }
    }
}

macro_rules! pages {
    ($($topic:literal)*) => {
        &[$(Page { topic: $topic, text: include_str!(concat!("../../guide/", $topic, ".md")) }),*]
    };
}

/// All pages, in the order in which one would read them.
pub const PAGES: &[Page] = pages![
    "local"
    "existing"
    "aws"
    "chameleon"
    "rehearse"
    "laptop"
    "inventory"
    "agents"
    "formats"
    "streams"
    "alerts"
    "bucket"
    "clients"
    "programs"
    "couchdb"
    "mariadb"
    "data"
    "security"
    "threats"
    "adopt"
    "troubleshooting"
    "docker-compose"
    "words"
];

/// The page about a topic.
pub fn page(topic: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.topic == topic)
}
