//! `CouchDB` made ready: system databases, the user who writes, and one database with its dead letters per topic.

use std::time::Duration;

use futures_util::future::{try_join_all, try_join3};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::AdminError;
use crate::backoff::Backoff;
use crate::sink::couchdb::Trouble;
use crate::sink::couchdb::{Answer, Couchdb, OpenError, Server, path_of};

/// How long one request may take: making databases and hashing passwords is slow on a small machine.
const REQUEST: Duration = Duration::from_secs(20);

/// Who administers and who writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    admin: String,
    admin_password: String,
    user: String,
    user_password: String,
}

impl Credentials {
    /// Returns the server as its administrator sees it.
    pub(super) fn administrator(&self, server: &Server) -> Result<Couchdb, OpenError> {
        server.login(&self.admin, &self.admin_password)
    }
}

/// What became of a database.
#[derive(Debug, Serialize)]
pub struct Prepared {
    name: String,
    created: bool,
}

/// Which software answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vendor {
    /// `CouchDB` of this version.
    Couchdb(String),
    /// The stand-in from npm, for trying things out.
    StandIn,
}

impl Vendor {
    /// Recognises the software by its greeting: the stand-in's lacks the word `CouchDB`'s begins with.
    pub fn of(greeting: &Value) -> Self {
        match (
            greeting.get("couchdb"),
            greeting.get("version").and_then(Value::as_str),
        ) {
            (Some(_), version) => Self::Couchdb(version.unwrap_or("of unknown version").to_owned()),
            (None, _) => Self::StandIn,
        }
    }
}

impl std::fmt::Display for Vendor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Couchdb(version) => write!(formatter, "CouchDB {version}"),
            Self::StandIn => write!(formatter, "PouchDB Server (stand-in)"),
        }
    }
}

/// Makes everything that is missing; `databases` get their members, whether they are new or not.
///
/// # Errors
/// When the server is not there by the deadline, or refuses.
pub async fn prepare(
    server: &Server,
    credentials: &Credentials,
    databases: &[String],
    deadline: Instant,
) -> Result<Vec<Prepared>, AdminError> {
    let admin = credentials.administrator(server)?;
    let setup = Setup {
        server,
        credentials,
        admin,
        deadline,
    };
    setup.prepare(databases).await
}

/// A server that is made ready.
struct Setup<'a> {
    server: &'a Server,
    credentials: &'a Credentials,
    admin: Couchdb,
    deadline: Instant,
}

