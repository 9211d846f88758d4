//! Where things lie on a node, and what they are called. Every path and name that we make on a node is made here.

use crate::step::sha256;
use crate::topology::Topology;

/// The longest name of a user that Linux takes; that of a deployment is at most half of it.
const MAX_USER: usize = 32;

/// The directory of a deployment's configuration.
pub fn configuration(topology: &Topology) -> String {
    format!("/etc/deployer/{}", topology.name)
}

/// The directory of the deployment's software.
pub fn software(topology: &Topology) -> String {
    format!("/opt/deployer/{}", topology.name)
}

/// The directory of the deployment's data.
pub fn data(topology: &Topology) -> String {
    format!("/var/lib/deployer/{}", topology.name)
}

/// The link to the Java that components run by, whatever other ones a host has.
pub fn java(topology: &Topology) -> String {
    program(topology, "java")
}

/// The path of one of our own binaries.
pub fn program(topology: &Topology, name: &str) -> String {
    format!("{}/bin/{name}", software(topology))
}

/// The places and names of one component, or of one of the programs of an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    deployment: String,
    name: String,
}

impl Place {
    /// The places of what has a name.
    pub fn new(topology: &Topology, name: &str) -> Self {
        Self::of(&topology.name, name)
    }

    /// The same in a deployment of that name.
    pub fn of(deployment: &str, name: &str) -> Self {
        Self {
            deployment: deployment.into(),
            name: name.into(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The unit, with its suffix: `NAME-ROLE.service`.
    pub fn unit(&self) -> String {
        format!("{}-{}.service", self.deployment, self.name)
    }

    /// The unit that starts it at times.
    pub fn timer(&self) -> String {
        format!("{}-{}.timer", self.deployment, self.name)
    }

    /// The system user and its group: `NAME-ROLE`.
    ///
    /// One that is longer than Linux takes has a digest in the place of the role.
    pub fn user(&self) -> String {
        let user = format!("{}-{}", self.deployment, self.name);
        if user.len() <= MAX_USER {
            return user;
        }
        let digest = sha256(self.name.as_bytes());
        let room = MAX_USER - self.deployment.len() - 1;
        format!("{}-{}", self.deployment, &digest[..room])
    }

    /// The directory of its configuration.
    pub fn directory(&self) -> String {
        format!("/etc/deployer/{}/{}", self.deployment, self.name)
    }

    /// One of its configuration files.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.directory())
    }

    /// The directory of what it unpacks to execute it. Where its software lies, code may be executed.
    pub fn temporary(&self) -> String {
        format!("/opt/deployer/{}/tmp/{}", self.deployment, self.name)
    }

    /// The directory of its data.
    pub fn data(&self) -> String {
        format!("/var/lib/deployer/{}/{}", self.deployment, self.name)
    }
}

/// Where systemd looks for a unit of ours.
pub fn unit_file(unit: &str) -> String {
    format!("/etc/systemd/system/{unit}")
}

/// A drop-in of ours for a unit that a package brought.
pub fn drop_in(unit: &str) -> String {
    format!("/etc/systemd/system/{unit}.d/10-deployer.conf")
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_user_has_a_name_that_linux_takes() {
        let user = |name: &str| Place::of("sixteen-letters-", name).user();
        assert_eq!(user("fifteen-letters"), "sixteen-letters--fifteen-letters");
        let (one, other) = (user("sixteen-letters1"), user("sixteen-letters2"));
        assert_eq!((one.len(), other.len()), (32, 32));
        assert_ne!(one, other);
    }
}
