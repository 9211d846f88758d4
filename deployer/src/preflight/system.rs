//! Whether a node's system can carry its roles.

use std::collections::BTreeSet;

use super::Obstacle;
use crate::component::{self, Context, Unfit};
use crate::facts::{DiskFact, Facts, System};
use crate::topology::Node;

/// What the agent binaries ask of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentNeeds {
    /// `uname -m` of the machine they were built for.
    pub architecture: String,
    /// The newest glibc symbol version in them, such as `2.34`.
    pub libc: String,
}

/// Clocks further apart than this make timestamps and leases lie.
pub const MAX_CLOCK_SKEW_MS: i64 = 5_000;

/// What a node needs below `/var/lib` beside what its components do, in MiB.
const SYSTEM_DISK_MIB: u64 = 300;
/// What our own binaries need below `/opt`, in MiB.
const AGENTS_MIB: u64 = 150;

/// All reasons why this node cannot carry its roles. Only where `agents` are given are they put there.
pub fn obstacles(
    node: &Node,
    system: &System,
    agents: Option<&AgentNeeds>,
    context: &Context<'_>,
) -> Vec<Obstacle> {
    let components: Vec<_> = component::of_node(node, context.topology).collect();
    let disks = components.iter().map(|component| component.disk());
    let mut found = Vec::new();
    let mut obstacle = |what: String, hint: &str| {
        found.push(Obstacle {
            node: node.name.clone(),
            what,
            hint: hint.into(),
        });
    };
    if !supported(&system.os, &system.version) {
        obstacle(
            format!("runs {} {}", system.os, system.version),
            "use Debian 11, 12, 13 or Ubuntu 20.04, 22.04, 24.04",
        );
    }
    if let Some(agents) = agents.filter(|agents| system.architecture != agents.architecture) {
        obstacle(
            format!(
                "is {}, the agent binaries are for {}",
                system.architecture, agents.architecture
            ),
            "build them for it by `deployer build-agents --target ...` and pass their directory with --agents",
        );
    }
    if let Some(agents) = agents.filter(|agents| version(&system.libc) < version(&agents.libc)) {
        obstacle(
            format!(
                "has glibc {}, the agent binaries need {}",
                system.libc, agents.libc
            ),
            "build them for every release by `deployer build-agents`",
        );
    }
    if system.foreign_init {
        obstacle(
            "is not run by systemd: process 1 is another".into(),
            "use a machine on which systemd runs services",
        );
    }
    // A machine sold as 2 GB shows some less: firmware and kernel take their part.
    if system.memory_mib * 100 < node.memory_mib * 85 {
        obstacle(
            format!(
                "has {} MiB of memory, its roles are laid out for {}",
                system.memory_mib, node.memory_mib
            ),
            "lower heap_mib, set the node's memory_mib, or use a larger machine",
        );
    }
    let needed = SYSTEM_DISK_MIB + disks.clone().map(|disk| disk.data).sum::<u64>();
    if system.disk_free_mib < needed {
        obstacle(
            format!(
                "has {} MiB free below /var/lib, its roles need {needed}",
                system.disk_free_mib
            ),
            "free some space",
        );
    }
    let own = agents.map_or(0, |_| AGENTS_MIB);
    let needed = own + disks.map(|disk| disk.software).sum::<u64>();
    if system.software_free_mib.is_some_and(|free| free < needed) {
        obstacle(
            format!(
                "has {} MiB free below /opt, its software needs {needed}",
                system.software_free_mib.unwrap_or_default()
            ),
            "free some space, or make /opt a link to a larger disk",
        );
    }
    if needed > 0 && system.software_noexec {
        obstacle(
            "nothing can be executed below /opt: it is mounted with `noexec`".into(),
            "`mount -o remount,exec` where /opt lies, or make /opt a link to another disk",
        );
    }
    if !system.unwritable.is_empty() {
        obstacle(
            format!("not even root can write {}", system.unwritable.join(", ")),
            "is it immutable (`lsattr -d`; `chattr -i`, `chattr -a`), or mounted read-only (`mount -o remount,rw`)?",
        );
    }
    if system.clock_skew_ms.abs() > MAX_CLOCK_SKEW_MS {
        let seconds = system.clock_skew_ms.abs() / 1000;
        let direction = if system.clock_skew_ms > 0 {
            "ahead of"
        } else {
            "behind"
        };
        obstacle(
            format!("its clock is {seconds} s {direction} this box's"),
            "set both clocks (chrony, systemd-timesyncd)",
        );
    }
    for component in components {
        for Unfit { what, hint } in component.unfit(system, context) {
            obstacle(what, &hint);
        }
    }
    found
}

/// The file systems of a node's data that are full.
pub fn full_disks(node: &Node, facts: &Facts) -> Vec<Obstacle> {
    let full: BTreeSet<String> = facts.disks.values().filter_map(DiskFact::full).collect();
    full.into_iter()
        .map(|what| Obstacle {
            node: node.name.clone(),
            what,
            hint: "free some space there, or give it a larger disk".into(),
        })
        .collect()
}

fn supported(os: &str, release: &str) -> bool {
    matches!(
        (os, release),
        ("debian", "11" | "12" | "13") | ("ubuntu", "20.04" | "22.04" | "24.04")
    )
}

