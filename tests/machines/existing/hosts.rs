//! Plain machines as hosts that somebody has: booted by the local cloud, with users and keys of their own. The code under test
//! knows nothing of where they came from.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use deployer::machine::{Access, Machine, SshAccess};

use crate::attempts;
use crate::support::{Deployment, eventually, succeed};

/// Makes a login with the key of its input.
const ADD_USER: &str = "useradd -m -s /bin/bash USER && mkdir -p ~USER/.ssh && cp /root/student.pub ~USER/.ssh/authorized_keys \
                        && chown -R USER ~USER";

/// Hosts by name.
pub(super) struct Hosts {
    deployment: Deployment,
    machines: BTreeMap<String, Machine>,
}

impl Hosts {
    /// Boots them. Each has a user `student` who may become root without a password, and a user `guest` who may not; both by
    /// [`Hosts::key`]. As few packages are there as an image of this box has.
    pub(super) async fn boot(names: &[&str]) -> Self {
        let mut deployment = Deployment::new(names);
        deployment.wanted.packages.clear();
        for machine in deployment.wanted.machines.values_mut() {
            machine.memory_mib = 2048;
        }
        deployment.image().await;
        let machines = deployment.up().await;
        let hosts = Self {
            deployment,
            machines,
        };
        let key = hosts.key();
        let key = key.to_str().expect("a plain path");
        succeed("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key]);
        let public = std::fs::read_to_string(format!("{key}.pub")).expect("a public key");
        for name in names {
            let mut script = format!("echo '{}' >/root/student.pub", public.trim());
            for user in ["student", "guest"] {
                script = format!("{script} && {}", ADD_USER.replace("USER", user));
            }
            script += " && echo 'student ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/student && systemctl is-system-running --wait";
            assert_eq!(hosts.root(name, &script), "running");
        }
        hosts
    }

    /// The id of the machines, which is no deployment's of the code under test.
    pub(super) fn id(&self) -> &str {
        &self.deployment.wanted.id
    }

    /// A host from the outside.
    pub(super) fn machine(&self, name: &str) -> attempts::Machine {
        attempts::Machine::of(self.id(), name)
    }

    /// The private key of `student` and `guest`.
    pub(super) fn key(&self) -> PathBuf {
        self.deployment.directory().join("student")
    }

    fn access(&self, name: &str) -> &SshAccess {
        match &self.machines[name].access {
            Access::Ssh(access) => access,
            Access::Here => panic!("{name} is no machine"),
        }
    }

    pub(super) fn address(&self, name: &str) -> &str {
        &self.access(name).address
    }

    /// The file that vouches for a host.
    pub(super) fn known_hosts(&self, name: &str) -> PathBuf {
        self.deployment.directory().join(format!("known-{name}"))
    }

    /// Algorithm and key.
    pub(super) fn host_key(&self, name: &str) -> String {
        let key = self.access(name).host_key.as_deref().expect("a host key");
        let words: Vec<&str> = key.split_whitespace().take(2).collect();
        words.join(" ")
    }

    /// A host's entry of an inventory.
    pub(super) fn entry(&self, name: &str) -> String {
        format!(
            "{{ address: {}, user: student, key: {}, host_key: \"{}\" }}",
            self.address(name),
            self.key().display(),
            self.host_key(name)
        )
    }

    /// Runs a script as root, past the code under test; it has to succeed within 30 s.
    pub(super) fn root(&self, name: &str, script: &str) -> String {
        self.deployment.reach(&self.machines[name], &[script])
    }

    /// Runs a script as root once, however it ends.
    pub(super) fn attempt(&self, name: &str, script: &str) -> Output {
        self.deployment.ssh(&self.machines[name], &[script])
    }

    /// Copies files of this box to a directory of a host.
    pub(super) fn copy(&self, name: &str, files: &[PathBuf], directory: &str) {
        self.root(name, &format!("mkdir -p {directory}"));
        let known = self.known_hosts(name);
        let mut scp = Command::new("scp");
        scp.args(["-q", "-F", "none", "-i"])
            .arg(self.deployment.directory().join("key"));
        scp.arg("-o")
            .arg(format!("UserKnownHostsFile={}", known.display()));
        scp.args(files)
            .arg(format!("root@{}:{directory}/", self.address(name)));
        assert!(scp.status().expect("scp runs").success());
    }

    /// Whether a port of one host can be reached from another.
    pub(super) fn reaches(&self, from: &str, to: &str, port: u16) -> bool {
        let script = format!("timeout 2 bash -c '>/dev/tcp/{}/{port}'", self.address(to));
        self.attempt(from, &script).status.success()
    }

    /// Whether a port of a host can be reached from this box.
    pub(super) fn box_reaches(&self, to: &str, port: u16) -> bool {
        let address = self.address(to).parse().expect("an address");
        TcpStream::connect_timeout(&SocketAddr::new(address, port), Duration::from_secs(2)).is_ok()
    }

    /// Whether a host is off: one that still ends refuses connections, one that is off says nothing.
    pub(super) fn is_off(&self, name: &str) -> bool {
        let address = self.address(name).parse().expect("an address");
        let connected =
            TcpStream::connect_timeout(&SocketAddr::new(address, 22), Duration::from_secs(2));
        connected.is_err_and(|error| error.kind() != std::io::ErrorKind::ConnectionRefused)
    }

    /// Reboots a host from within and waits until it answers again.
    pub(super) fn reboot(&self, name: &str) {
        let boot = || self.root(name, "cat /proc/sys/kernel/random/boot_id");
        let last = boot();
        self.attempt(name, "systemctl reboot");
        eventually("the host boots again", || match boot() {
            now if now == last => Err("still the old boot".into()),
            _ => Ok(()),
        });
    }

    /// All that can be found of a deployment on a host without asking the code under test.
    pub(super) fn traces(&self, name: &str, deployment: &str) -> String {
        let script = format!(
            "find /etc /opt /var/lib /var/log /run /usr/local -xdev \\( -path '*deployer/{deployment}*' -o -name '*{deployment}-*' \\) 2>/dev/null; \
             grep -nw '{deployment}' /etc/hosts /etc/passwd /etc/group; \
             if command -v nft >/dev/null; then nft list tables | grep -w 'deployer-{deployment}'; fi; \
             systemctl list-units --all --plain --no-legend '{deployment}-*' 'deployer-{deployment}-*'; true"
        );
        self.root(name, &script)
    }
}
