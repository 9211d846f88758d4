//! What changes something: machines are made, software is fetched, what was done is recorded, and canaries prove that it works.

pub mod beside;
pub mod fetch;
pub mod forget;
pub mod host_keys;
pub mod kill_broker;
pub mod machines;
pub mod outcome;
mod passing;
pub mod prove;
pub mod reboot;
pub mod state_copy;
pub mod steps;
pub mod times;
pub mod turn;
