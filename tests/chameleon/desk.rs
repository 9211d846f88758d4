//! A user's box with credentials of Alice.

use std::time::{Duration, Instant};

use super::openstack::OpenStack;
use super::proxy::Proxy;

pub(crate) use super::clouds_desk::{Desk, says};

impl Desk {
    /// One with credentials for a site.
    pub(crate) fn new(cloud: &OpenStack) -> Self {
        let mut desk = Self::bare();
        let clouds = cloud.clouds.display().to_string();
        desk.set("OS_CLIENT_CONFIG_FILE", &clouds);
        desk.set("OS_CLOUD", "alice");
        desk
    }

    /// From now on everything goes through the proxy.
    pub(crate) fn behind(&mut self, cloud: &OpenStack, proxy: &Proxy) {
        let text = std::fs::read_to_string(&cloud.clouds).expect("credentials");
        let clouds = self.write("clouds.yaml", &proxy.before(&text));
        self.set("OS_CLIENT_CONFIG_FILE", &clouds);
    }

    /// What `status` says once all is well: machines of a busy box do not always answer within its three seconds.
    pub(crate) fn well(&self) -> String {
        let start = Instant::now();
        loop {
            let (output, said) = self.output(&["status"]);
            if output.status.success() {
                assert!(said.contains("all is well"), "{said}");
                return said;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{said}");
        }
    }

    /// Where a node believes another one of a deployment to be.
    pub(crate) fn believes(&self, node: &str, name: &str) -> String {
        let state = self.path("state");
        let words = [
            "ssh",
            node,
            "--state-dir",
            &state,
            "--",
            "getent",
            "ahostsv4",
            name,
        ];
        let output = self.anywhere(&words).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{node}: {said}");
        let address = String::from_utf8_lossy(&output.stdout);
        let first = address.split_whitespace().next();
        first.unwrap_or_default().to_owned()
    }
}
