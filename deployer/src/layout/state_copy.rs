//! Who may read the copy of the state, as far as the inventory alone tells.

use age::x25519::Recipient;

use crate::inventory::{Findings, Inventory};

/// Refuses one that nobody, or not only one of both, could read.
pub(super) fn check(inventory: &Inventory, findings: &mut Findings<'_>) {
    let Some(wanted) = &inventory.state_copy else {
        return;
    };
    let recipients = &wanted.recipients;
    let hint = "say `passphrase_file: PATH`, or `recipients: [age1…]`";
    match (wanted.passphrase_file.is_some(), recipients.is_empty()) {
        (false, true) => findings.lacks("state_copy", "says nobody who may read it", hint),
        (true, false) => findings.add(
            "state_copy",
            "is closed by a passphrase or for recipients, not by both",
            hint,
        ),
        _ => {}
    }
    for (index, recipient) in recipients.iter().enumerate() {
        if recipient.parse::<Recipient>().is_err() {
            findings.add(
                format!("state_copy.recipients[{index}]"),
                format!("`{recipient}` is not a public key of age"),
                "`age-keygen -y KEY` prints it: `age1…`",
            );
        }
    }
}
