//! The settings that Kafka and CouchDB know, from tables made from their releases (`data/`), and those that are the deployer's
//! own. The inventory is held against them, and what components render is held against them by tests.

pub mod couchdb;
pub mod kafka;

/// Why a setting or its value is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, after the setting's name.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// A setting that the deployer makes itself; `decides` is the inventory's key for it, empty where there is none.
    fn owned(decides: &str) -> Self {
        let refusal = Self::new("is set by the deployer itself");
        if decides.is_empty() {
            refusal.hint("leave it out")
        } else {
            refusal.hint(format!("use `{decides}`"))
        }
    }
}
