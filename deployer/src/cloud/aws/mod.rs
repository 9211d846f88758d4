//! AWS: a VPC of our own (or a place in one of the user's) with one machine for each node.
//!
//! * Everything is known by its tags, which are in the call that makes it ([`tags`]). What lacks our id is never touched.
//! * What is there ([`observe`]) is compared with what is wanted ([`plan`], pure), and the difference is done ([`apply`]).
//! * Before a machine is asked for, the attempt is noted with all that varies in the call, its token included ([`launch`]): a
//!   run that was killed asks for the same machine again and gets the same one.
//! * Machines end by themselves ([`ttl`]).

use std::net::Ipv4Addr;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ec2::Client;
use jiff::Timestamp;

use crate::cloud::finding::Finding;
use crate::cloud::reconcile::refuse;
use crate::cloud::{
    Applied, Cloud, CloudError, CloudPlan, CloudStep, Extension, Found, Notes, Progress, Wanted,
    caller, ends, marks,
};
use crate::secret::Secret;
use crate::topology::CloudName;

pub mod access;
mod advice;
pub mod apply;
pub mod catalog;
pub mod check;
pub mod client;
mod context;
pub mod failure;
mod gone;
mod group;
mod holding;
pub mod kinds;
pub mod launch;
mod look;
mod make;
mod make_access;
pub mod network;
pub mod notes;
pub mod observe;
pub mod observed;
pub mod operation;
pub mod order;
pub mod permissions;
mod places;
pub mod plan;
pub mod prices;
mod problems;
mod profile;
pub mod provider;
pub mod quota;
mod remarks;
mod remove;
mod renewal;
mod requests;
pub mod rules;
mod running;
pub mod settings;
mod signed;
pub mod tags;
pub mod teardown;
pub mod ttl;
pub mod user_data;
pub mod view;
pub mod wait;

pub use settings::Settings;

use tags::Scope;
use wait::Pace;

/// One region of one account.
pub struct Aws {
    ec2: Client,
    /// For calls that make a second thing when they are repeated.
    once: Client,
    sts: aws_sdk_sts::Client,
    quotas: aws_sdk_servicequotas::Client,
    price_list: aws_sdk_pricing::Client,
    signed: signed::Signed,
    region: String,
    settings: Settings,
    pace: Pace,
    last_look: running::Look,
    /// Held while a subnet is made in another zone.
    turn: tokio::sync::Mutex<()>,
}

impl Aws {
    /// Finds credentials and region, and connects.
    pub async fn connect(settings: Settings) -> Result<Self, CloudError> {
        // It reads all of the SDK's sources of credentials: a large future.
        let config = Box::pin(client::load(&settings)).await?;
        Ok(Self::new(&config, settings, Pace::default()))
    }

    /// Connects with a configuration that is already there.
    pub fn new(config: &SdkConfig, settings: Settings, pace: Pace) -> Self {
        let (ec2, once) = client::clients(config, &settings);
        let (quotas, price_list) = client::advisers(config, &settings);
        Self {
            ec2,
            once,
            sts: client::identity(config, &settings),
            quotas,
            price_list,
            signed: signed::Signed::new(config, &settings),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            settings,
            pace,
            last_look: running::Look::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// What machines with these settings cost in an hour, disks included, in dollars and in words; `None`: the price list lacks
    /// something.
    pub async fn rate(&self, wanted: &Wanted) -> Result<(Option<f64>, String), CloudError> {
        let order = order::Order::of_machines(wanted.machines.values(), &self.settings);
        let prices = Box::pin(self.prices(&order)).await?;
        let disk_gib = self.settings.disk_gib;
        let words = prices::words(&order, disk_gib, &prices);
        let words = words.unwrap_or_else(|| "AWS's price list has none of these machines".into());
        Ok((prices::hourly(&order, disk_gib, &prices), words))
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
}

#[async_trait]
impl Cloud for Aws {
    async fn plan(&self, wanted: &Wanted) -> Result<CloudPlan, CloudError> {
        let Settings {
            ssh_from,
            address_url,
            ..
        } = &self.settings;
        refuse(wanted, |nodes| self.settings.problems(nodes))?;
        self.same_region(wanted)?;
        let wanted = &caller::from_where_it_is(wanted, ssh_from, address_url).await?;
        let observed = self.observe_what_comes(wanted).await?;
        self.same_account(wanted, &observed).await?;
        let catalog = catalog::choose(&self.ec2, wanted, &self.settings, &observed).await?;
        let view = view::View {
            wanted,
            settings: &self.settings,
            observed: &observed,
            catalog: &catalog,
            now: Timestamp::now(),
        };
        let mut plan = plan::plan(&view)?;
        plan.remarks = Box::pin(self.remarks(&plan.steps, &catalog, &observed.subnets)).await?;
        let telling = remarks::telling(&observed.instances, &self.region);
        plan.remarks.extend(telling);
        plan.remarks
            .extend(self.profiles(wanted, &plan.steps).await?);
        Ok(plan)
    }

    async fn apply(
        &self,
        wanted: &Wanted,
        step: &CloudStep,
        notes: &dyn Notes,
        progress: &dyn Progress,
    ) -> Result<Applied, CloudError> {
        let operation = step.operation.read(CloudName::AWS)?;
        let context = context::CloudContext {
            aws: self,
            wanted,
            notes,
            progress,
        };
        apply::apply(&context, &operation).await
    }

    async fn leftovers(&self, id: &str) -> Result<Vec<String>, CloudError> {
        // AWS shows some things for a moment after they are gone.
        let look = || async {
            let observed = observe::everything(&self.ec2, Scope::Deployment(id)).await?;
            Ok(observed.marked().map(|thing| thing.words).collect())
        };
        wait::until_settled(&self.pace, look, Vec::is_empty).await
    }

    async fn deployments(&self) -> Result<Vec<Found>, CloudError> {
        let observed = observe::everything(&self.ec2, Scope::All).await?;
        Ok(marks::deployments(observed.marked()))
    }

    async fn check(&self, wanted: &Wanted) -> Result<Vec<Finding>, CloudError> {
        Aws::check(self, wanted).await
    }

    async fn own_address(&self) -> Result<Option<Ipv4Addr>, CloudError> {
        let address = caller::own_address(&self.settings.address_url).await?;
        Ok(Some(address))
    }

    async fn why_no_ssh(&self, id: &str) -> Result<Option<String>, CloudError> {
        Aws::why_no_ssh(self, id).await
    }

    async fn extend(&self, id: &str, end: Option<Timestamp>) -> Result<Vec<Extension>, CloudError> {
        let step = Aws::extend(self, id, end).await?;
        Ok(vec![Extension { step, vital: true }])
    }

    fn if_forgotten(&self, plan: &CloudPlan) -> String {
        ttl::if_forgotten(&self.settings, plan.expires)
    }

    fn lifetime(&self, plan: &CloudPlan) -> Option<String> {
        let left = ends::power_off(plan.expires, Timestamp::now());
        let then = ttl::then(&self.settings, plan.expires);
        Some(format!("{left}, {then}"))
    }

    async fn rate(&self, wanted: &Wanted) -> Result<(Option<f64>, String), CloudError> {
        Box::pin(Aws::rate(self, wanted)).await
    }

    async fn confidential(&self) -> Result<Vec<Secret>, CloudError> {
        Box::pin(client::confidential(&self.settings)).await
    }
}
