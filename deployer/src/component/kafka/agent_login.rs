//! As whom an agent logs in to the brokers, where security is on.

use serde::Serialize;

use crate::authority;
use crate::component::place::Place;
use crate::component::users::PASSWORDS;
use crate::component::{Context, service};
use crate::step::{Action, Content};
use crate::topology::Topology;

/// The file of an agent's password.
const PASSWORD: &str = "kafka-password";

/// What an agent's configuration says of its login.
#[derive(Serialize)]
pub(in crate::component) struct AgentLogin {
    ca_file: String,
    user: String,
    password_file: String,
}

impl AgentLogin {
    /// `None`: nobody asks who it is.
    pub(in crate::component) fn of(
        place: &Place,
        user: String,
        topology: &Topology,
    ) -> Option<Self> {
        topology.security.is_on().then(|| Self {
            ca_file: place.file(service::AUTHORITY),
            user,
            password_file: place.file(PASSWORD),
        })
    }

    /// The files that it names. The agent reads the whole file for a password.
    pub(in crate::component) fn files(
        &self,
        place: &Place,
        group: &str,
        context: &Context<'_>,
    ) -> [Action; 2] {
        let secrets = context.secrets;
        let authority = Content::open(authority::certificate(secrets));
        let password = Content::secret(format!("{}\n", secrets.get(PASSWORDS, &self.user)));
        [(service::AUTHORITY, authority), (PASSWORD, password)]
            .map(|(name, content)| service::configuration_file(place, group, name, content))
    }
}
