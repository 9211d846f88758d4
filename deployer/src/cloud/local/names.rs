//! How things of a deployment are called on the box. All names carry the deployment's id, so that what is ours is known by
//! its name alone. Pure.

use std::net::Ipv4Addr;

use super::super::CloudError;

/// Where deployments live: `<id>/deployment.json`, `<id>/machines/<node>/{machine.json,console.log,disk/}`.
pub(super) const DEPLOYMENTS: &str = "/var/lib/deployer/local";
/// Where base images live: `<name>/{image.json,disk/root/}`.
pub(super) const IMAGES: &str = "/var/cache/deployer/images";

/// A deployment's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    id: String,
}

impl Names {
    /// Names of the deployment `id`, which becomes part of paths and interface names: up to 12 lower-case letters and
    /// digits.
    pub(super) fn new(id: &str) -> Result<Self, CloudError> {
        let fits = (1..=12).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !fits {
            return Err(CloudError::Refused(format!(
                "`{id}` is no deployment id: up to 12 lower-case letters and digits"
            )));
        }
        Ok(Self { id: id.into() })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The deployment's directory.
    pub(super) fn directory(&self) -> String {
        format!("{DEPLOYMENTS}/{}", self.id)
    }

    /// The file that says whose deployment this is; written before anything else is made.
    pub(super) fn record(&self) -> String {
        format!("{}/deployment.json", self.directory())
    }

    /// The directory of all machines.
    pub(super) fn machines(&self) -> String {
        format!("{}/machines", self.directory())
    }

    /// A machine's directory. It appears by a rename: where it is, the disk is whole.
    pub(super) fn machine(&self, node: &str) -> String {
        format!("{}/{node}", self.machines())
    }

    /// Where what a machine has written lies, whether it runs or not.
    pub(super) fn disk(&self, node: &str) -> String {
        format!("{}/disk/upper", self.machine(node))
    }

    /// A machine's directory while it is made or removed. No node's name begins with a dot.
    pub(super) fn part(&self, node: &str) -> String {
        format!("{}/{PART}{node}", self.machines())
    }

    /// Name of the bridge and of the nftables table; an interface's name holds 15 bytes.
    pub(super) fn network(&self) -> String {
        format!("{BRIDGE}{}", self.id)
    }

    /// What our rules in packet filters of the box are known by.
    pub(super) fn mark(&self) -> String {
        format!("deployer-{}", self.id)
    }

    /// The name of the network in [`crate::machine::Machine::networks`].
    pub(super) fn membership(&self) -> String {
        format!("local-{}", self.id)
    }

    /// A machine's cgroup below the root of each hierarchy, where process 1 is not systemd.
    pub(super) fn cgroup(&self, node: &str) -> String {
        format!("deployer/{}/{node}", self.id)
    }

    /// The cgroup of all machines, where process 1 is not systemd.
    pub(super) fn cgroups(&self) -> String {
        format!("deployer/{}", self.id)
    }

    /// A machine's unit, where process 1 is systemd.
    pub(super) fn unit(&self, node: &str) -> String {
        format!("deployer-{}-{node}.service", self.id)
    }

    /// The slice of all machines, where process 1 is systemd. Without a dash, so that it has no parent to be left behind.
    pub(super) fn slice(&self) -> String {
        format!("deployer{}.slice", self.id)
    }
}

/// Whether an nftables table, by its name, is a deployment's on this box.
pub(super) fn is_network(table: &str) -> bool {
    table
        .strip_prefix(BRIDGE)
        .is_some_and(|id| Names::new(id).is_ok())
}

/// Opens the name of a bridge.
const BRIDGE: &str = "dp-";
/// Opens the name of a directory that is being made or removed.
pub(super) const PART: &str = ".part-";

/// nspawn's name of a machine, from its address: unique on the box, and short, so that the interface name made of it is
/// not cut off.
pub(super) fn nspawn(address: Ipv4Addr) -> String {
    format!("m{:08x}", u32::from(address))
}

/// The box's end of a machine's network cable, as nspawn calls it.
pub(super) fn cable(address: Ipv4Addr) -> String {
    format!("vb-{}", nspawn(address))
}

/// Refuses a node name that cannot be a directory's or a unit's: not a host label.
pub(super) fn check_node(node: &str) -> Result<(), CloudError> {
    let fits = (1..=63).contains(&node.len())
        && !node.starts_with('-')
        && node
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits {
        Ok(())
    } else {
        Err(CloudError::Refused(format!(
            "`{node}` is no node name: lower-case letters, digits and `-`"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, cable, check_node};

    #[test]
    fn names_fit_interfaces_and_stay_in_their_directory() {
        let names = Names::new("0123456789ab").expect("an id");
        assert_eq!(names.network().len(), 15);
        assert_eq!(cable([10, 213, 7, 2].into()), "vb-m0ad50702");
        for bad in ["", "..", "a/b", "0123456789abc", "A"] {
            Names::new(bad).expect_err(bad);
        }
        for bad in ["", "..", "a/b", ".part-x", "-x", "a_b"] {
            check_node(bad).expect_err(bad);
        }
        check_node("vm1-1").expect("a node");
    }
}