/// `2.36` → `[2, 36]`: compares as versions do.
fn version(text: &str) -> Vec<u32> {
    text.split('.')
        .map(|part| part.parse().unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{AgentNeeds, Obstacle, obstacles};
    use std::collections::BTreeMap;

    use crate::component::Context;
    use crate::component::couchdb::package::none_for;
    use crate::component::repository_key::of_makers;
    use crate::facts::System;
    use crate::layout;
    use crate::receipt::{Receipt, Secrets};
    use crate::topology::{CloudName, Ids, Node, Options, Sections, Topology};

    fn node(roles: &[&str]) -> Node {
        Node {
            name: "vm2".into(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            cloud: CloudName::EXISTING,
            memory_mib: 2048,
            numbers: BTreeMap::new(),
            sections: Sections::default(),
            access: None,
            private_address: None,
            public_address: None,
        }
    }

    fn good() -> System {
        System {
            os: "debian".into(),
            version: "12".into(),
            codename: "bookworm".into(),
            architecture: "x86_64".into(),
            libc: "2.36".into(),
            foreign_init: false,
            filters: <[String; 3]>::default(),
            memory_mib: 1_960,
            disk_free_mib: 10_000,
            software_free_mib: Some(10_000),
            software_noexec: false,
            unwritable: Vec::new(),
            closed: std::collections::BTreeMap::new(),
            clock_skew_ms: 12,
        }
    }

    /// All that stands in the way of Kafka and CouchDB's package on a node.
    fn all(system: &System, agents: Option<&AgentNeeds>) -> Vec<Obstacle> {
        let text = "name: t\nnodes: { vm2: { roles: [zookeeper, kafka, couchdb] } }\nkafka: { replication: 1 }\n\
                    couchdb: { distribution: apache }\n";
        let inventory = layout::parse(text.as_bytes(), "t.yaml").expect("an inventory");
        let topology = Topology::new(&inventory, &Options::default(), &Ids::default());
        let receipt = Receipt::bare("1", "t", "local");
        let topology = &topology.expect("a topology").0;
        let context = Context {
            topology,
            receipt: &receipt,
            secrets: &Secrets::placeholders(),
            choices: &receipt.choices,
            keys: &of_makers(topology).expect("makers' keys"),
            artifacts: &[].into(),
            ipv6: false,
        };
        obstacles(
            &node(&["kafka", "couchdb", "producer"]),
            system,
            agents,
            &context,
        )
    }

    fn found(change: impl FnOnce(&mut System)) -> String {
        let mut system = good();
        change(&mut system);
        let agents = AgentNeeds {
            architecture: "x86_64".into(),
            libc: "2.34".into(),
        };
        let lines: Vec<String> = all(&system, Some(&agents))
            .iter()
            .map(ToString::to_string)
            .collect();
        lines.join("\n")
    }

    #[test]
    fn apache_has_packages_of_couchdb_for_some_systems() {
        let refused = |os: &str, version: &str, architecture: &str| {
            let system = System {
                os: os.into(),
                version: version.into(),
                architecture: architecture.into(),
                ..good()
            };
            none_for(&system).map(|unfit| unfit.what)
        };
        assert_eq!(refused("debian", "12", "x86_64"), None);
        assert_eq!(refused("debian", "12", "aarch64"), None);
        assert_eq!(refused("ubuntu", "24.04", "x86_64"), None);
        let refused = refused("ubuntu", "24.04", "aarch64");
        assert!(refused.is_some_and(|what| what.contains("Ubuntu on arm64")));
    }

    #[test]
    fn a_good_node_has_none() {
        assert_eq!(found(|_| ()), "");
    }

    #[test]
    fn libc_and_processor_matter_only_where_agents_go() {
        let system = System {
            libc: "2.31".into(),
            architecture: "aarch64".into(),
            ..good()
        };
        assert_eq!(all(&system, None), []);
    }

    #[test]
    fn debian_13_is_known() {
        assert_eq!(found(|system| system.version = "13".into()), "");
    }

    #[test]
    fn each_obstacle_has_its_words() {
        for (change, words) in [
            (
                (|s| s.os = "fedora".into()) as fn(&mut System),
                "runs fedora 12",
            ),
            (|s| s.version = "10".into(), "runs debian 10"),
            (
                |s| s.libc = "2.31".into(),
                "has glibc 2.31, the agent binaries need 2.34",
            ),
            (
                |s| s.libc = "2.4".into(),
                "has glibc 2.4, the agent binaries need 2.34",
            ),
            (
                |s| s.architecture = "aarch64".into(),
                "is aarch64, the agent binaries are for x86_64",
            ),
            (
                |s| s.foreign_init = true,
                "is not run by systemd: process 1 is another",
            ),
            (
                |s| s.memory_mib = 900,
                "has 900 MiB of memory, its roles are laid out for 2048",
            ),
            (|s| s.disk_free_mib = 200, "has 200 MiB free below /var/lib"),
            (
                |s| s.software_free_mib = Some(20),
                "has 20 MiB free below /opt",
            ),
            (
                |s| s.software_noexec = true,
                "nothing can be executed below /opt",
            ),
            (
                |s| s.unwritable = vec!["/etc/hosts".into(), "/opt".into()],
                "not even root can write /etc/hosts, /opt; is it immutable",
            ),
            (
                |s| s.closed = [("/var/log/a".into(), "/var/ is closed".into())].into(),
                "the producer could not read /var/log/a: /var/ is closed; let a group",
            ),
            (
                |s| s.clock_skew_ms = -9_000,
                "its clock is 9 s behind this box's",
            ),
            (
                |s| s.clock_skew_ms = 5_001,
                "its clock is 5 s ahead of this box's",
            ),
            (
                |s| {
                    s.os = "ubuntu".into();
                    s.version = "20.04".into();
                },
                "Apache has no CouchDB package for Ubuntu 20.04",
            ),
        ] {
            let text = found(change);
            assert!(text.contains(words), "`{words}` not in `{text}`");
            assert_eq!(text.lines().count(), 1, "one obstacle, one line: {text}");
        }
    }
}
