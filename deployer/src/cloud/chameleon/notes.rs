//! What is noted: ids of what was made, and what is about to be asked for.

/// Keys of notes.
pub mod note {
    /// The project, so that other credentials are noticed.
    pub const PROJECT: &str = "chameleon project";
    /// The image that was chosen, with the name it was chosen by.
    pub const IMAGE: &str = "chameleon image";
    /// The security group.
    pub const GROUP: &str = "chameleon group";
    /// The network of our own.
    pub const NETWORK: &str = "chameleon network";
    pub use crate::cloud::ends::LEASE_END as END;

    /// When the last lease was asked for (RFC 3339) and its name, before the call; empty once the answer is there.
    pub fn lease(purpose: super::super::marks::Purpose) -> String {
        format!("chameleon lease for {}", purpose.word())
    }

    /// The reservation of a flavor in the newest lease.
    pub fn reservation(flavor: &str) -> String {
        format!("chameleon reservation of {flavor}")
    }

    /// The floating IP that was got last for a node.
    pub fn address(node: &str) -> String {
        format!("chameleon address {node}")
    }

    /// When a node's server was asked for (RFC 3339), before the call; empty once the answer is there.
    pub fn asked(node: &str) -> String {
        format!("chameleon server asked for {node}")
    }

    /// The server of a node.
    pub fn server(node: &str) -> String {
        format!("chameleon server {node}")
    }
}
