//! Words for an action in events.

use crate::step::Action;

/// Names the action. (To be replaced by `Action::describe` of the plan's branch.)
pub(super) fn describe(action: &Action) -> String {
    let text = format!("{action:?}");
    let name = text.split([' ', '{']).next().unwrap_or_default();
    name.to_owned()
}
