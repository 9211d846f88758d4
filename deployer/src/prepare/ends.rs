//! When machines power themselves off.

use std::collections::BTreeMap;

use crate::cloud::ends::{POWER_OFF_FILE, power_off_content};
use crate::step::{Access, Action, Content};

/// Node → when its machine powers itself off (`None`: never), for machines that can.
pub type Ends = BTreeMap<String, Option<jiff::Timestamp>>;

/// Tells a machine when to power itself off.
pub fn end_file(end: Option<jiff::Timestamp>) -> Action {
    Action::WriteFile {
        path: POWER_OFF_FILE.into(),
        content: Content::open(power_off_content(end)),
        access: Access::root("root", 0o644),
        judge: None,
    }
}
