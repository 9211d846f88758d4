//! How many virtual processors the account may still run: asked before anything is made, because AWS itself says no only when
//! half of the machines are there. Whoever may not ask is not stopped by that.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::types::{Filter, Instance, InstanceLifecycleType};
use tokio::time::timeout;

use super::advice::QUOTA;
use super::failure::api;
use super::kinds::Kind;
use super::order::Order;
use super::{Aws, observe};
use crate::cloud::CloudError;

/// AWS's code for "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", counted in vCPUs.
const STANDARD: &str = "L-1216C47A";
/// The families that this quota is about: the letters before a type's first digit.
const FAMILIES: [&str; 11] = ["a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"];
/// How long the service may take: it is asked while the user waits, and not needed.
const TIMEOUT: Duration = Duration::from_secs(8);

/// A quota and its use, in vCPUs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// How many may run at the same time: AWS gives it as a fraction.
    pub limit: f64,
    /// How many run.
    pub used: u32,
}

impl Quota {
    /// Why this many more do not fit, if so.
    pub fn refusal(self, more: u32, region: &str) -> Option<String> {
        let Self { limit, used } = self;
        (more > 0 && f64::from(used.saturating_add(more)) > limit).then(|| {
            format!(
                "the account may run {limit} vCPUs of standard instances in {region}, {used} run and {more} more are wanted: {QUOTA}"
            )
        })
    }
}

/// Whether machines of a type count.
pub fn counts(instance_type: &str) -> bool {
    let family = instance_type
        .split(|letter: char| !letter.is_ascii_lowercase())
        .next()
        .unwrap_or_default();
    FAMILIES.contains(&family)
}

/// The vCPUs of an order, as far as they count. Pure.
pub fn more(order: &Order, kinds: &BTreeMap<String, Kind>) -> u32 {
    let types = order.types.iter().filter(|(name, _)| counts(name));
    types
        .filter_map(|(name, count)| Some(kinds.get(name)?.vcpus * count))
        .sum()
}

impl Aws {
    /// The quota and its use. An error says only that they could not be asked.
    pub async fn quota(&self) -> Result<Quota, CloudError> {
        let asked = async { futures_util::try_join!(self.limit(), self.used()) };
        let (limit, used) =
            timeout(TIMEOUT, Box::pin(asked))
                .await
                .map_err(|_| CloudError::Deadline {
                    what: "asking for the vCPU quota".into(),
                    seconds: TIMEOUT.as_secs(),
                    output: String::new(),
                })??;
        Ok(Quota { limit, used })
    }

    async fn limit(&self) -> Result<f64, CloudError> {
        let call = "GetServiceQuota";
        let answer = self
            .quotas
            .get_service_quota()
            .service_code("ec2")
            .quota_code(STANDARD)
            .send()
            .await
            .map_err(|error| api(call, &error))?;
        let value = answer
            .quota()
            .and_then(aws_sdk_servicequotas::types::ServiceQuota::value);
        value.ok_or_else(|| CloudError::Refused(format!("{call} answered without a number")))
    }

    /// The vCPUs of all machines in this region, whoever made them.
    async fn used(&self) -> Result<u32, CloudError> {
        let states = Filter::builder().name("instance-state-name");
        let states = states.values("pending").values("running").build();
        let instances = observe::described(&self.ec2, states).await?;
        Ok(instances.iter().filter_map(vcpus).sum())
    }
}

fn vcpus(instance: &Instance) -> Option<u32> {
    // Spot instances have a quota of their own.
    let spot = instance.instance_lifecycle() == Some(&InstanceLifecycleType::Spot);
    let name = instance.instance_type()?.as_str();
    let options = instance.cpu_options().filter(|_| !spot && counts(name))?;
    u32::try_from(options.core_count()? * options.threads_per_core()?).ok()
}
