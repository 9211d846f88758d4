//! The connection to OpenStack: a token, the catalog of services, and calls.
//!
//! A thin client of our own on reqwest, which the product has anyway: some 25 calls are needed, a lease is not among what
//! `openstack_sdk` knows, and that crate would bring 196 more, a second TLS library, and three workarounds that were needed to log
//! in at all (0.22.8: no plug-in for authentication is linked from the registry).

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::sync::Mutex;

use super::credentials::Login;
use super::failure::{self, code, refused, unanswered, unreached};
use super::token::{Token, catalog};
use crate::cloud::CloudError;
use crate::retry::Retry;
use crate::secret::Secret;

/// A service that is called. The names are those of OpenStack's catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Nova: servers, flavors.
    Compute,
    /// Neutron: networks, security groups, floating IPs.
    Network,
    /// Glance.
    Image,
    /// Blazar: leases.
    Reservation,
}

impl Service {
    /// Its name in the catalog.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Network => "network",
            Self::Image => "image",
            Self::Reservation => "reservation",
        }
    }

    /// The address of its calls: some catalogs have it with the version, some without.
    fn base(self, url: &str) -> String {
        let url = url.trim_end_matches('/');
        let version = match self {
            Self::Network => "/v2.0",
            Self::Image => "/v2",
            Self::Compute | Self::Reservation => return url.into(),
        };
        format!("{}{version}", url.strip_suffix(version).unwrap_or(url))
    }
}

/// Python's library for Chameleon uses it, too.
const COMPUTE_VERSION: &str = "compute 2.61";

/// How often a call is made that may be repeated.
const ATTEMPTS: u32 = 4;

/// A session: one login, used for all calls.
pub struct Session {
    http: Client,
    login: Login,
    token: Mutex<Option<Arc<Token>>>,
    pause: Duration,
}

