//! Looking at one deployment: as little as will do, and again where the answer would be alarming.

use aws_sdk_ec2::types;
use futures_util::future::ready;
use jiff::Timestamp;

use super::observed::{Gateway, Observed, RouteTable, Subnet, Thing};
use super::tags::{self, Scope};
use super::{Aws, Settings, failure, notes, observe, wait};
use crate::cloud::reconcile::{Listed as _, require_same_account};
use crate::cloud::{CloudError, Wanted};
use crate::retry::Retry;

impl Aws {
    /// Looks at a deployment: four calls when all is as it should be, more when something is missing.
    pub(super) async fn observe(&self, wanted: &Wanted) -> Result<Observed, CloudError> {
        let scope = Scope::Deployment(&wanted.id);
        let mut observed = if wanted.machines.is_empty() {
            observe::everything(&self.ec2, scope).await?
        } else {
            let mut seen = observe::glance(&self.ec2, scope).await?;
            if complete(&mut seen, wanted, &self.settings) {
                seen
            } else {
                observe::beyond(&self.ec2, scope, ready(Ok(seen))).await?
            }
        };
        self.look_again(&mut observed, wanted).await?;
        let named = match (&self.settings.subnet, &self.settings.vpc) {
            (Some(subnet), _) => Some(tags::filter("subnet-id", subnet)),
            (None, Some(vpc)) => Some(tags::filter("vpc-id", vpc)),
            (None, None) => None,
        };
        if let Some(filter) = named {
            observed.subnets = self.theirs(filter).await?;
        }
        Ok(observed)
    }

    /// Subnets of the user's, and which of them lead out.
    async fn theirs(&self, filter: types::Filter) -> Result<Vec<Subnet>, CloudError> {
        let mut subnets = observe::subnets(&self.ec2, filter).await?;
        let Some(vpc) = subnets.first().map(|subnet| subnet.vpc.clone()) else {
            return Ok(subnets);
        };
        let tables = observe::route_tables(&self.ec2, Scope::Thing("vpc-id", &vpc)).await?;
        for subnet in &mut subnets {
            let own = tables.iter().find(|one| one.subnets.contains(&subnet.id));
            let table = own.or_else(|| tables.iter().find(|one| one.main));
            subnet.open = table.is_some_and(RouteTable::leads_out);
            let default = table.and_then(|table| table.default.as_ref());
            subnet.routed = !subnet.open && default.is_some_and(|(_, active)| *active);
        }
        Ok(subnets)
    }

    /// Looks at all there is. What takes all away waits for a machine that a killed run asked for a moment ago: it is not listed at
    /// once, and would hold the network, or stay.
    pub(super) async fn observe_what_comes(&self, wanted: &Wanted) -> Result<Observed, CloudError> {
        let is_settled =
            |observed: &Observed| !wanted.machines.is_empty() || !on_its_way(wanted, observed);
        wait::until_settled(&self.pace, || self.observe(wanted), is_settled).await
    }

    /// A machine that was made a moment ago may not be listed by its tags yet: before it is taken for lost, it is asked for by
    /// its id, for a while.
    async fn look_again(&self, observed: &mut Observed, wanted: &Wanted) -> Result<(), CloudError> {
        let listed = |id: &String| observed.instances.iter().any(|instance| instance.id == *id);
        let attempts = wanted
            .machines
            .keys()
            .filter_map(|node| notes::Attempt::read(&wanted.notes, node));
        let missing: Vec<String> = attempts
            .filter_map(|attempt| attempt.instance)
            .filter(|id| !listed(id))
            .collect();
        let mut retry = Retry::every(self.pace.poll).within(self.pace.settle);
        for id in missing {
            loop {
                match observe::instances_by_id(&self.ec2, std::slice::from_ref(&id)).await {
                    Ok(found) if !found.is_empty() => {
                        observed.instances.extend(found);
                        break;
                    }
                    Err(error) if !failure::not_found(&error) => return Err(error),
                    _ if retry.is_over() => break,
                    _ => retry.pause().await,
                }
            }
        }
        Ok(())
    }

    /// Another region than the one that things were made in shows nothing of them: a teardown would say that nothing is left, and
    /// all would go on.
    pub(super) fn same_region(&self, wanted: &Wanted) -> Result<(), CloudError> {
        let region = &self.region;
        match wanted.notes.get(notes::note::REGION) {
            Some(noted) if noted != region => Err(CloudError::Refused(format!(
                "the deployment is in the AWS region {noted}, and {region} is set now: set AWS_REGION={noted}, or `region` in the \
                 inventory; `teardown` there comes first if it is to move"
            ))),
            _ => Ok(()),
        }
    }

    /// Refuses credentials of another account than the deployment's.
    pub(super) async fn same_account(
        &self,
        wanted: &Wanted,
        observed: &Observed,
    ) -> Result<(), CloudError> {
        let anything = observed.marked().next().is_some();
        require_same_account(wanted, notes::note::ACCOUNT, anything, |noted| async move {
            let account = self.account().await?;
            Ok((account != noted).then(|| {
                format!(
                    "the deployment is in the AWS account {noted}, the credentials are of {account}: log in there, or set AWS_PROFILE"
                )
            }))
        })
        .await
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

/// Whether a machine may come yet that is not listed.
fn on_its_way(wanted: &Wanted, observed: &Observed) -> bool {
    let now = Timestamp::now();
    let nodes = wanted
        .notes
        .keys()
        .filter_map(|key| notes::note::launched(key));
    let mut open = nodes.filter(|node| {
        let attempt = notes::Attempt::read(&wanted.notes, node);
        attempt.is_some_and(|attempt| attempt.is_on_its_way(now))
    });
    open.any(|node| {
        let mut instances = observed.instances.iter();
        !instances.any(|instance| instance.lives() && instance.node() == Some(node))
    })
}