impl Setup<'_> {
    async fn prepare(&self, databases: &[String]) -> Result<Vec<Prepared>, AdminError> {
        let stranger = self.server.anonymous()?;
        if self.wait_until_up(&stranger).await? == Vendor::StandIn {
            self.close_to_strangers(&stranger).await?;
        }
        let user = async {
            let new = self.create_database("_users").await?;
            self.prepare_user(new).await
        };
        let replicator = self.create_database("_replicator");
        let databases = try_join_all(databases.iter().map(|name| self.prepare_database(name)));
        let ((), _, databases) = try_join3(user, replicator, databases).await?;
        self.check_access(&databases).await?;
        Ok(databases)
    }

    /// Waits as a stranger: the stand-in lets strangers in and no administrator, as long as it has none.
    async fn wait_until_up(&self, stranger: &Couchdb) -> Result<Vendor, AdminError> {
        let up = self
            .insist(stranger, Method::GET, "_up", None, &[200, 401, 404])
            .await?;
        let stand_in = up.status == StatusCode::NOT_FOUND;
        let greeted = if stand_in { stranger } else { &self.admin };
        let greeting = self.insist(greeted, Method::GET, "", None, &[200]).await?;
        let vendor = Vendor::of(&greeting.body);
        if stand_in && vendor != Vendor::StandIn {
            return Err(AdminError::couchdb("GET /_up")(up.trouble()));
        }
        tracing::info!("{vendor} answers");
        Ok(vendor)
    }

    /// Gives the stand-in its administrator; without one it lets everybody do everything.
    async fn close_to_strangers(&self, stranger: &Couchdb) -> Result<(), AdminError> {
        let session = self
            .insist(stranger, Method::GET, "_session", None, &[200, 401])
            .await?;
        if is_admin(&session) {
            let path = format!("_config/admins/{}", self.credentials.admin);
            let password = Value::from(self.credentials.admin_password.as_str()).to_string();
            self.insist(stranger, Method::PUT, &path, Some(password), &[200])
                .await?;
        }
        Ok(())
    }

    /// Returns whether the database is new.
    async fn create_database(&self, name: &str) -> Result<bool, AdminError> {
        let answer = self
            .insist(
                &self.admin,
                Method::PUT,
                &path_of(name),
                None,
                &[201, 202, 412],
            )
            .await?;
        Ok(answer.status != StatusCode::PRECONDITION_FAILED)
    }

    async fn prepare_user(&self, users_are_new: bool) -> Result<(), AdminError> {
        let Credentials {
            user,
            user_password,
            ..
        } = self.credentials;
        if !users_are_new && self.user_can_log_in().await? {
            return Ok(());
        }
        let path = format!("_users/org.couchdb.user:{user}");
        loop {
            let present = self
                .insist(&self.admin, Method::GET, &path, None, &[200, 404])
                .await?;
            let mut document =
                json!({"name": user, "password": user_password, "roles": [], "type": "user"});
            if let Some(revision) = present
                .body
                .get("_rev")
                .filter(|_| present.status == StatusCode::OK)
            {
                document["_rev"] = revision.clone();
            }
            let answer = self
                .insist(
                    &self.admin,
                    Method::PUT,
                    &path,
                    Some(document.to_string()),
                    &[200, 201, 202, 409],
                )
                .await?;
            // In conflict with an earlier try of ours that got no answer, or with another administrator: look again.
            if answer.status != StatusCode::CONFLICT {
                return Ok(());
            }
        }
    }

    async fn user_can_log_in(&self) -> Result<bool, AdminError> {
        let session = self
            .insist(&self.user()?, Method::GET, "_session", None, &[200, 401])
            .await?;
        if session.status == StatusCode::OK && is_admin(&session) {
            let reason = format!(
                "the user {} is an administrator; the consumer must not be one",
                self.credentials.user
            );
            return Err(AdminError::couchdb("/_session")(Trouble::Denied(reason)));
        }
        Ok(session
            .body
            .pointer("/userCtx/name")
            .and_then(Value::as_str)
            == Some(&self.credentials.user))
    }

    async fn prepare_database(&self, name: &str) -> Result<Prepared, AdminError> {
        let created = self.create_database(name).await?;
        let path = format!("{}/_security", path_of(name));
        let wanted = access_rules(&self.credentials.user);
        let present = self
            .insist(&self.admin, Method::GET, &path, None, &[200])
            .await?;
        if present.body != wanted {
            self.insist(
                &self.admin,
                Method::PUT,
                &path,
                Some(wanted.to_string()),
                &[200],
            )
            .await?;
        }
        Ok(Prepared {
            name: name.to_owned(),
            created,
        })
    }

    /// Makes sure that the user sees every database; the first time is slow, and better slow here than at an event.
    async fn check_access(&self, databases: &[Prepared]) -> Result<(), AdminError> {
        let user = self.user()?;
        let check = |database: &Prepared| {
            let (path, user) = (path_of(&database.name), &user);
            async move { self.insist(user, Method::GET, &path, None, &[200]).await }
        };
        try_join_all(databases.iter().map(check)).await?;
        Ok(())
    }

    fn user(&self) -> Result<Couchdb, AdminError> {
        let Credentials {
            user,
            user_password,
            ..
        } = self.credentials;
        Ok(self.server.login(user, user_password)?)
    }

    /// Makes a request until it is answered by one of the statuses, refused for good, or the deadline.
    async fn insist(
        &self,
        server: &Couchdb,
        method: Method,
        path: &str,
        body: Option<String>,
        accepted: &[u16],
    ) -> Result<Answer, AdminError> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(500));
        loop {
            let trouble = match server
                .request(method.clone(), path, &[], body.clone(), REQUEST)
                .await
            {
                Ok(answer) if accepted.contains(&answer.status.as_u16()) => return Ok(answer),
                Ok(answer) => answer.trouble(),
                Err(trouble) => trouble,
            };
            if !matches!(trouble, Trouble::Away(_)) || Instant::now() >= self.deadline {
                return Err(AdminError::couchdb(format!("{method} /{path}"))(trouble));
            }
            if backoff.attempt().is_power_of_two() {
                tracing::info!("waiting for CouchDB: {method} /{path}: {trouble}");
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }
}

/// The access rules (`_security`) of each database: its user and administrators, nobody else.
pub(super) fn access_rules(user: &str) -> Value {
    json!({
        "admins": {"names": [], "roles": ["_admin"]},
        "members": {"names": [user], "roles": []},
    })
}

fn is_admin(session: &Answer) -> bool {
    let roles = session
        .body
        .pointer("/userCtx/roles")
        .and_then(Value::as_array);
    roles.is_some_and(|roles| roles.iter().any(|role| role == "_admin"))
}
