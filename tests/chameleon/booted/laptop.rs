//! Somebody's machine elsewhere in the project.

use deployer::cloud::chameleon::{Chameleon, Settings};
use deployer::secret::Secret;

use crate::bench::Deployment;
use crate::clouds_laptop::{Laptop, LaptopKeys};
use crate::desk::Desk;
use crate::openstack::{OpenStack, settings};
use crate::watcher::THIS_BOX;

/// A host, and the deployment that it is here.
pub(crate) struct Elsewhere {
    pub(crate) laptop: Laptop,
    demo: Deployment,
    cloud: Chameleon,
}

impl Elsewhere {
    /// Makes it, where only this box may use SSH, and waits until it has booted.
    pub(crate) async fn make(openstack: &OpenStack, desk: &Desk) -> Self {
        let keys = LaptopKeys::make(desk);
        let mut demo = Deployment::new("d00000000001", &["laptop"]);
        demo.wanted.deployment = "laptop".into();
        demo.wanted.user_key.clone_from(&keys.user);
        let machine = demo.wanted.machines.get_mut("laptop").expect("it");
        machine.host_key = Secret::new(keys.host.as_str());
        machine.host_key_public.clone_from(&keys.host_public);
        let settings = Settings {
            ssh_from: vec![THIS_BOX.into()],
            ..settings()
        };
        let cloud = openstack.cloud_with("alice", settings);
        let machines = demo.up(&cloud).await.expect("a laptop");
        let laptop = Laptop {
            address: machines["laptop"].public.expect("an address").to_string(),
            user: "cc",
            keys,
        };
        laptop.wait();
        Self {
            laptop,
            demo,
            cloud,
        }
    }

    /// Takes it away.
    pub(crate) async fn end(self) {
        let left = self.demo.teardown(&self.cloud).await.expect("teardown");
        assert_eq!(left, Vec::<String>::new());
    }
}
