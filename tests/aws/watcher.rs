//! Real machines for what moto reports.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::clouds_watcher::{self, script};
use super::moto::{self, Moto};

pub(crate) use super::clouds_watcher::{IMAGE, command, make_image, may_boot};

/// This box, as its machines see it.
pub(crate) const THIS_BOX: &str = "10.126.255.254";

/// The bridge is one for all.
static BRIDGE: Mutex<()> = Mutex::new(());

/// Boots what moto reports. The bridge is free again once it has ended.
pub(crate) struct Watcher {
    _watcher: clouds_watcher::Watcher,
    _bridge: MutexGuard<'static, ()>,
}

impl Watcher {
    /// Starts it, once no other one of this process is there.
    pub(crate) fn start(moto: &Moto, region: &str) -> Self {
        let bridge = BRIDGE.lock().unwrap_or_else(PoisonError::into_inner);
        let (script, url) = (script("machines.py"), moto.url());
        let arguments = [script.as_str(), "watch", IMAGE, &url, region];
        Self {
            _watcher: clouds_watcher::Watcher::with(moto::python().expect("python"), &arguments),
            _bridge: bridge,
        }
    }
}