impl Session {
    /// Prepares one. The first pause before a call is repeated is twice as long as `pause`.
    pub fn new(login: Login, pause: Duration) -> Result<Self, CloudError> {
        let mut http = Client::builder()
            // The token is for the site's catalog alone, and in a header that would be shown to wherever an answer sends us.
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(15))
            .timeout(Duration::from_secs(90));
        if let Some(trusted) = &login.trusted {
            http = http.tls_certs_only(trusted.certificates.clone());
        }
        let http = http.build().map_err(|error| unreached("client", &error))?;
        Ok(Self {
            http,
            login,
            token: Mutex::default(),
            pause,
        })
    }

    /// The credentials in use.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The token, from the first login.
    pub async fn token(&self) -> Result<Arc<Token>, CloudError> {
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref() {
            return Ok(token.clone());
        }
        let token = Arc::new(self.while_unanswered(|| self.log_in()).await?);
        *held = Some(token.clone());
        Ok(token)
    }

    async fn log_in(&self) -> Result<Token, CloudError> {
        let call = "identity POST /auth/tokens";
        let answer = self
            .http
            .post(format!("{}/auth/tokens", self.login.auth_url))
            .header("content-type", "application/json")
            .body(self.login.request.expose().to_owned())
            .send()
            .await
            .map_err(|error| unreached(call, &error.without_url()))?;
        let status = answer.status();
        let value = answer
            .headers()
            .get("x-subject-token")
            .and_then(|value| value.to_str().ok())
            .map(Secret::new);
        let text = answer
            .text()
            .await
            .map_err(|error| unreached(call, &error.without_url()))?;
        if !status.is_success() {
            return Err(refused(call, status, &text));
        }
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let token = &body["token"];
        let (Some(value), Some(project)) = (value, token["project"]["id"].as_str()) else {
            return Err(CloudError::Refused(format!(
                "{} at {} gave no token for a project: name the project",
                self.login.origin, self.login.auth_url
            )));
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Token {
            value,
            project: project.into(),
            project_name: text(&token["project"]["name"]),
            user: text(&token["user"]["name"]),
            restricted: token["application_credential"]["restricted"].as_bool(),
            catalog: catalog(token),
        })
    }

    /// Whether the site has a service.
    pub async fn has(&self, service: Service) -> Result<bool, CloudError> {
        let token = self.token().await?;
        let region = token.region(self.login.region.as_deref())?;
        let regions = token.catalog.get(service.name());
        Ok(regions.is_some_and(|regions| regions.contains_key(region)))
    }

    /// A service's address.
    pub async fn address(&self, service: Service) -> Result<String, CloudError> {
        let token = self.token().await?;
        let region = token.region(self.login.region.as_deref())?;
        let regions = token.catalog.get(service.name());
        let url = regions
            .and_then(|regions| regions.get(region))
            .ok_or_else(|| {
                CloudError::Refused(format!(
                    "the site {region} has no service `{}`{}",
                    service.name(),
                    if service == Service::Reservation {
                        ": set `lease: none`"
                    } else {
                        ""
                    }
                ))
            })?;
        Ok(service.base(url))
    }

    /// A call whose answer is wanted and that may be repeated.
    pub async fn get(&self, service: Service, path: &str) -> Result<Value, CloudError> {
        self.repeated(service, Method::GET, path, None).await
    }

    /// All things of a list, page after page: `path` is without a question mark where it asks for nothing.
    pub async fn all(
        &self,
        service: Service,
        path: &str,
        key: &str,
    ) -> Result<Vec<Value>, CloudError> {
        let mut all: Vec<Value> = Vec::new();
        let mut marker = String::new();
        loop {
            let mut answer = self.get(service, &format!("{path}{marker}")).await?;
            let more = has_more(&answer, key);
            let page = answer[key].as_array_mut().map(std::mem::take);
            let page = page.unwrap_or_default();
            let last = page.last().and_then(|one| one["id"].as_str());
            let sign = if path.contains('?') { '&' } else { '?' };
            let next = last.map(|last| format!("{sign}marker={last}"));
            all.extend(page);
            match next.filter(|next| more && *next != marker) {
                Some(next) => marker = next,
                None => return Ok(all),
            }
        }
    }

    /// A call that changes a thing to what it says; may be repeated.
    pub async fn put(
        &self,
        service: Service,
        path: &str,
        body: &Value,
    ) -> Result<Value, CloudError> {
        self.repeated(service, Method::PUT, path, Some(body)).await
    }

    /// A call that makes a thing: made once.
    pub async fn post(
        &self,
        service: Service,
        path: &str,
        body: &Value,
    ) -> Result<Value, CloudError> {
        self.call(service, &Method::POST, path, Some(body)).await
    }

    /// Deletes a thing; one that is gone is no failure.
    pub async fn delete(&self, service: Service, path: &str) -> Result<(), CloudError> {
        match self.repeated(service, Method::DELETE, path, None).await {
            Err(error) if failure::not_found(&error) => Ok(()),
            result => result.map(|_| ()),
        }
    }

    async fn repeated(
        &self,
        service: Service,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CloudError> {
        let call = || self.call(service, &method, path, body);
        self.while_unanswered(call).await
    }

    /// Makes a call that may be repeated.
    async fn while_unanswered<T, F: Future<Output = Result<T, CloudError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<T, CloudError> {
        let mut retry = Retry::doubling(self.pause * 2).times(ATTEMPTS);
        loop {
            match call().await {
                Err(error) if unanswered(&error) && !retry.is_over() => retry.pause().await,
                result => return result,
            }
        }
    }

    async fn call(
        &self,
        service: Service,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CloudError> {
        let token = self.token().await?;
        match self.ask(service, method, path, body, &token).await {
            // It has expired: a refused call was not done.
            Err(error) if code(&error) == "401" => {
                let mut held = self.token.lock().await;
                if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, &token)) {
                    *held = None;
                }
                drop(held);
                let token = self.token().await?;
                self.ask(service, method, path, body, &token).await
            }
            result => result,
        }
    }

    async fn ask(
        &self,
        service: Service,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        token: &Token,
    ) -> Result<Value, CloudError> {
        // Without the ids in it: it is for people.
        let call = format!("{} {method} {}", service.name(), shape(path));
        let url = format!("{}{path}", self.address(service).await?);
        let mut request = self
            .http
            .request(method.clone(), url)
            .header("x-auth-token", token.value.expose())
            .header("accept", "application/json");
        if service == Service::Compute {
            request = request.header("openstack-api-version", COMPUTE_VERSION);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = request
            .send()
            .await
            .map_err(|error| unreached(&call, &error.without_url()))?;
        let status = answer.status();
        let text = answer
            .text()
            .await
            .map_err(|error| unreached(&call, &error.without_url()))?;
        if !status.is_success() {
            return Err(refused(&call, status, &text));
        }
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| CloudError::Api {
            call,
            code: "no JSON".into(),
            message: format!("the answer cannot be read: {error}"),
        })
    }
}

/// Whether a list goes on: Glance says it by `next`, Nova and Neutron by links.
fn has_more(answer: &Value, key: &str) -> bool {
    let links = answer[format!("{key}_links")].as_array();
    let mut links = links.into_iter().flatten();
    answer["next"].is_string() || links.any(|link| link["rel"] == "next")
}

/// A path without its question.
fn shape(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}
