//! AWS: a VPC of our own (or a place in one of the user's) with one machine for each node.
//!
//! * Everything is known by its tags, which are in the call that makes it ([`tags`]). What lacks our id is never touched.
//! * What is there ([`observe`]) is compared with what is wanted ([`plan`], pure), and the difference is done ([`apply`]).
//! * Before a machine is asked for, the attempt is noted with all that varies in the call, its token included ([`launch`]): a
//!   run that was killed asks for the same machine again and gets the same one.
//! * Machines end by themselves ([`ttl`]).

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ec2::Client;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::cloud::{
    Applied, Cloud, CloudError, CloudPlan, CloudStep, Found, Need, Notes, Operation, Progress,
    Wanted,
};

pub mod access;
pub mod apply;
pub mod catalog;
pub mod check;
pub mod client;
pub mod failure;
pub mod launch;
mod make;
pub mod network;
pub mod observe;
pub mod observed;
pub mod operation;
pub mod permissions;
pub mod plan;
mod remove;
pub mod rules;
pub mod settings;
pub mod tags;
pub mod teardown;
pub mod ttl;
pub mod user_data;
pub mod wait;

pub use settings::Settings;

use observed::{Gateway, Observed, Thing};
use tags::Scope;
use wait::Pace;

/// One region of one account.
pub struct Aws {
    ec2: Client,
    /// For calls that make a second thing when they are repeated.
    once: Client,
    sts: aws_sdk_sts::Client,
    region: String,
    settings: Settings,
    pace: Pace,
    last_look: launch::Look,
    /// Held while a subnet is made in another zone.
    turn: tokio::sync::Mutex<()>,
}

impl Aws {
    /// Finds credentials and region, and connects.
    pub async fn connect(settings: Settings) -> Result<Self, CloudError> {
        let config = client::load(&settings).await?;
        Ok(Self::new(&config, settings, Pace::default()))
    }

