//! The mark of a state copy: what is told of the encrypted copy that lies beside it.

use serde::{Deserialize, Serialize};

/// Which copy of a deployment's state lies on a node. Stored beside it, so that a look need not read the copy itself; tells
/// nothing of what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateMark {
    /// Format of this file and of the copy.
    pub version: u32,
    /// The deployment's id.
    pub id: String,
    /// The deployment's name.
    pub deployment: String,
    /// Counts the copies: each change of the deployment makes one more.
    pub number: u64,
    /// A keyed hash of what is in the copy and of who may read it. The key is in the copy.
    pub digest: String,
    /// SHA-256 of the copy as it lies there.
    pub sha256: String,
    /// When it was written, RFC 3339.
    pub written: String,
    /// By whom: `ann@laptop`.
    pub by: String,
}

impl StateMark {
    /// The newest format.
    pub const VERSION: u32 = 1;

    /// Where the copy lies on each node.
    pub fn copy_path(deployment: &str) -> String {
        format!("/etc/deployer/{deployment}/state.age")
    }

    /// Where its mark lies.
    pub fn path(deployment: &str) -> String {
        format!("/etc/deployer/{deployment}/state.json")
    }

    /// A mark as it lies on a node; `None`: it is none. Its words are shown: nothing in them steers a terminal.
    pub fn read(text: &str) -> Option<Self> {
        let mark: Self = serde_json::from_str(text).ok()?;
        let words = [&mark.id, &mark.deployment, &mark.written, &mark.by];
        let plain = |word: &&String| !word.contains(char::is_control);
        words.iter().all(plain).then_some(mark)
    }

    /// Which one it is, in words.
    pub fn words(&self) -> String {
        format!("copy {} of {} by {}", self.number, self.written, self.by)
    }
}
