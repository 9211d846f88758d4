//! What a file holds, and whose it is.

use serde::{Deserialize, Serialize};

use super::sha256;

/// Owner, group and mode of a file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// User name.
    pub owner: String,
    /// Group name.
    pub group: String,
    /// Permission bits, such as `0o640`.
    pub mode: u32,
}

impl Access {
    /// Access of `root`, group `group`.
    pub fn root(group: &str, mode: u32) -> Self {
        Self {
            owner: "root".into(),
            group: group.into(),
            mode,
        }
    }

    /// Access of a service's own user.
    pub fn user(user: &str, mode: u32) -> Self {
        Self {
            owner: user.into(),
            group: user.into(),
            mode,
        }
    }
}

/// What must accept the text of a file before it takes the place of what is there: a command on the node, by a user that owns
/// nothing else. It gets the path of the new file as its last argument, and what it says is why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judge {
    /// As whom it runs.
    pub user: String,
    /// Program and arguments.
    pub command: Vec<String>,
}

/// The text of a file, and whether anybody may see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// The text.
    pub text: String,
    /// Secret: shown and serialised as its hash only.
    pub secret: bool,
}

impl Content {
    /// A text that plans may show.
    pub fn open(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            secret: false,
        }
    }

    /// A text that is never shown.
    pub fn secret(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            secret: true,
        }
    }

    /// SHA-256 of the text, in hex.
    pub fn sha256(&self) -> String {
        sha256(self.text.as_bytes())
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.secret {
            write!(formatter, "Secret({})", self.sha256())
        } else {
            write!(formatter, "Open({:?})", self.text)
        }
    }
}

impl Serialize for Content {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut content = serializer.serialize_struct("Content", 2)?;
        content.serialize_field("sha256", &self.sha256())?;
        content.serialize_field("text", &(!self.secret).then_some(&self.text))?;
        content.end()
    }
}
