//! Kafka's users and rights: the calls of librdkafka that rdkafka does not wrap.
//!
//! Each call asks once, waits for the answer and says what was asked where it fails: call it where a thread may wait, and
//! try again where the error may pass. No other crate of ours has `unsafe` code.
#![expect(unsafe_code, reason = "librdkafka is C; each use says why it is sound")]

mod acls;
mod call;
mod users;

pub use acls::{
    Acl, Operation, Pattern, Permission, Resource, create_acls, delete_acls, describe_acls,
};
pub use call::Error;
pub use users::{Change, Credential, Mechanism, alter_users, describe_users};
