//! Tests on booted machines, one at a time on a box. They take longest: by this name they are among the first that begin.

mod adopt;
mod bastion;
mod contact;
mod laptop;
mod rehearsal;
mod whole;

use crate::moto::Moto;
use crate::watcher::{Watcher, may_boot};

/// An account of its own whose machines in a region are booted; `None`, after one line why, where that cannot be.
fn account(region: &str) -> Option<(Moto, Watcher)> {
    let moto = Moto::start(None, &[])?;
    if !may_boot() {
        return None;
    }
    let watcher = Watcher::start(&moto, region);
    Some((moto, watcher))
}
