//! Why a setting of the inventory is refused that is passed on to a component's software.

use crate::inventory::Findings;

/// Why a setting or its value is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, after the setting's name.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refusal {
    /// What is wrong, with nothing to be done about it.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// The same, with what to do about it.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// A setting that the deployer makes itself; `decides` is the inventory's key for it, empty where there is none.
    pub(super) fn owned(decides: &str) -> Self {
        let refusal = Self::new("is set by the deployer itself");
        if decides.is_empty() {
            refusal.hint("leave it out")
        } else {
            refusal.hint(format!("use `{decides}`"))
        }
    }
}

/// Puts a setting that is refused among what is wrong.
pub(super) fn refuse(key: String, checked: Result<(), Refusal>, findings: &mut Findings<'_>) {
    match checked {
        Ok(()) => {}
        Err(Refusal {
            message,
            hint: Some(hint),
        }) => findings.add(key, message, hint),
        Err(Refusal {
            message,
            hint: None,
        }) => findings.say(key, message),
    }
}
