//! Where things lie on a node, and what they are called. Every path and name that we make on a node is made here.

use crate::topology::Topology;

/// The directory of a deployment's configuration.
pub fn configuration(topology: &Topology) -> String {
    format!("/etc/deployer/{}", topology.name)
}

/// The directory of the deployment's software.
pub fn software(topology: &Topology) -> String {
    format!("/opt/deployer/{}", topology.name)
}

/// The link to the Java that components run by, whatever other ones a host has.
pub fn java(topology: &Topology) -> String {
    program(topology, "java")
}

/// The path of one of our own binaries.
pub fn program(topology: &Topology, name: &str) -> String {
    format!("{}/bin/{name}", software(topology))
}

/// The places and names of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    deployment: String,
    component: &'static str,
}

impl Place {
    /// The places of a component.
    pub fn new(topology: &Topology, component: &'static str) -> Self {
        Self::of(&topology.name, component)
    }

    /// The places of a component in a deployment of that name.
    pub fn of(deployment: &str, component: &'static str) -> Self {
        Self {
            deployment: deployment.into(),
            component,
        }
    }

    /// The component.
    pub fn component(&self) -> &'static str {
        self.component
    }

    /// The unit, with its suffix: `NAME-ROLE.service`.
    pub fn unit(&self) -> String {
        format!("{}-{}.service", self.deployment, self.component)
    }

    /// The system user and its group: `NAME-ROLE`.
    pub fn user(&self) -> String {
        format!("{}-{}", self.deployment, self.component)
    }

    /// The directory of its configuration.
    pub fn directory(&self) -> String {
        format!("/etc/deployer/{}/{}", self.deployment, self.component)
    }

    /// One of its configuration files.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.directory())
    }

    /// The directory of what it unpacks to execute it. Where its software lies, code may be executed.
    pub fn temporary(&self) -> String {
        format!("/opt/deployer/{}/tmp/{}", self.deployment, self.component)
    }

    /// The directory of its data.
    pub fn data(&self) -> String {
        format!("/var/lib/deployer/{}/{}", self.deployment, self.component)
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
