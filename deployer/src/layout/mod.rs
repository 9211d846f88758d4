//! From an inventory to a topology: names, numbers and defaults are filled in, and what must fit together across keys and nodes is
//! checked, each subject in a file of its own. All that does not fit is reported at once. Pure.

mod build;
mod check;
mod fixed;
mod hosts;
mod ids;
mod members;
mod memory;
mod rules;
mod state_copy;

pub use fixed::{Made, check_machines, check_places};
pub use rules::{parse, schema};
