//! A bucket of a store that speaks S3: what is in it, parts of its objects, and what is wrong where it says no.
//!
//! Requests are signed by `rusty-s3`, in their address, and sent by `reqwest`. So no address of a request is ever shown.

mod answer;
mod credentials;
mod settings;

use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, IF_MATCH, RANGE};
use reqwest::tls::Version;
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use rusty_s3::actions::{ListObjectsV2, ListObjectsV2Response, S3Action};
use rusty_s3::{Bucket, UrlStyle};

use answer::Answer;
use credentials::Keys;
pub(crate) use settings::Settings;

/// How long a signature is good for.
const SIGNED: Duration = Duration::from_mins(5);
/// How long it may take until the store is connected.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the store may be silent within an answer.
const SILENCE: Duration = Duration::from_secs(20);
/// How long one answer may take in all.
const REQUEST: Duration = Duration::from_mins(2);

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The object is not there any more, or is another one now.
    Gone,
    /// In words, with what is to be done about it.
    Refused(String),
}

/// An object as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) key: String,
    /// What tells its contents from others.
    pub(crate) etag: String,
    pub(crate) size: u64,
    /// By the store's clock.
    pub(crate) modified: Timestamp,
}

/// What a bucket holds.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) objects: Vec<Object>,
    /// The store's clock, where it tells it.
    pub(crate) now: Option<Timestamp>,
}

/// A bucket.
pub(crate) struct Store {
    bucket: Bucket,
    prefix: String,
    http: Client,
    keys: Keys,
}

impl Store {
    /// Makes what is needed to ask; nothing is asked yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let style = match settings.endpoint {
            // A certificate of the store is good for one name before its own, not for two.
            None if !settings.name.contains('.') => UrlStyle::VirtualHost,
            _ => UrlStyle::Path,
        };
        let endpoint = settings.address();
        let bucket = Url::parse(&endpoint)
            .map_err(|error| error.to_string())
            .and_then(|url| {
                Bucket::new(
                    url,
                    style,
                    settings.name.clone(),
                    settings.region().to_owned(),
                )
                .map_err(|error| error.to_string())
            })
            .map_err(|error| format!("{endpoint} is no address of a store: {error}"))?;
        let client = || {
            Client::builder()
                // Another crate of the same build may bring a second TLS.
                .tls_backend_native()
                .tls_version_min(Version::TLS_1_2)
                .no_proxy()
                .redirect(redirect::Policy::none())
                .connect_timeout(CONNECT)
                .read_timeout(SILENCE)
                .timeout(REQUEST)
        };
        let unmade = |error| format!("no client for the store can be made: {error}");
        let http = if endpoint.starts_with("https:") {
            client()
        } else {
            // Nobody shows a certificate there.
            client().tls_certs_only([])
        };
        Ok(Self {
            bucket,
            prefix: settings.prefix.clone(),
            http: http.build().map_err(unmade)?,
            keys: Keys::new(
                settings.credentials_file.as_deref(),
                settings.metadata.as_deref(),
            ),
        })
    }

    /// Returns everything that is in the bucket below the prefix, however many pages that is.
    pub(crate) async fn list(&mut self) -> Result<Listing, Trouble> {
        let (mut objects, mut next) = (Vec::new(), None::<String>);
        loop {
            let credentials = self.keys.get(&self.http).await.map_err(Trouble::Refused)?;
            let mut action = self.bucket.list_objects_v2(Some(&credentials));
            action.with_prefix(self.prefix.as_str());
            if let Some(token) = next.take() {
                action.with_continuation_token(token);
            }
            let url = action.sign(SIGNED);
            let response = self.ask(Method::GET, url, HeaderMap::new()).await?;
            let now = date(response.headers());
            let text = response.text().await.map_err(|error| self.away(error))?;
            let page: ListObjectsV2Response =
                ListObjectsV2::parse_response(&text).map_err(|error| {
                    Trouble::Refused(format!("its list of objects cannot be read: {error}"))
                })?;
            for listed in page.contents {
                let (Some(etag), Some(size), Some(modified)) =
                    (listed.etag, listed.size, listed.last_modified)
                else {
                    let reason = format!("it lists {} without etag, size or time", listed.key);
                    return Err(Trouble::Refused(reason));
                };
                let modified = modified.parse().map_err(|error| {
                    Trouble::Refused(format!("it lists {} of {modified}: {error}", listed.key))
                })?;
                objects.push(Object {
                    key: listed.key,
                    etag,
                    size,
                    modified,
                });
            }
            next = page.next_continuation_token;
            if next.is_none() {
                return Ok(Listing { objects, now });
            }
        }
    }

    /// Returns these bytes of an object, as long as it is the one that was listed.
    pub(crate) async fn read(
        &mut self,
        object: &Object,
        bytes: Range<u64>,
    ) -> Result<Vec<u8>, Trouble> {
        let credentials = self.keys.get(&self.http).await.map_err(Trouble::Refused)?;
        let url = self
            .bucket
            .get_object(Some(&credentials), &object.key)
            .sign(SIGNED);
        let mut headers = HeaderMap::new();
        let unfit = |_| Trouble::Refused(format!("{} has an etag that is none", object.key));
        headers.insert(IF_MATCH, object.etag.parse().map_err(unfit)?);
        let range = format!("bytes={}-{}", bytes.start, bytes.end - 1);
        headers.insert(RANGE, range.parse().map_err(unfit)?);
        let response = self.ask(Method::GET, url, headers).await?;
        let is_all = bytes == (0..object.size);
        if response.status() != StatusCode::PARTIAL_CONTENT && !is_all {
            return Err(Trouble::Refused(
                "it gives no parts of objects (Range), which large ones need".to_owned(),
            ));
        }
        let read = response.bytes().await.map_err(|error| self.away(error))?;
        if read.len() as u64 != bytes.end - bytes.start {
            return Err(Trouble::Refused(format!(
                "it gave {} bytes of {} and not {}",
                read.len(),
                object.key,
                bytes.end - bytes.start
            )));
        }
        Ok(read.into())
    }

    /// Sends a request, and makes words of whatever is no success.
    async fn ask(
        &mut self,
        method: Method,
        url: Url,
        headers: HeaderMap,
    ) -> Result<Response, Trouble> {
        let request = self.http.request(method, url).headers(headers);
        let response = request.send().await.map_err(|error| self.away(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        if status == StatusCode::FORBIDDEN {
            self.keys.forget();
        }
        let body = response.text().await.unwrap_or_default();
        Err(Answer::new(status, &headers, &body, date(&headers)).trouble(&self.bucket))
    }

    /// Says that there was no answer, or no end of it.
    fn away(&self, error: reqwest::Error) -> Trouble {
        let url = self.bucket.base_url();
        let host = url.host_str().unwrap_or_default();
        let place = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        // The address would show the signature.
        let reason = crate::error::chain(&error.without_url());
        Trouble::Refused(format!("{place} does not answer as it should: {reason}"))
    }
}

/// The clock of whoever answers.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    Some(rfc2822::parse(text).ok()?.timestamp())
}
