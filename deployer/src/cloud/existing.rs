//! Hosts that the user has: nothing is made and nothing is removed here. What we put on them is undone by the plans of their
//! nodes.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;

use super::program::Program;
use super::provider::{self, Opening};
use super::{
    Applied, Cloud, CloudError, CloudPlan, CloudStep, Found, Need, Notes, Progress, Wanted, local,
    needs,
};
use crate::machine::{Access, Machine, SshAccess};
use crate::topology::{CloudKind, CloudName, Node};

/// How long a name may take to become an address, in seconds.
const RESOLVE: u64 = 5;
/// The network of all nodes that are this very box.
const HERE: &str = "here";
/// The network of hosts for which the user gave a private address.
const PRIVATE: &str = "existing";

/// A host as the user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingHost {
    /// How it is reached.
    pub access: Access,
    /// Its address as other hosts of the user see it.
    pub private: Option<IpAddr>,
    /// Its address as everybody else sees it.
    pub public: Option<IpAddr>,
}

/// The row of the user's hosts.
pub struct Provider;

#[async_trait]
impl provider::Provider for Provider {
    fn kind(&self) -> &'static CloudKind {
        CloudName::EXISTING.kind()
    }

    async fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Cloud>, CloudError> {
        Ok(Box::new(Existing::new(opening.nodes, opening.home)))
    }
}

/// The user's own hosts, by node.
#[derive(Debug, Clone)]
pub struct Existing {
    hosts: BTreeMap<String, ExistingHost>,
    /// The user's SSH configuration.
    configuration: PathBuf,
}

impl Existing {
    /// The hosts among a deployment's nodes. `home` is where the user's SSH configuration lies.
    pub fn new(nodes: &BTreeMap<String, Node>, home: &Path) -> Self {
        let own = nodes.values().filter(|n| n.cloud == CloudName::EXISTING);
        let hosts = own.filter_map(|node| {
            let host = ExistingHost {
                access: node.access.clone()?,
                private: node.private_address,
                public: node.public_address,
            };
            Some((node.name.clone(), host))
        });
        Self::of(hosts.collect(), home)
    }

    /// These hosts.
    pub fn of(hosts: BTreeMap<String, ExistingHost>, home: &Path) -> Self {
        Self {
            hosts,
            configuration: home.join(".ssh/config"),
        }
    }

    async fn machine(&self, wanted: &Wanted, node: &str) -> Result<Machine, CloudError> {
        let host = self.hosts.get(node).ok_or_else(|| {
            CloudError::Refused(format!(
                "{node}: the inventory does not say how to reach it"
            ))
        })?;
        let mut machine = Machine {
            node: node.to_owned(),
            id: node.to_owned(),
            access: host.access.clone(),
            networks: BTreeMap::new(),
            public: host.public,
            operator: None,
        };
        let private = host.private.map(|address| (PRIVATE.to_owned(), address));
        machine.networks.extend(private);
        match &host.access {
            Access::Here => {
                machine.public = host.public.or_else(outbound);
                // Without any network it still reaches itself.
                let own = host
                    .private
                    .or(machine.public)
                    .unwrap_or(Ipv4Addr::LOCALHOST.into());
                machine.networks.insert(HERE.into(), own);
                machine.networks.extend(local::own_membership(wanted));
            }
            Access::Ssh(access) if host.private.is_none() && host.public.is_none() => {
                machine.public = Some(resolve(node, access, &self.configuration).await?);
            }
            Access::Ssh(_) => {}
        }
        Ok(machine)
    }
}

