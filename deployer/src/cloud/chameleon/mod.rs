//! Chameleon: OpenStack with leases. A lease first, then one server for each node under its reservation, and one floating IP on the
//! bastion, through which SSH reaches the others; more where hosts outside must reach a broker. The machines are put into a network
//! of the site's, or into one of our own.
//!
//! * Everything is known by its marks, which are in the call that makes it ([`marks`]). What lacks our id is never touched: a project
//!   is shared by a class.
//! * What is there ([`observe`]) is compared with what is wanted ([`plan`], pure), and the difference is done (`apply`).
//! * The lease's end deletes the servers, with all that is on them: it is [`CloudPlan::expires`].
//! * There is no key pair: those belong to one user, whom nobody else can clean up after. The user's key goes by user data, which
//!   brings the host key anyway.

use std::net::Ipv4Addr;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::cloud::finding::Finding;
use crate::cloud::{
    Applied, Cloud, CloudError, CloudPlan, CloudStep, Extension, Found, Notes, Progress, Wanted,
    caller, ends,
};
use crate::secret::Secret;
use crate::topology::CloudName;

mod access;
mod address;
pub mod advice;
mod apply;
pub mod catalog;
pub mod check;
mod context;
pub mod costs;
pub mod credentials;
pub mod failure;
mod floating;
pub mod images;
mod lease;
mod make_network;
pub mod marks;
mod missing;
mod network;
pub mod notes;
pub mod observe;
pub mod observed;
pub mod operation;
pub mod places;
pub mod plan;
pub mod prolong;
pub mod provider;
mod remove;
mod reserve;
mod servers;
pub mod session;
pub mod settings;
pub mod teardown;
pub mod token;
pub mod trust;
mod user;
pub mod view;

pub use settings::Settings;

use super::reconcile::{refuse, require_same_account};
use super::wait::{self, Pace};
use notes::note;
use observed::{Lease, Observed};
use session::Session;

/// One project at one site.
pub struct Chameleon {
    session: Session,
    settings: Settings,
    pace: Pace,
}

impl Chameleon {
    /// Finds the credentials. Asks nobody yet.
    pub fn connect(settings: Settings, places: &places::Places) -> Result<Self, CloudError> {
        let login = credentials::find(places, &settings)?;
        Self::new(login, settings, Pace::default())
    }

    /// With credentials that are already there.
    pub fn new(
        login: credentials::Login,
        settings: Settings,
        pace: Pace,
    ) -> Result<Self, CloudError> {
        Ok(Self {
            session: Session::new(login, pace.poll / 4)?,
            settings,
            pace,
        })
    }

    async fn observe(&self, id: &str) -> Result<Observed, CloudError> {
        Ok(observe::everything(&self.session).await?.of(id))
    }

    /// What a lease gives is not told while the site makes it, nor is the lease listed at once that a killed run asked for a moment
    /// ago: both are waited for.
    async fn observe_when_made(&self, wanted: &Wanted) -> Result<Observed, CloudError> {
        let is_made = |observed: &Observed| {
            !observed.leases.iter().any(Lease::made_just_now)
                && !lease::on_its_way(&wanted.notes, &observed.leases, Timestamp::now())
        };
        wait::until_settled(&self.pace, || self.observe(&wanted.id), is_made).await
    }

    /// Looks at networks of our own, too.
    async fn observe_networks(&self, id: &str, seen: Observed) -> Result<Observed, CloudError> {
        let (networks, routers) = observe::networks(&self.session).await?;
        let mut observed = Observed {
            networks,
            routers,
            ..seen
        }
        .of(id);
        for router in &mut observed.routers {
            router.subnets = observe::legs(&self.session, &router.id).await?;
        }
        Ok(observed)
    }

    /// Refuses credentials of another project than the deployment's.
    async fn same_project(&self, wanted: &Wanted, observed: &Observed) -> Result<(), CloudError> {
        let anything = observed.things().next().is_some();
        require_same_account(wanted, note::PROJECT, anything, |noted| async move {
            let token = self.session.token().await?;
            Ok((token.project != noted).then(|| {
                format!(
                    "the deployment is in the project {noted}, the credentials ({}) are of {} ({}): use those of its project",
                    self.session.login().origin,
                    token.project,
                    token.project_name
                )
            }))
        })
        .await
    }
}