    /// Connects with a configuration that is already there.
    pub fn new(config: &SdkConfig, settings: Settings, pace: Pace) -> Self {
        let (ec2, once) = client::clients(config, &settings);
        Self {
            ec2,
            once,
            sts: client::identity(config, &settings),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            settings,
            pace,
            last_look: launch::Look::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// A machine that was made a moment ago may not be listed by its tags yet: before it is taken for lost, it is asked for by
    /// its id, for a while.
    async fn look_again(&self, observed: &mut Observed, wanted: &Wanted) -> Result<(), CloudError> {
        let listed = |id: &String| observed.instances.iter().any(|instance| instance.id == *id);
        let attempts = wanted
            .machines
            .keys()
            .filter_map(|node| operation::Attempt::read(&wanted.notes, node));
        let missing: Vec<String> = attempts
            .filter_map(|attempt| attempt.instance)
            .filter(|id| !listed(id))
            .collect();
        let start = Instant::now();
        for id in missing {
            loop {
                match observe::instances_by_id(&self.ec2, std::slice::from_ref(&id)).await {
                    Ok(found) if !found.is_empty() => {
                        observed.instances.extend(found);
                        break;
                    }
                    Err(error) if !failure::not_found(&error) => return Err(error),
                    _ if start.elapsed() > self.pace.settle => break,
                    _ => sleep(self.pace.poll).await,
                }
            }
        }
        Ok(())
    }

    /// The account that the credentials belong to.
    pub async fn account(&self) -> Result<String, CloudError> {
        let answer = self
            .sts
            .get_caller_identity()
            .send()
            .await
            .map_err(|error| failure::api("GetCallerIdentity", &error))?;
        Ok(answer.account().unwrap_or_default().into())
    }

    /// Where nothing is found of a deployment that once had machines, the credentials may be of another account: then all would
    /// seem lost.
    async fn same_account(&self, wanted: &Wanted, observed: &Observed) -> Result<(), CloudError> {
        let Some(noted) = wanted.notes.get(operation::note::ACCOUNT) else {
            return Ok(());
        };
        if observed.tags().next().is_some() {
            return Ok(());
        }
        let account = self.account().await?;
        if account == *noted {
            return Ok(());
        }
        Err(CloudError::Refused(format!(
            "the deployment is in the AWS account {noted}, the credentials are of {account}: log in there, or set AWS_PROFILE"
        )))
    }

    /// Looks at a deployment: four calls when all is as it should be, more when something is missing.
    async fn observe(&self, wanted: &Wanted) -> Result<Observed, CloudError> {
        let scope = Scope::Deployment(&wanted.id);
        let mut observed = observe::glance(&self.ec2, scope).await?;
        if wanted.machines.is_empty() || !complete(&mut observed, wanted, &self.settings) {
            observed = observe::everything(&self.ec2, scope).await?;
        }
        self.look_again(&mut observed, wanted).await?;
        let named = match (&self.settings.subnet, &self.settings.vpc) {
            (Some(subnet), _) => Some(tags::filter("subnet-id", subnet)),
            (None, Some(vpc)) => Some(tags::filter("vpc-id", vpc)),
            (None, None) => None,
        };
        if let Some(filter) = named {
            observed.subnets = observe::subnets(&self.ec2, filter).await?;
        }
        Ok(observed)
    }
}

/// Whether a glance shows all there should be. What it implies (a working route means a gateway and a VPC) is filled in.
fn complete(observed: &mut Observed, wanted: &Wanted, settings: &Settings) -> bool {
    let machines = wanted.machines.keys().all(|node| {
        observed
            .instances
            .iter()
            .any(|instance| instance.lives() && instance.node() == Some(node))
    });
    let theirs = settings.vpc.is_some() || settings.subnet.is_some();
    let [group] = observed.groups.as_slice() else {
        return false;
    };
    observed.keys = vec![Thing::default()];
    if theirs || !machines {
        return machines;
    }
    let [table] = observed.route_tables.as_slice() else {
        return false;
    };
    let Some((gateway, true)) = &table.default else {
        return false;
    };
    let associated = observed
        .subnets
        .iter()
        .all(|subnet| table.subnets.contains(&subnet.id));
    observed.vpcs = vec![Thing {
        id: group.vpc.clone(),
        ..Thing::default()
    }];
    observed.gateways = vec![Gateway {
        id: gateway.clone(),
        vpc: Some(group.vpc.clone()),
        ..Gateway::default()
    }];
    associated
        && !observed.subnets.is_empty()
        && gateway.starts_with("igw-")
        && table.vpc == group.vpc
}

#[async_trait]
impl Cloud for Aws {
    async fn plan(&self, wanted: &Wanted) -> Result<CloudPlan, CloudError> {
        if !wanted.machines.is_empty() {
            let problems = self
                .settings
                .problems(&wanted.machines.keys().cloned().collect());
            if !problems.is_empty() {
                return Err(CloudError::Refused(problems.join("; ")));
            }
        }
        let mut wanted = wanted.clone();
        let unknown = self.settings.ssh_from.is_empty()
            && !wanted.notes.contains_key(operation::note::SSH_FROM);
        if unknown && !wanted.machines.is_empty() {
            let address = self.own_address().await?;
            wanted
                .notes
                .insert(operation::note::SSH_FROM.into(), format!("{address}/32"));
        }
        let wanted = &wanted;
        let observed = self.observe(wanted).await?;
        self.same_account(wanted, &observed).await?;
        let catalog = catalog::choose(&self.ec2, wanted, &self.settings, &observed).await?;
        let view = plan::View {
            wanted,
            settings: &self.settings,
            observed: &observed,
            catalog: &catalog,
            now: Timestamp::now(),
        };
        plan::plan(&view)
    }

    async fn apply(
        &self,
        wanted: &Wanted,
        step: &CloudStep,
        notes: &dyn Notes,
        progress: &dyn Progress,
    ) -> Result<Applied, CloudError> {
        let Operation::Aws(operation) = &step.operation else {
            return Err(CloudError::Refused(format!(
                "`{}` is not a step for AWS",
                step.words
            )));
        };
        let hands = apply::Hands {
            aws: self,
            wanted,
            notes,
            progress,
        };
        apply::apply(&hands, operation).await
    }

    async fn leftovers(&self, id: &str) -> Result<Vec<String>, CloudError> {
        // AWS shows some things for a moment after they are gone.
        let start = Instant::now();
        loop {
            let observed = observe::everything(&self.ec2, Scope::Deployment(id)).await?;
            let left: Vec<String> = observed
                .tags()
                .map(|(id, kind, _)| format!("{kind} {id}"))
                .collect();
            if left.is_empty() || start.elapsed() > self.pace.settle {
                return Ok(left);
            }
            sleep(self.pace.poll).await;
        }
    }

    async fn deployments(&self) -> Result<Vec<Found>, CloudError> {
        let observed = observe::everything(&self.ec2, Scope::All).await?;
        Ok(found(&observed))
    }

    async fn missing(&self) -> Result<Vec<Need>, CloudError> {
        Ok(Vec::new())
    }

    async fn provide(&self, _needs: &[Need], _progress: &dyn Progress) -> Result<(), CloudError> {
        Ok(())
    }
}

/// Deployments by their tags. Pure.
fn found(observed: &Observed) -> Vec<Found> {
    let mut all: BTreeMap<String, Found> = BTreeMap::new();
    for (thing, kind, tags) in observed.tags() {
        let Some(id) = tags.get(tags::ID) else {
            continue;
        };
        let entry = all.entry(id.clone()).or_insert_with(|| Found {
            id: id.clone(),
            deployment: tags.get(tags::DEPLOYMENT).cloned().unwrap_or_default(),
            nodes: BTreeSet::new(),
            owner: tags.get(tags::OWNER).cloned(),
            created: None,
            things: Vec::new(),
        });
        entry
            .nodes
            .extend(tags.get(tags::NODE).filter(|_| kind == "machine").cloned());
        entry.things.push(format!("{kind} {thing}"));
    }
    for instance in observed
        .instances
        .iter()
        .filter(|instance| instance.lives())
    {
        let Some(entry) = instance.tags.get(tags::ID).and_then(|id| all.get_mut(id)) else {
            continue;
        };
        entry.created = entry.created.into_iter().chain(instance.launched).min();
        for line in entry
            .things
            .iter_mut()
            .filter(|line| line.ends_with(&instance.id))
        {
            *line = format!("{line}, {}", instance.state.name());
        }
    }
    all.into_values().collect()
}