/// This box's address towards the outside; `None` without a way there. Connecting a datagram socket sends nothing: it only
/// asks for the route to an address (one reserved for documentation).
fn outbound() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(198, 51, 100, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The address behind what the user wrote: an address, a name, or an alias of the user's ssh configuration.
pub(crate) async fn resolve(
    node: &str,
    access: &SshAccess,
    configuration: &Path,
) -> Result<IpAddr, CloudError> {
    if let Ok(address) = access.address.parse() {
        return Ok(address);
    }
    // Without a file ssh would take another user's: the one whom the system, not `HOME`, says we are.
    let configuration = if configuration.is_file() {
        configuration.to_string_lossy()
    } else {
        "/etc/ssh/ssh_config".into()
    };
    let question = Program::new(
        format!("{node}: read the ssh configuration for {}", access.address),
        "ssh",
        ["-G", "-F", &configuration, "--", &access.address],
    );
    let said = question.within(RESOLVE).run(&|_| ()).await?.stdout;
    let line = said.lines().find_map(|line| line.strip_prefix("hostname "));
    let name = line.unwrap_or(&access.address).trim();
    let refuse = |why: String| {
        CloudError::Refused(format!(
            "{node}: the name `{name}` does not resolve ({why}): mend its `address`, or, where only ssh knows the way, give the \
             node a `private_address` or a `public_address`, too"
        ))
    };
    let port = access.port.unwrap_or(22);
    let asked = tokio::net::lookup_host((name, port));
    let answer = tokio::time::timeout(Duration::from_secs(RESOLVE), asked).await;
    let found = match answer {
        Ok(Ok(found)) => found.map(|socket| socket.ip()).collect::<Vec<_>>(),
        Ok(Err(error)) => return Err(refuse(error.to_string())),
        Err(_elapsed) => return Err(refuse(format!("no answer within {RESOLVE} s"))),
    };
    let first = found.iter().find(|address| address.is_ipv4());
    let first = first.or(found.first()).copied();
    first.ok_or_else(|| refuse("the answer is empty".into()))
}

#[async_trait]
impl Cloud for Existing {
    /// The wanted hosts as they are named; there is never anything to do.
    async fn plan(&self, wanted: &Wanted) -> Result<CloudPlan, CloudError> {
        let machines = wanted
            .machines
            .keys()
            .map(|node| self.machine(wanted, node));
        Ok(CloudPlan {
            machines: try_join_all(machines).await?,
            ..CloudPlan::default()
        })
    }

    async fn apply(
        &self,
        _wanted: &Wanted,
        step: &CloudStep,
        _notes: &dyn Notes,
        _progress: &dyn Progress,
    ) -> Result<Applied, CloudError> {
        let words = &step.words;
        Err(CloudError::Refused(format!(
            "`{words}` is nothing that can be done to the user's own hosts"
        )))
    }

    async fn leftovers(&self, _id: &str) -> Result<Vec<String>, CloudError> {
        Ok(Vec::new())
    }

    async fn deployments(&self) -> Result<Vec<Found>, CloudError> {
        Ok(Vec::new())
    }

    async fn missing(&self) -> Result<Vec<Need>, CloudError> {
        let mut others = self.hosts.values().map(|host| &host.access);
        if others.all(|access| *access == Access::Here) {
            return Ok(Vec::new());
        }
        Ok(needs::ssh())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::{Existing, ExistingHost};
    use crate::cloud::{Cloud, CloudError, Wanted, WantedMachine, local};
    use crate::machine::{Access, Machine, SshAccess};
    use crate::secret::Secret;

    fn wanted(nodes: &[&str]) -> Wanted {
        let machine = |node: &str| WantedMachine {
            node: node.into(),
            memory_mib: 0,
            open: false,
            profile: None,
            host_key: Secret::new(""),
            host_key_public: String::new(),
        };
        Wanted {
            id: "0123456789ab".into(),
            deployment: "test".into(),
            machines: nodes.iter().map(|n| ((*n).into(), machine(n))).collect(),
            ..Wanted::default()
        }
    }

    fn ssh(address: &str) -> ExistingHost {
        ExistingHost {
            access: Access::Ssh(SshAccess {
                address: address.into(),
                user: None,
                port: None,
                key: None,
                host_key: None,
                jump: None,
            }),
            private: None,
            public: None,
        }
    }

    fn here() -> ExistingHost {
        ExistingHost {
            access: Access::Here,
            ..ssh("")
        }
    }

    async fn machines(
        hosts: &[(&str, ExistingHost)],
        wanted: &Wanted,
    ) -> Result<Vec<Machine>, CloudError> {
        let hosts = hosts
            .iter()
            .map(|(node, host)| ((*node).into(), host.clone()));
        let plan = Existing::of(hosts.collect(), Path::new("/nowhere"))
            .plan(wanted)
            .await?;
        assert_eq!(plan.steps, []);
        Ok(plan.machines)
    }

    #[tokio::test]
    async fn hosts_are_as_the_user_names_them() {
        let inside = ExistingHost {
            private: Some([10, 0, 0, 1].into()),
            public: Some([192, 0, 2, 1].into()),
            ..ssh("gateway-alias")
        };
        let neighbour = ExistingHost {
            private: Some([10, 0, 0, 2].into()),
            ..ssh("other-alias")
        };
        let hosts = [("a", inside), ("b", neighbour), ("c", ssh("192.0.2.7"))];
        let machines = machines(&hosts, &wanted(&["a", "b", "c"]))
            .await
            .expect("machines");
        let [a, b, c] = &machines[..] else {
            panic!("{machines:?}")
        };
        assert_eq!(a.address_seen_from(b), Some([10, 0, 0, 1].into()));
        assert_eq!(a.address_seen_from(c), Some([192, 0, 2, 1].into()));
        assert_eq!(c.address_seen_from(a), Some([192, 0, 2, 7].into()));
        assert_eq!(b.address_seen_from(c), None);
    }

    #[tokio::test]
    async fn names_become_addresses_or_the_error_says_what_to_give() {
        let found = machines(&[("a", ssh("localhost"))], &wanted(&["a"])).await;
        assert!(
            found.expect("localhost")[0]
                .public
                .is_some_and(|a| a.is_loopback())
        );
        let unknown = ("a", ssh("no-such-host.invalid"));
        let error = machines(&[unknown], &wanted(&["a"]))
            .await
            .expect_err("unknown");
        let message = error.to_string();
        assert!(
            message.starts_with("a: the name `no-such-host.invalid` does not resolve")
                && message.contains("mend its `address`"),
            "{message}"
        );
        let error = machines(&[], &wanted(&["a"])).await.expect_err("not named");
        assert_eq!(
            error.to_string(),
            "a: the inventory does not say how to reach it"
        );
    }

    #[tokio::test]
    async fn this_box_and_local_machines_see_each_other_in_their_network() {
        let mut wanted = wanted(&["laptop", "desk"]);
        let network = (local::NETWORK_NOTE.to_owned(), "10.213.7.0/24".to_owned());
        wanted.notes.extend([network]);
        let hosts = [("laptop", here()), ("desk", here())];
        let found = machines(&hosts, &wanted).await.expect("machines");
        let vm = Machine {
            node: "vm2".into(),
            networks: BTreeMap::from([("local-0123456789ab".into(), [10, 213, 7, 3].into())]),
            public: None,
            operator: None,
            ..found[0].clone()
        };
        assert_eq!(
            found[0].address_seen_from(&vm),
            Some([10, 213, 7, 1].into())
        );
        assert_eq!(
            vm.address_seen_from(&found[0]),
            Some([10, 213, 7, 3].into())
        );
        assert!(found[0].address_seen_from(&found[1]).is_some());
    }
}
