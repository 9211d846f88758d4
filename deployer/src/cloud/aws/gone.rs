//! Whether a thing is gone. Where it is taken away a second time, or where AWS itself took it away meanwhile, the least policy
//! hides that: a thing that is gone has no tags, so the call is refused before AWS looks for it (karpenter-provider-aws #1796,
//! #2253). Describing has no such condition and tells.

use aws_sdk_ec2::Client;
use tokio::time::Instant;

use super::failure::{denied, not_found};
use super::operation::Kind;
use super::tags::Scope;
use super::wait::{Pace, tags_settle};
use super::{failure, holding, observe};
use crate::cloud::CloudError;
use crate::retry::Retry;

/// Takes a thing away: it is done, or it was gone already. What holds on is waited for.
pub(super) async fn away<F, G>(
    pace: &Pace,
    call: impl Fn() -> F,
    there: impl Fn() -> G,
) -> Result<(), CloudError>
where
    F: Future<Output = Result<(), CloudError>>,
    G: Future<Output = Result<bool, CloudError>>,
{
    let mut retry = Retry::every(pace.poll).within(pace.gone);
    let mut refused = None;
    loop {
        let error = match call().await {
            Err(error) if !not_found(&error) => error,
            _ => return Ok(()),
        };
        let passes = if denied(&error) {
            if !there().await? {
                return Ok(());
            }
            refused.get_or_insert_with(Instant::now).elapsed() < tags_settle(pace)
        } else {
            held(&error) && !retry.is_over()
        };
        if !passes {
            return Err(error);
        }
        retry.pause().await;
    }
}

/// Something still uses it.
pub(super) fn held(error: &CloudError) -> bool {
    matches!(
        failure::code(error),
        "DependencyViolation"
            | "VolumeInUse"
            | "InvalidNetworkInterface.InUse"
            | "InvalidGroup.InUse"
            | "IncorrectState"
    )
}

/// Whether a thing is there, whatever its tags are.
pub(super) async fn there(ec2: &Client, kind: Kind, id: &str) -> Result<bool, CloudError> {
    let by = |name| Scope::Thing(name, id);
    Ok(match kind {
        Kind::Interface => !holding::interfaces(ec2, by("network-interface-id"))
            .await?
            .is_empty(),
        Kind::Volume => !holding::volumes(ec2, by("volume-id")).await?.is_empty(),
        Kind::KeyPair => !observe::keys(ec2, by("key-name")).await?.is_empty(),
        Kind::Group => !observe::groups(ec2, by("group-id")).await?.is_empty(),
        Kind::Gateway => !observe::gateways(ec2, by("internet-gateway-id"))
            .await?
            .is_empty(),
        Kind::Subnet => !observe::subnets(ec2, by("subnet-id").filter())
            .await?
            .is_empty(),
        Kind::RouteTable => !observe::route_tables(ec2, by("route-table-id"))
            .await?
            .is_empty(),
        Kind::Vpc => !observe::vpcs(ec2, by("vpc-id")).await?.is_empty(),
    })
}

/// Whether a gateway is attached to a VPC.
pub(super) async fn attached(ec2: &Client, gateway: &str, vpc: &str) -> Result<bool, CloudError> {
    let seen = observe::gateways(ec2, Scope::Thing("internet-gateway-id", gateway)).await?;
    Ok(seen.iter().any(|one| one.vpc.as_deref() == Some(vpc)))
}
