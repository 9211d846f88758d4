//! `CouchDB` made ready: system databases, the user who writes, and one database with its dead letters per topic.

use std::time::Duration;

use futures_util::future::{try_join, try_join_all, try_join3};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::AdminError;
use super::readers::{self, GUARD, ROLE, Reader, access_rules, guard};
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

/// Makes everything that is missing; `databases` get their members, whether they are new or not: the user who writes, and those
/// `readers` that are wanted. None: readers are left alone.
///
/// # Errors
/// When the server is not there by the deadline, or refuses.
pub async fn prepare(
    server: &Server,
    credentials: &Credentials,
    databases: &[String],
    readers: Option<&[Reader]>,
    deadline: Instant,
) -> Result<Vec<Prepared>, AdminError> {
    let admin = credentials.administrator(server)?;
    let setup = Setup {
        server,
        credentials,
        admin,
        readers,
        deadline,
    };
    setup.prepare(databases).await
}

/// A server that is made ready.
struct Setup<'a> {
    server: &'a Server,
    credentials: &'a Credentials,
    admin: Couchdb,
    readers: Option<&'a [Reader]>,
    deadline: Instant,
}

impl Setup<'_> {
    async fn prepare(&self, databases: &[String]) -> Result<Vec<Prepared>, AdminError> {
        let stranger = self.server.anonymous()?;
        if self.wait_until_up(&stranger).await? == Vendor::StandIn {
            self.close_to_strangers(&stranger).await?;
        }
        let users = async {
            let new = self.create_database("_users").await?;
            self.prepare_users(new).await
        };
        let replicator = self.create_database("_replicator");
        let databases = try_join_all(databases.iter().map(|name| self.prepare_database(name)));
        let ((), _, databases) = try_join3(users, replicator, databases).await?;
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

    /// Readers that nobody wants any more go; users of other people stay.
    async fn prepare_users(&self, are_new: bool) -> Result<(), AdminError> {
        let Credentials {
            user,
            user_password,
            ..
        } = self.credentials;
        let writer = self.prepare_user(user, user_password, &[], are_new);
        let wanted = self.readers.unwrap_or_default();
        let readers = wanted
            .iter()
            .map(|reader| self.prepare_user(&reader.name, &reader.password, &[ROLE], are_new));
        try_join(writer, try_join_all(readers)).await?;
        if are_new || self.readers.is_none() {
            return Ok(());
        }
        let (path, query) = ("_users/_all_docs", [("include_docs", "true")]);
        let known = self
            .insist_on(&self.admin, Method::GET, path, &query, None, &[200])
            .await?;
        let known = known.body.get("rows").and_then(Value::as_array);
        let former = known.into_iter().flatten().filter_map(|row| {
            let name = row.pointer("/doc/name")?.as_str()?;
            let roles = row.pointer("/doc/roles")?.as_array()?;
            let is_wanted = wanted.iter().any(|reader| reader.name == name);
            (!is_wanted && roles.iter().any(|role| role == ROLE)).then(|| user_path(name))
        });
        for path in former {
            self.settle(&path, None).await?;
        }
        Ok(())
    }

    async fn prepare_user(
        &self,
        user: &str,
        password: &str,
        roles: &[&str],
        users_are_new: bool,
    ) -> Result<(), AdminError> {
        if !users_are_new && self.can_log_in(user, password).await? {
            return Ok(());
        }
        let wanted = json!({"name": user, "password": password, "roles": roles, "type": "user"});
        self.settle(&user_path(user), Some(&wanted)).await
    }

    /// Makes a document what it should be, whatever is there; `None`: nothing.
    async fn settle(&self, path: &str, wanted: Option<&Value>) -> Result<(), AdminError> {
        loop {
            let present = self
                .insist(&self.admin, Method::GET, path, None, &[200, 404])
                .await?;
            let mut there = Some(present.body).filter(|_| present.status == StatusCode::OK);
            let revision = there.as_mut().and_then(take_own);
            if there.as_ref() == wanted {
                return Ok(());
            }
            let mut document = wanted.cloned().unwrap_or(json!({"_deleted": true}));
            if let Some(revision) = revision {
                document["_rev"] = revision;
            }
            let body = Some(document.to_string());
            let answer = self
                .insist(&self.admin, Method::PUT, path, body, &[200, 201, 202, 409])
                .await?;
            // In conflict with an earlier try of ours that got no answer, or with another administrator: look again.
            if answer.status != StatusCode::CONFLICT {
                return Ok(());
            }
        }
    }

    async fn can_log_in(&self, user: &str, password: &str) -> Result<bool, AdminError> {
        let login = self.server.login(user, password)?;
        let session = self
            .insist(&login, Method::GET, "_session", None, &[200, 401])
            .await?;
        if session.status == StatusCode::OK && is_admin(&session) {
            let reason =
                format!("the user {user} is an administrator; users of the deployment must not be");
            return Err(AdminError::couchdb("/_session")(Trouble::Denied(reason)));
        }
        let name = session.body.pointer("/userCtx/name");
        Ok(name.and_then(Value::as_str) == Some(user))
    }

    /// What refuses readers' writes is there before they are let in, and until they are out.
    async fn prepare_database(&self, name: &str) -> Result<Prepared, AdminError> {
        let created = self.create_database(name).await?;
        let user = &self.credentials.user;
        let path = format!("{}/_security", path_of(name));
        let present = self
            .insist(&self.admin, Method::GET, &path, None, &[200])
            .await?;
        let there = readers::in_rules(&present.body, user);
        let readers = match self.readers {
            Some(readers) => readers::of(readers, name),
            None => there.iter().map(String::as_str).collect(),
        };
        let guarded = format!("{}/{GUARD}", path_of(name));
        if !readers.is_empty() {
            self.settle(&guarded, Some(&guard(user))).await?;
        }
        let wanted = access_rules(user, &readers);
        if present.body != wanted {
            let body = Some(wanted.to_string());
            self.insist(&self.admin, Method::PUT, &path, body, &[200])
                .await?;
        }
        if readers.is_empty() && !created {
            self.settle(&guarded, None).await?;
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
        self.insist_on(server, method, path, &[], body, accepted)
            .await
    }

    /// As [`Setup::insist`], with a query.
    async fn insist_on(
        &self,
        server: &Couchdb,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<String>,
        accepted: &[u16],
    ) -> Result<Answer, AdminError> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(500));
        loop {
            let trouble = match server
                .request(method.clone(), path, query, body.clone(), REQUEST)
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

/// Takes out of a document what is `CouchDB`'s own; its revision.
pub(super) fn take_own(document: &mut Value) -> Option<Value> {
    let fields = document.as_object_mut()?;
    fields.remove("_id");
    fields.remove("_rev")
}

/// The document that is a user.
pub(super) fn user_path(name: &str) -> String {
    format!("_users/org.couchdb.user:{name}")
}

fn is_admin(session: &Answer) -> bool {
    let roles = session
        .body
        .pointer("/userCtx/roles")
        .and_then(Value::as_array);
    roles.is_some_and(|roles| roles.iter().any(|role| role == "_admin"))
}
