//! `CouchDB` over `couch_rs`, with the true status of every answer.
//!
//! `couch_rs`' own calls lose the status of a refused batch and match rows by position; both decide here whether an
//! event is stored, so the requests are made by its `req` and the answers are read here. They are sent by a client of
//! our own, because the one inside `couch_rs` obeys `http_proxy`, which would be handed the password, and cannot be told
//! whose certificates to trust. Once it takes a client from outside, ours goes there.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::tls::Version;
use reqwest::{Certificate, Method, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::answer::{Answer, GetRow, GetRows, PutRow};
use super::{Row, Settings, Store, Trouble};
use crate::config::error::ConfigError;
use crate::sink::document::Document;

/// How long one request may take, connecting included.
const REQUEST: Duration = Duration::from_secs(30);

/// Says why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The password or the certificates cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address is none.
    #[error("{url}: is not an address of CouchDB")]
    Address {
        /// What was taken for an address.
        url: String,
        /// Why it is none.
        source: couch_rs::error::CouchError,
    },
    /// There can be no HTTP client.
    #[error("no client for CouchDB can be made")]
    Client(#[source] reqwest::Error),
}

/// A `CouchDB` server: its address, and whose certificates are trusted there.
#[derive(Debug, Clone)]
pub struct Server {
    url: String,
    /// None: those the system trusts.
    roots: Option<Vec<Certificate>>,
    /// Made once: it reads the certificates that the system trusts, which takes longer than most questions.
    composer: OnceLock<couch_rs::Client>,
}

/// A `CouchDB` server, seen by one user.
#[derive(Clone)]
pub struct Couchdb {
    composer: couch_rs::Client,
    // Knows the password, so this type has no Debug.
    http: reqwest::Client,
    /// Whoever makes a request has one of these, where there are only so many.
    turns: Option<Arc<Semaphore>>,
}

impl Server {
    /// A server whose certificate is one that the system trusts, where it has one.
    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            roots: None,
            composer: OnceLock::new(),
        }
    }

    /// The server that settings name.
    ///
    /// # Errors
    /// When the certificates to be trusted cannot be read.
    pub fn of(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            url: settings.url.clone(),
            roots: settings.roots()?,
            composer: OnceLock::new(),
        })
    }

    /// Makes a client for one user; nothing is asked yet.
    ///
    /// # Errors
    /// When the address is none.
    pub fn login(&self, user: &str, password: &str) -> Result<Couchdb, OpenError> {
        let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        #[expect(clippy::expect_used, reason = "base64 is letters and digits")]
        let mut login = HeaderValue::try_from(login).expect("a header takes letters and digits");
        login.set_sensitive(true);
        self.open(HeaderMap::from_iter([(AUTHORIZATION, login)]))
    }

    /// Makes a client without a user; nothing is asked yet.
    ///
    /// # Errors
    /// As [`Self::login`].
    pub fn anonymous(&self) -> Result<Couchdb, OpenError> {
        self.open(HeaderMap::new())
    }

    fn open(&self, headers: HeaderMap) -> Result<Couchdb, OpenError> {
        let mut http = reqwest::Client::builder()
            .default_headers(headers)
            // Another crate of the same build may bring a second TLS.
            .tls_backend_native()
            .tls_version_min(Version::TLS_1_2)
            .no_proxy();
        if !self.url.starts_with("https:") {
            // Nobody shows a certificate there.
            http = http.tls_certs_only([]);
        } else if let Some(roots) = &self.roots {
            http = http.tls_certs_only(roots.clone());
        }
        Ok(Couchdb {
            composer: self.composer()?,
            http: http.build().map_err(OpenError::Client)?,
            turns: None,
        })
    }

    fn composer(&self) -> Result<couch_rs::Client, OpenError> {
        if let Some(composer) = self.composer.get() {
            return Ok(composer.clone());
        }
        let made = couch_rs::Client::new_with_timeout(&self.url, None, None, None);
        let made = made.map_err(|source| OpenError::Address {
            url: self.url.clone(),
            source,
        })?;
        Ok(self.composer.get_or_init(|| made).clone())
    }
}

