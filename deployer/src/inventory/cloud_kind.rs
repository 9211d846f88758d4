//! What is known of a cloud before anybody is asked. Verbs look here, and at `trait Cloud`, never at a cloud's name.

use super::{Clouds, Ttl};

/// A cloud.
#[derive(Debug)]
pub struct CloudKind {
    /// The name on the command line and in inventories.
    pub name: &'static str,
    /// Its name in sentences.
    pub title: &'static str,
    /// What it gives, in a sentence.
    pub about: &'static str,
    /// Whose machines they are.
    pub machines: Machines,
    /// How they end where nobody takes them away.
    pub end: End,
    /// Keys of its section that say where things are made, and in what: looking elsewhere would find nothing of what is there.
    pub places: &'static [&'static str],
    /// Keys of its section that say what a machine is made with, and what to do instead of changing them where that is not to begin
    /// anew. Once a machine is gone, the next one may be another.
    pub machine_keys: &'static [(&'static str, &'static str)],
    /// The key of its section that says how long its machines live, and what it says; `None`: they live until somebody takes them
    /// away, or what gave them to us. A longer time is given by the next renewal.
    pub time_to_live: Option<(&'static str, TimeToLive)>,
    /// The key of its section that decides which system its machines have.
    pub system_key: &'static str,
    /// Who else may be in the network of its machines; `None`: nobody, so that plain text may be spoken there.
    pub network_shared_by: fn(&Clouds) -> Option<&'static str>,
    /// What gives others a way to a node, by its name.
    pub way_to: fn(&str) -> String,
}

/// What a section says of how long machines live.
pub(super) type TimeToLive = fn(&Clouds) -> Ttl;

/// Whose machines they are.
#[derive(Debug, Clone, Copy)]
pub enum Machines {
    /// Booted on this box, and reached from it alone.
    OfThisBox,
    /// Hosts that the user has already: nobody makes them, nobody takes them away, and what keeps others out is ours.
    OfTheUser,
    /// Sold: made and paid somewhere else, in an account that says who may use SSH.
    Sold(Seller),
}

/// Who sells machines.
#[derive(Debug, Clone, Copy)]
pub struct Seller {
    /// Whom it charges.
    pub charges: &'static str,
    /// In what it charges.
    pub unit: &'static str,
    /// What a rehearsal may cost unless the user says.
    pub rehearsal_cap: f64,
}

/// How machines end where nobody takes them away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Never.
    Never,
    /// They power themselves off at a time that stands in a file on each.
    PowerOff,
    /// Their lease ends, and they are deleted.
    Lease,
}

/// What to do instead of giving one more person access by a key of the inventory.
pub(super) const LOG_IN: &str =
    "add it by hand on each node (`deployer ssh NODE`, then `~/.ssh/authorized_keys`)";
/// What to do instead of giving machines another time by a key of the inventory.
pub const EXTEND: &str = "`deployer extend` changes how long it lives";
