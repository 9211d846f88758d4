//! Calls of services for which no SDK is built: they are few, and each SDK is a minute of every first build. The same credentials
//! and the same proxy as the SDKs' calls.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_ec2::config::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::{Client, Method, Url};

use super::advice::advice;
use super::failure::NO_ANSWER;
use super::settings::Settings;
use crate::causes::chain;
use crate::cloud::CloudError;
use crate::xml::element;

/// How long a service may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who signs calls.
pub(super) struct Signed {
    credentials: Option<SharedCredentialsProvider>,
    endpoint: Option<String>,
}

/// What is asked.
pub(super) struct Request<'a> {
    /// Its name, as the service has it.
    pub(super) call: &'a str,
    /// The service.
    pub(super) service: &'static str,
    /// The region it is signed for.
    pub(super) region: &'a str,
    /// Where the service is, unless the settings say otherwise.
    pub(super) home: String,
    /// What is asked, as a form has it.
    pub(super) form: &'a [(&'a str, &'a str)],
}

impl Signed {
    pub(super) fn new(config: &SdkConfig, settings: &Settings) -> Self {
        let endpoint = settings.endpoint_url.as_deref();
        Self {
            credentials: config.credentials_provider(),
            endpoint: endpoint.or(config.endpoint_url()).map(Into::into),
        }
    }

    /// Asks, and returns the text of the answer.
    pub(super) async fn ask(&self, request: &Request<'_>) -> Result<String, CloudError> {
        let call = request.call;
        let url = self.endpoint.as_ref().unwrap_or(&request.home);
        let broken = |message: String| failed(call, "request", message);
        let url = Url::parse(url).map_err(|error| broken(format!("{url}: {error}")))?;
        let form = request.form.iter().map(|(key, value)| {
            let value = percent_encoding::utf8_percent_encode(value, UNRESERVED);
            format!("{key}={value}")
        });
        let body = form.collect::<Vec<_>>().join("&");
        let headers = self.headers(request, &url, &body).await.map_err(broken)?;
        let client = Client::builder().timeout(PATIENCE).build();
        let client = client.map_err(|error| broken(error.to_string()))?;
        let mut sent = client.request(Method::POST, url).body(body);
        for (name, value) in headers {
            sent = sent.header(name, value);
        }
        let silent = |error: reqwest::Error| failed(call, NO_ANSWER, chain(&error.without_url()));
        let answer = sent.send().await.map_err(silent)?;
        let status = answer.status();
        let text = answer.text().await.map_err(silent)?;
        if status.is_success() {
            return Ok(text);
        }
        let code = element(&text, "Code").unwrap_or("unknown");
        let message = element(&text, "Message").map(str::to_owned);
        let message = message.unwrap_or_else(|| format!("HTTP status {}", status.as_u16()));
        Err(failed(call, code, message))
    }

    /// The headers that a request needs, its signature among them.
    async fn headers(
        &self,
        request: &Request<'_>,
        url: &Url,
        body: &str,
    ) -> Result<Vec<(String, String)>, String> {
        let provider = self
            .credentials
            .as_ref()
            .ok_or("there are no credentials")?;
        let credentials = provider.provide_credentials().await;
        let identity = credentials.map_err(|error| chain(&error))?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(request.region)
            .name(request.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let what = SignableRequest::new(
            Method::POST.as_str(),
            url.as_str(),
            [kind].into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        );
        let what = what.map_err(|error| error.to_string())?;
        let (signature, _) = sign(what, &parameters)
            .map_err(|error| error.to_string())?
            .into_parts();
        let own = [(kind.0.to_owned(), kind.1.to_owned())];
        let made = signature.headers();
        let made = made.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(own.into_iter().chain(made).collect())
    }
}

/// What a form has as it is.
const UNRESERVED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn failed(call: &str, code: &str, message: String) -> CloudError {
    let message = match advice(code, call, &message) {
        Some(advice) => format!("{message}; {advice}"),
        None => message,
    };
    CloudError::Api {
        call: call.into(),
        code: code.into(),
        message,
    }
}
