//! What clouds that are asked over an API do alike: which of the machines that are there carries which node, which are left over,
//! and taking them away.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::wait::Pace;
use super::{CloudError, CloudPlan, Progress, Wanted};
use crate::machine::{Access, Machine, SshAccess};
use crate::retry::Retry;

/// A machine as an API lists it.
pub trait Listed {
    /// Its id.
    fn id(&self) -> &str;
    /// The node it carries, by its marks.
    fn node(&self) -> Option<&str>;
    /// How it is, in the cloud's own word.
    fn state(&self) -> &str;
    /// Whether it has not gone for good.
    fn lives(&self) -> bool;
    /// When it was made, or last started.
    fn since(&self) -> Option<Timestamp>;

    /// Whether it will not run any more. What still runs is chosen before it.
    fn failed(&self) -> bool {
        false
    }
}

/// Which machine carries which node.
pub struct Choice<'a, M> {
    /// By node.
    pub chosen: BTreeMap<&'a str, &'a M>,
    /// Those that nobody wants.
    pub orphans: Vec<&'a M>,
}

/// Chooses for each node one that did not fail, then the noted one, then the one that was there first.
pub fn choose<'a, M: Listed>(
    wanted: &Wanted,
    listed: &'a [M],
    noted: impl Fn(&str) -> Option<String>,
) -> Choice<'a, M> {
    let mut living: Vec<&M> = listed.iter().filter(|machine| machine.lives()).collect();
    living.sort_by_cached_key(|machine| {
        let noted = machine.node().and_then(&noted);
        (
            machine.failed(),
            noted.as_deref() != Some(machine.id()),
            machine.since(),
            machine.id().to_owned(),
        )
    });
    let mut choice = Choice {
        chosen: BTreeMap::new(),
        orphans: Vec::new(),
    };
    for machine in living {
        match machine.node() {
            Some(node)
                if wanted.machines.contains_key(node) && !choice.chosen.contains_key(node) =>
            {
                choice.chosen.insert(node, machine);
            }
            _ => choice.orphans.push(machine),
        }
    }
    choice
}

impl<M: Listed> Choice<'_, M> {
    /// Notes in a plan what nobody wants, and takes it away by `terminate` where that is asked for.
    pub fn leave(
        &self,
        wanted: &Wanted,
        plan: &mut CloudPlan,
        terminate: impl FnOnce(&[&M]) -> super::CloudStep,
    ) {
        if wanted.prune && !self.orphans.is_empty() {
            plan.steps.push(terminate(&self.orphans));
        }
        let names = self.orphans.iter().map(|machine| match machine.node() {
            Some(node) if !wanted.machines.contains_key(node) => node.to_owned(),
            Some(node) => format!("{node} ({}, a second one)", machine.id()),
            None => machine.id().to_owned(),
        });
        plan.orphans = names.collect();
    }
}

/// Taking machines away, in words and as ids.
pub struct Removal {
    /// The machines.
    pub ids: BTreeSet<String>,
    /// Verb and object.
    pub words: String,
    /// What is lost by it.
    pub loses: String,
}

impl Removal {
    /// Of these machines.
    pub fn of<M: Listed>(machines: &[&M]) -> Self {
        let names = machines.iter().map(|machine| match machine.node() {
            Some(node) => format!("{node} ({})", machine.id()),
            None => machine.id().to_owned(),
        });
        let names = names.collect::<Vec<_>>().join(", ");
        let ids = machines.iter().map(|machine| machine.id().to_owned());
        Self {
            ids: ids.collect(),
            words: format!("delete {names} with their disks"),
            loses: format!("all data of {names}"),
        }
    }
}

/// Waits until none of the machines is there any more that `left` looks for, and says how they are meanwhile.
pub async fn until_gone<M: Listed, F: Future<Output = Result<Vec<M>, CloudError>>>(
    pace: &Pace,
    progress: &dyn Progress,
    left: impl Fn() -> F,
) -> Result<(), CloudError> {
    let mut retry = Retry::every(pace.poll).within(pace.gone);
    loop {
        let left = left().await?;
        if left.is_empty() {
            return Ok(());
        }
        let words = |machine: &M| format!("{} is {}", machine.id(), machine.state());
        for machine in &left {
            progress.line(machine.node(), &words(machine));
        }
        if retry.is_over() {
            return Err(CloudError::Deadline {
                what: format!("deleting {} machines", left.len()),
                seconds: pace.gone.as_secs(),
                output: left.iter().map(words).collect::<Vec<_>>().join("\n"),
            });
        }
        retry.pause().await;
    }
}

/// By which addresses a machine is known.
pub struct Addresses {
    /// The network that its own address is in, by a name that no other network has.
    pub network: String,
    /// Its own address.
    pub private: Ipv4Addr,
    /// The address by which others know it.
    pub public: Option<Ipv4Addr>,
}

/// A machine, and how it is reached: by its public address, else through the bastion.
pub fn machine(
    wanted: &Wanted,
    node: &str,
    id: &str,
    addresses: Addresses,
    user: &str,
    bastion: Option<&str>,
) -> Machine {
    let Addresses {
        network,
        private,
        public,
    } = addresses;
    let host_key = wanted.machines.get(node);
    let access = SshAccess {
        address: public.unwrap_or(private).to_string(),
        user: Some(user.into()),
        port: None,
        key: wanted.user_key_path.clone(),
        host_key: host_key.map(|machine| machine.host_key_public.clone()),
        jump: bastion
            .filter(|bastion| public.is_none() && *bastion != node)
            .map(Into::into),
    };
    Machine {
        node: node.into(),
        id: id.into(),
        access: Access::Ssh(access),
        networks: BTreeMap::from([(network, private.into())]),
        public: public.map(Into::into),
        operator: None,
    }
}

/// Where nothing is found of a deployment that once had machines, the credentials may be of another account: then all would seem
/// lost. `other` asks whose they are, and says where the deployment is if not there.
pub async fn require_same_account<F: Future<Output = Result<Option<String>, CloudError>>>(
    wanted: &Wanted,
    note: &str,
    anything: bool,
    other: impl FnOnce(String) -> F,
) -> Result<(), CloudError> {
    let Some(noted) = wanted.notes.get(note).filter(|_| !anything) else {
        return Ok(());
    };
    match other(noted.clone()).await? {
        None => Ok(()),
        Some(words) => Err(CloudError::Refused(words)),
    }
}

/// Refuses settings with which none of the machines could be made, before anybody is asked.
pub fn refuse(
    wanted: &Wanted,
    problems: impl FnOnce(&BTreeSet<String>) -> Vec<String>,
) -> Result<(), CloudError> {
    if wanted.machines.is_empty() {
        return Ok(());
    }
    let problems = problems(&wanted.machines.keys().cloned().collect());
    if problems.is_empty() {
        return Ok(());
    }
    Err(CloudError::Refused(problems.join("; ")))
}
