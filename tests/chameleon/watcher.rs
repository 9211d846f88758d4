//! Real machines for the servers of OpenStack.

use std::sync::{Arc, Mutex, Weak};

use super::clouds_watcher::{IMAGE, script};
use super::openstack::OpenStack;

pub(crate) use super::clouds_watcher::{Watcher, command, may_boot};

/// This box, as its machines see it.
pub(crate) const THIS_BOX: &str = "10.99.0.254";

/// The one of this process, which ends with the last test that has it: there is room for one on a box.
pub(crate) fn shared(cloud: &OpenStack) -> Arc<Watcher> {
    static RUNNING: Mutex<Weak<Watcher>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().expect("it was started");
    running.upgrade().unwrap_or_else(|| {
        let python = cloud.home.join("venv/bin/python");
        let (script, clouds) = (
            script("openstack_machines.py"),
            cloud.clouds.display().to_string(),
        );
        let watcher = Arc::new(Watcher::with(&python, &[&script, IMAGE, &clouds]));
        *running = Arc::downgrade(&watcher);
        watcher
    })
}
