//! A host that is not the deployment's: somebody's machine elsewhere in the project, with keys of its own. The deployer knows it only
//! as a host that exists.

use std::time::{Duration, Instant};

use deployer::cloud::chameleon::{Chameleon, Settings};
use deployer::secret::Secret;
use ssh_key::{Algorithm, LineEnding, PrivateKey, rand_core::OsRng};

use crate::bench::Deployment;
use crate::desk::Desk;
use crate::openstack::{OpenStack, settings};
use crate::watcher::{THIS_BOX, command};

pub(crate) struct Laptop {
    demo: Deployment,
    cloud: Chameleon,
    address: String,
    key: String,
    host_key: String,
}

impl Laptop {
    /// Makes it, where only this box may use SSH, and waits until it has booted: the deployer has little patience with hosts that
    /// exist.
    pub(crate) async fn make(openstack: &OpenStack, desk: &Desk<'_>) -> Self {
        let pair = || PrivateKey::random(&mut OsRng, Algorithm::Ed25519).expect("key");
        let (user, host) = (pair(), pair());
        let key = desk.path("laptop-key");
        user.write_openssh_file(key.as_ref(), LineEnding::LF)
            .expect("key file");
        let public = |key: &PrivateKey| key.public_key().to_openssh().expect("public key");
        let mut demo = Deployment::new("d00000000001", &["laptop"]);
        demo.wanted.deployment = "laptop".into();
        demo.wanted.user_key = public(&user);
        let machine = demo.wanted.machines.get_mut("laptop").expect("it");
        machine.host_key = Secret::new(host.to_openssh(LineEnding::LF).expect("key").as_str());
        machine.host_key_public = public(&host);
        let settings = Settings {
            ssh_from: vec![THIS_BOX.into()],
            ..settings()
        };
        let cloud = openstack.cloud_with("alice", settings);
        let machines = demo.up(&cloud).await.expect("a laptop");
        let laptop = Self {
            address: machines["laptop"].public.expect("an address").to_string(),
            demo,
            cloud,
            key,
            host_key: public(&host),
        };
        laptop.wait();
        laptop
    }

    /// As an inventory names it.
    pub(crate) fn host(&self) -> String {
        let Self {
            address,
            key,
            host_key,
            ..
        } = self;
        format!(
            "{{ address: {address}, public_address: {address}, user: cc, key: '{key}', host_key: '{host_key}' }}"
        )
    }

    fn wait(&self) {
        let (start, target) = (Instant::now(), format!("cc@{}", self.address));
        #[rustfmt::skip]
        let words = [
            "-F", "none", "-i", &self.key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5", &target, "cloud-init status --wait",
        ];
        loop {
            let output = command("ssh", &words).output().expect("ssh");
            if output.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(start.elapsed() < Duration::from_mins(2), "{said}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Takes it away.
    pub(crate) async fn end(self) {
        let left = self.demo.teardown(&self.cloud).await.expect("teardown");
        assert_eq!(left, Vec::<String>::new());
    }
}
