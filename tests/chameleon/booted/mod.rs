//! Tests on booted machines. They take longest: by this name they are among the first that begin.

mod brief;
mod laptop;
mod rehearsal;
mod whole;

use std::sync::Arc;

use crate::openstack::OpenStack;
use crate::watcher::{self, Watcher, may_boot};

/// The site, with its machines booted; `None`, after one line why, where that cannot be.
fn site() -> Option<(&'static OpenStack, Arc<Watcher>)> {
    let cloud = OpenStack::shared()?;
    if !may_boot() {
        return None;
    }
    Some((cloud, watcher::shared(cloud)))
}
