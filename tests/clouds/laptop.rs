//! A host that is not the deployment's: somebody's machine elsewhere, with keys of its own. The deployer knows it only as a host that
//! exists.

use std::time::{Duration, Instant};

use ssh_key::{Algorithm, LineEnding, PrivateKey, rand_core::OsRng};

use super::clouds_desk::Desk;
use super::clouds_watcher::command;

/// Its keys, made before it is.
pub(crate) struct LaptopKeys {
    /// Where the private key of its user lies.
    path: String,
    /// The public half.
    pub(crate) user: String,
    /// Its private host key.
    pub(crate) host: String,
    /// The public half.
    pub(crate) host_public: String,
}

impl LaptopKeys {
    /// Makes them.
    pub(crate) fn make(desk: &Desk) -> Self {
        let pair = || PrivateKey::random(&mut OsRng, Algorithm::Ed25519).expect("key");
        let (user, host) = (pair(), pair());
        let path = desk.path("laptop-key");
        user.write_openssh_file(path.as_ref(), LineEnding::LF)
            .expect("key file");
        let public = |key: &PrivateKey| key.public_key().to_openssh().expect("public key");
        Self {
            path,
            user: public(&user),
            host: host.to_openssh(LineEnding::LF).expect("key").to_string(),
            host_public: public(&host),
        }
    }
}

/// The host.
pub(crate) struct Laptop {
    pub(crate) address: String,
    pub(crate) user: &'static str,
    pub(crate) keys: LaptopKeys,
}

impl Laptop {
    /// As an inventory names it.
    pub(crate) fn host(&self) -> String {
        let Self {
            address,
            user,
            keys: LaptopKeys {
                path, host_public, ..
            },
        } = self;
        format!(
            "{{ address: {address}, public_address: {address}, user: {user}, key: '{path}', host_key: '{host_public}' }}"
        )
    }

    /// Waits until it has booted: the deployer has little patience with hosts that exist.
    pub(crate) fn wait(&self) {
        let (start, target) = (Instant::now(), format!("{}@{}", self.user, self.address));
        let options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "ConnectTimeout=5",
        ];
        let mut arguments = vec!["-F", "none", "-i", &self.keys.path];
        for option in &options {
            arguments.extend(["-o", option]);
        }
        arguments.extend([target.as_str(), "cloud-init status --wait"]);
        loop {
            let output = command("ssh", &arguments).output().expect("ssh");
            if output.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(start.elapsed() < Duration::from_mins(2), "{said}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
