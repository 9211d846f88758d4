//! A machine of this box from the outside: programs of the box in its network, and its own programs, past sshd and the code under
//! test.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

/// A machine that runs.
pub(crate) struct Machine {
    /// Its first process, as this box numbers it.
    first: String,
}

impl Machine {
    /// The one of a deployment's node.
    pub(crate) fn of(id: &str, node: &str) -> Self {
        let disk = format!("--directory=/var/lib/deployer/local/{id}/machines/{node}/disk/root");
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        let boots = |place: &PathBuf| {
            let arguments = std::fs::read(place.join("cmdline")).unwrap_or_default();
            let mut arguments = arguments.split(|byte| *byte == 0);
            let program = arguments.next() == Some(&b"systemd-nspawn"[..]);
            program && arguments.any(|argument| argument == disk.as_bytes())
        };
        let mut places = processes.map(|process| process.path());
        let place = places.find(boots).expect("a machine that runs");
        let number = place.file_name().expect("a number").to_owned();
        let children = place.join("task").join(number).join("children");
        let children = std::fs::read_to_string(children).expect("its children");
        let first = children.split_whitespace().next().expect("a child");
        Self {
            first: first.to_owned(),
        }
    }

    /// Its table of names.
    pub(super) fn hosts(&self) -> String {
        let path = format!("/proc/{}/root/etc/hosts", self.first);
        std::fs::read_to_string(path).expect("a table of names")
    }

    /// What starts a program of the box in its network.
    pub(crate) fn network(&self) -> Command {
        self.enter(&["--net"])
    }

    /// What starts one of its own programs, as root.
    pub(crate) fn inside(&self) -> Command {
        self.enter(&[
            "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd",
        ])
    }

    /// Lets its sshd show another host key, or its own again. Sessions live on.
    pub(crate) fn swap_host_key(&self) {
        const SWAP: &str = "
            set -eu
            cd /etc/ssh
            if [ -e own ]; then
                mv own ssh_host_ed25519_key
            else
                mv ssh_host_ed25519_key own
                ssh-keygen -q -t ed25519 -N '' -f other && mv other ssh_host_ed25519_key
            fi
            systemctl reset-failed ssh.service
            systemctl restart ssh.service";
        let said = self.inside().args(["sh", "-c", SWAP]).output();
        let said = said.expect("nsenter runs");
        let errors = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{errors}");
    }

    /// The ports of an address that answer, as its own nmap sees them from the network that `from` starts programs in: of all that
    /// there are, and of those that are expected once more, slowly, for of the many questions a busy box loses some.
    pub(crate) fn nmap(&self, from: impl Fn() -> Command, address: &str, expected: &str) -> String {
        let all = ["-p-", "-T4", "--max-retries", "2", "--min-rate", "20000"];
        let mut open = self.scan(from(), &all, address);
        if !expected.is_empty() {
            let slowly = ["-p", &expected.replace(' ', ","), "--max-retries", "10"];
            open.extend(self.scan(from(), &slowly, address));
        }
        let open: Vec<String> = open.iter().map(u16::to_string).collect();
        open.join(" ")
    }

    fn scan(&self, mut from: Command, how: &[&str], address: &str) -> BTreeSet<u16> {
        from.args([
            "nsenter",
            "--target",
            &self.first,
            "--mount",
            "--pid",
            "--root",
            "--wd",
            "--",
        ]);
        from.args(["nmap", "-n", "-Pn"]).args(how);
        from.args(["-oG", "-", address]);
        let said = from.output().expect("nsenter runs");
        let errors = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{from:?}: {errors}");
        let said = String::from_utf8_lossy(&said.stdout);
        let open = said.split([' ', '\t', ',']).filter_map(|part| {
            let (port, state) = part.split_once('/')?;
            let open = state.starts_with("open/tcp");
            open.then(|| port.parse().expect("a port"))
        });
        open.collect()
    }

    fn enter(&self, parts: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first])
            .args(parts)
            .arg("--");
        command
    }
}
