//! The state copy: all that another laptop needs to take a deployment over, encrypted, as it lies on the nodes where the
//! inventory asks for it. Pure; `carry_out` writes it, `adopt` reads it.

mod seal;
mod state;

pub use seal::{Key, Seal, SealError, is_by_passphrase};
pub use state::{DIGEST, SECRETS, State, StateError, digest};