#[async_trait]
impl Cloud for Chameleon {
    async fn plan(&self, wanted: &Wanted) -> Result<CloudPlan, CloudError> {
        let Settings {
            ssh_from,
            address_url,
            ..
        } = &self.settings;
        refuse(wanted, |nodes| self.settings.problems(nodes))?;
        let wanted = &caller::from_where_it_is(wanted, ssh_from, address_url).await?;
        let mut observed = self.observe_when_made(wanted).await?;
        let nothing = wanted.machines.is_empty();
        let makes = !nothing && plan::needs_offers(wanted, &self.settings, &observed);
        if nothing || makes && self.settings.own_network().is_some() {
            observed = self.observe_networks(&wanted.id, observed).await?;
        }
        self.same_project(wanted, &observed).await?;
        let mut catalog = None;
        if makes {
            // New machines get the image of those that are there.
            let noted = wanted.notes.get(note::IMAGE).map(String::as_str);
            let kept = noted
                .and_then(|noted| noted.split_once(' '))
                .filter(|(_, name)| *name == self.settings.image && !observed.servers.is_empty())
                .map(|(id, _)| id);
            let chosen = catalog::choose(&self.session, wanted, &self.settings, kept).await?;
            catalog = Some(chosen);
        }
        let view = view::View {
            wanted,
            settings: &self.settings,
            observed: &observed,
            catalog: catalog.as_ref(),
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
        let operation = step.operation.read(CloudName::CHAMELEON)?;
        if !wanted.notes.contains_key(note::PROJECT) && !wanted.machines.is_empty() {
            let token = self.session.token().await?;
            notes.record(note::PROJECT, &token.project)?;
        }
        let context = context::CloudContext {
            cloud: self,
            wanted,
            notes,
            progress,
        };
        apply::apply(&context, &operation).await
    }

    async fn leftovers(&self, id: &str) -> Result<Vec<String>, CloudError> {
        // Things are shown for a moment after they are gone.
        let look = || async {
            let observed = self.observe(id).await?;
            let observed = self.observe_networks(id, observed).await?;
            Ok(observed.marked().map(|thing| thing.words).collect())
        };
        wait::until_settled(&self.pace, look, Vec::is_empty).await
    }

    async fn deployments(&self) -> Result<Vec<Found>, CloudError> {
        let observed = observe::everything(&self.session).await?;
        let (networks, routers) = observe::networks(&self.session).await?;
        let observed = Observed {
            networks,
            routers,
            ..observed
        };
        Ok(crate::cloud::marks::deployments(observed.marked()))
    }

    async fn check(&self, wanted: &Wanted) -> Result<Vec<Finding>, CloudError> {
        Chameleon::check(self, wanted).await
    }

    async fn own_address(&self) -> Result<Option<Ipv4Addr>, CloudError> {
        let address = caller::own_address(&self.settings.address_url).await?;
        Ok(Some(address))
    }

    async fn why_no_ssh(&self, id: &str) -> Result<Option<String>, CloudError> {
        Chameleon::why_no_ssh(self, id).await
    }

    async fn extend(&self, id: &str, end: Option<Timestamp>) -> Result<Vec<Extension>, CloudError> {
        let end = end.ok_or_else(|| CloudError::Refused("a lease cannot last for ever".into()))?;
        prolong::plan(&self.observe(id).await?, end)
    }

    fn if_forgotten(&self, plan: &CloudPlan) -> String {
        match plan.expires {
            Some(end) => format!(
                "{}; from a day before the commands here warn, and nobody else is told by them.",
                ends::lease(end, Timestamp::now())
            ),
            None => "they run, and are charged, until `deployer teardown`, and nobody is told: `deployer list --cloud chameleon` \
                     shows what is there."
                .into(),
        }
    }

    fn lifetime(&self, plan: &CloudPlan) -> Option<String> {
        let end = plan.expires?;
        Some(ends::lease(end, Timestamp::now()))
    }

    async fn rate(&self, wanted: &Wanted) -> Result<(Option<f64>, String), CloudError> {
        Chameleon::rate(self, wanted).await
    }

    async fn confidential(&self) -> Result<Vec<Secret>, CloudError> {
        Chameleon::confidential(self).await
    }
}
