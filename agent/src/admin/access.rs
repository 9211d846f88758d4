//! Who may use Kafka, and for what: asked and made what it should be, by a login that may do so.

use std::sync::Arc;
use std::time::Duration;

use kafka_admin::{
    Acl, Error, alter_users, create_acls, delete_acls, describe_acls, describe_users,
};
use rdkafka::admin::AdminClient;
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::Instant;

use super::AdminError;
use super::rights::{self, Right};
use super::users::{self, User};
use crate::backoff::Backoff;
use crate::config::Connection;
use crate::deadline::left;
use crate::kafka::Keeping;

/// How long Kafka may take to answer once. Then it is asked again, as with topics.
const ASK: Duration = Duration::from_secs(4);

/// Who may use Kafka, and for what.
pub(super) struct Known {
    /// Each user with the mark of the password; none where it has none.
    pub(super) users: users::Marks,
    /// What they may do.
    pub(super) rights: Vec<Right>,
}

/// Asks and changes.
pub(super) struct Access {
    client: Arc<AdminClient<Keeping>>,
    deadline: Instant,
}

/// Makes a client that asks for what consumers may not.
pub(super) fn client(connection: &Connection) -> Result<Arc<AdminClient<Keeping>>, AdminError> {
    connection
        .asking_client("consumer-admin")
        .create_with_context(Keeping::default())
        .map(Arc::new)
        .map_err(AdminError::kafka("a client"))
}

impl Access {
    pub(super) fn new(client: Arc<AdminClient<Keeping>>, deadline: Instant) -> Self {
        Self { client, deadline }
    }

    /// Asks for both at the same time, once.
    pub(super) async fn known(&self) -> Result<Known, AdminError> {
        let wait = left(self.deadline);
        let users = self.blocking(move |client| describe_users(client, wait));
        let acls = self.blocking(move |client| describe_acls(client, wait));
        let (users, acls) = futures_util::future::try_join(users, acls).await?;
        Ok(Known {
            users: users::marks(&users),
            rights: rights::rights(&rights::of_users(acls)),
        })
    }

    /// Makes the users exactly these.
    pub(super) async fn set_users(
        &self,
        wanted: Arc<[User]>,
    ) -> Result<users::Changed, AdminError> {
        let there = self
            .until_done(|client| describe_users(client, ASK))
            .await?;
        let changed = users::report(&users::changes(&wanted, &there));
        if changed.is_nothing() {
            return Ok(changed);
        }
        // Asked anew each time: a try that failed may have changed some.
        self.until_done(move |client| {
            let there = describe_users(client, ASK)?;
            let changes = users::changes(&wanted, &there);
            changes
                .iter()
                .try_for_each(|call| alter_users(client, call, ASK))
        })
        .await?;
        Ok(changed)
    }

    /// Makes the rights exactly these.
    pub(super) async fn set_rights(&self, wanted: &[Right]) -> Result<rights::Changed, AdminError> {
        let wanted = rights::wanted(wanted);
        let there = self.until_done(|client| describe_acls(client, ASK)).await?;
        let there = rights::of_users(there);
        let missing: Arc<[Acl]> = wanted.difference(&there).cloned().collect();
        let additional: Arc<[Acl]> = there.difference(&wanted).cloned().collect();
        let changed = rights::Changed::new(
            &missing.iter().cloned().collect(),
            &additional.iter().cloned().collect(),
        );
        // First what is given: whoever keeps a right in another form is never without it.
        self.until_done(move |client| create_acls(client, &missing, ASK))
            .await?;
        self.until_done(move |client| delete_acls(client, &additional, ASK))
            .await?;
        Ok(changed)
    }

    /// Asks until it is done, refused for good, or the deadline.
    async fn until_done<T: Send + 'static>(
        &self,
        question: impl Fn(&AdminClient<Keeping>) -> Result<T, Error> + Clone + Send + 'static,
    ) -> Result<T, AdminError> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        loop {
            match self.blocking(question.clone()).await {
                Err(AdminError::Access(error))
                    if !is_final(error.code()) && Instant::now() < self.deadline =>
                {
                    if backoff.attempt().is_power_of_two() {
                        tracing::info!("Kafka does not tell yet {error}");
                    }
                }
                done => return done,
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// Asks in a thread that may wait.
    async fn blocking<T: Send + 'static>(
        &self,
        question: impl FnOnce(&AdminClient<Keeping>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, AdminError> {
        let client = Arc::clone(&self.client);
        let asked = tokio::task::spawn_blocking(move || question(&client)).await?;
        asked.map_err(AdminError::Access)
    }
}

/// Returns whether the same question will be refused again.
fn is_final(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::ClusterAuthorizationFailed
            | Code::SecurityDisabled
            | Code::InvalidArgument
            | Code::InvalidRequest
            | Code::UnacceptableCredential
            | Code::UnsupportedFeature
    )
}