impl Couchdb {
    /// Makes the client that settings describe; nothing is asked yet.
    ///
    /// # Errors
    /// When the password or the certificates cannot be read.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let password = settings.password()?;
        Server::of(settings)?.login(&settings.user, &password)
    }

    /// The same with so many requests at once at most: each needs a connection of its own, which costs both ends more than
    /// most questions.
    #[must_use]
    pub fn with_turns(self, turns: usize) -> Self {
        let turns = Some(Arc::new(Semaphore::new(turns)));
        Self { turns, ..self }
    }

    /// Makes a request and returns whatever the server answers.
    ///
    /// # Errors
    /// Only when there is no whole answer in time.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<String>,
        timeout: Duration,
    ) -> Result<Answer, Trouble> {
        let (status, bytes) = self.ask(method, path, query, body, timeout).await?;
        Ok(Answer::of(status, bytes.as_ref()))
    }

    /// Makes a request and returns the whole answer, unread.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<String>,
        timeout: Duration,
    ) -> Result<(StatusCode, impl AsRef<[u8]>), Trouble> {
        let turn = async {
            match &self.turns {
                Some(turns) => turns.acquire().await.ok(),
                None => None,
            }
        };
        let began = Instant::now();
        let in_time = tokio::time::timeout(timeout, turn).await;
        let _turn = in_time.map_err(|_| Trouble::Away("no answer in time".to_owned()))?;
        let timeout = timeout.saturating_sub(began.elapsed());
        let sent = self.send(method, path, query, body, timeout).await;
        let response = sent.map_err(away)?;
        let status = response.status();
        Ok((status, response.bytes().await.map_err(away)?))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<String>,
        timeout: Duration,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let query: HashMap<String, String> = query
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let mut request = self
            .composer
            .req(method, path, Some(&query).filter(|query| !query.is_empty()))
            .timeout(timeout);
        if let Some(body) = body {
            request = request.body(body);
        }
        self.http.execute(request.build()?).await
    }

    /// Returns the documents with these ids that exist, as they are: their numbers keep all digits.
    ///
    /// # Errors
    /// When the server does not answer in time, or refuses.
    pub async fn get_raw(
        &self,
        database: &str,
        ids: &[&str],
    ) -> Result<HashMap<String, Box<RawValue>>, Trouble> {
        let path = format!("{}/_all_docs", path_of(database));
        let body = json!({ "keys": ids }).to_string();
        let query = [("include_docs", "true")];
        let asked = self.ask(Method::POST, &path, &query, Some(body), REQUEST);
        let (status, bytes) = asked.await?;
        if status != StatusCode::OK {
            return Err(Answer::of(status, bytes.as_ref()).trouble());
        }
        let answer: GetRows = serde_json::from_slice(bytes.as_ref())
            .map_err(|error| Trouble::Away(format!("the answer has no rows: {error}")))?;
        // A document that was deleted is null.
        let document = |row: GetRow| {
            let doc = row.doc.filter(|doc| doc.get().starts_with('{'))?;
            Some((row.id?, doc))
        };
        Ok(answer.rows.into_iter().filter_map(document).collect())
    }

    /// Gets what the server answers with 200, unread; `None` where that is longer than `most` bytes.
    ///
    /// # Errors
    /// As [`Self::get_json`].
    pub async fn get_at_most(
        &self,
        most: usize,
        path: &str,
        query: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<Option<Vec<u8>>, Trouble> {
        let mut response = self
            .send(Method::GET, path, query, None, timeout)
            .await
            .map_err(away)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if bytes.len() + chunk.len() > most {
                return Ok(None);
            }
            bytes.extend_from_slice(&chunk);
        }
        if status == StatusCode::OK {
            return Ok(Some(bytes));
        }
        Err(Answer::of(status, &bytes).trouble())
    }

    /// Gets JSON; any status but 200 is trouble.
    ///
    /// # Errors
    /// As [`Self::request`], or the server answered something else.
    pub async fn get_json(
        &self,
        path: &str,
        query: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<Value, Trouble> {
        let answer = self
            .request(Method::GET, path, query, None, timeout)
            .await?;
        if answer.status == StatusCode::OK {
            Ok(answer.body)
        } else {
            Err(answer.trouble())
        }
    }
}

/// The address is known; what failed is at the end of the chain.
fn away(error: reqwest::Error) -> Trouble {
    let reason = crate::error::chain(&error.without_url());
    Trouble::Away(match advice(&reason) {
        Some(advice) => format!("{reason}; {advice}"),
        None => reason,
    })
}

/// Says what to look at where no encrypted connection comes about, by OpenSSL's words.
fn advice(reason: &str) -> Option<&'static str> {
    let advices = [
        (
            "mismatch",
            "the server's certificate is for other names than the one in couchdb.url",
        ),
        (
            "certificate has expired",
            "the server's certificate is too old, or the clock here is wrong",
        ),
        (
            "certificate is not yet valid",
            "the server's certificate is from the future: look at both clocks",
        ),
        (
            "certificate verify failed",
            "no certificate in couchdb.ca_file has signed the server's",
        ),
        (
            "wrong version number",
            "the server speaks no TLS at the port in couchdb.url",
        ),
    ];
    let mut advices = advices.into_iter();
    advices.find_map(|(words, advice)| reason.contains(words).then_some(advice))
}

/// Renders a database's name for a path.
pub fn path_of(database: &str) -> String {
    // The characters a database's name may hold that a part of a path may not.
    database.replace('+', "%2B").replace('/', "%2F")
}

impl Store for Couchdb {
    async fn put(
        &self,
        database: &str,
        documents: &[&Document],
    ) -> Result<HashMap<String, Row>, Trouble> {
        let mut body = String::with_capacity(
            documents
                .iter()
                .map(|document| document.json.len() + 1)
                .sum::<usize>()
                + 16,
        );
        body.push_str(r#"{"docs":["#);
        for (index, document) in documents.iter().enumerate() {
            if index > 0 {
                body.push(',');
            }
            body.push_str(&document.json);
        }
        body.push_str("]}");
        let path = format!("{}/_bulk_docs", path_of(database));
        let answer = self
            .request(Method::POST, &path, &[], Some(body), REQUEST)
            .await?;
        // 202 is "accepted by too few copies": asked again, until 201 or conflicts with ourselves say that it is kept.
        if answer.status != StatusCode::CREATED {
            return Err(answer.trouble());
        }
        let rows: Vec<PutRow> = serde_json::from_value(answer.body)
            .map_err(|error| Trouble::Away(format!("the answer has no rows: {error}")))?;
        Ok(rows
            .into_iter()
            .filter_map(|mut row| Some((row.id.take()?, row.outcome())))
            .collect())
    }

    async fn get(&self, database: &str, ids: &[&str]) -> Result<HashMap<String, Value>, Trouble> {
        let documents = self.get_raw(database, ids).await?.into_iter();
        Ok(documents
            .filter_map(|(id, document)| Some((id, serde_json::from_str(document.get()).ok()?)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_sort_into_wait_act_and_split() {
        let sorted = |status: u16| {
            let status = StatusCode::from_u16(status).expect("a status");
            match (Answer {
                status,
                body: Value::Null,
            })
            .trouble()
            {
                Trouble::Away(_) => 'w',
                Trouble::Denied(_) => 'a',
                Trouble::Rejected(_) => 's',
            }
        };
        let statuses = [
            202, 400, 401, 403, 404, 408, 409, 412, 413, 415, 417, 429, 500, 502, 503,
        ];
        assert_eq!(
            statuses.map(sorted).iter().collect::<String>(),
            "wsaaawwwssswwww"
        );
    }

    #[test]
    fn a_row_without_ok_and_without_error_is_not_stored() {
        let outcome = |text: &str| {
            serde_json::from_str::<PutRow>(text)
                .expect("a row")
                .outcome()
        };
        assert_eq!(outcome(r#"{"id":"a","ok":true,"rev":"1-x"}"#), Row::Stored);
        assert_eq!(
            outcome(r#"{"id":"a","error":"conflict","reason":"Document update conflict."}"#),
            Row::Conflict
        );
        assert_eq!(
            outcome(r#"{"id":"a","error":"forbidden","reason":"no"}"#),
            Row::Refused("forbidden: no".into())
        );
        assert!(matches!(
            outcome(r#"{"id":"a","error":"internal_server_error"}"#),
            Row::Failed(_)
        ));
        assert!(matches!(outcome(r#"{"id":"a"}"#), Row::Failed(_)));
    }
}
