//! The connection to AWS: credentials and region by the SDK's own chain, TLS by ring.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::config::interceptors::InterceptorContext;
use aws_sdk_ec2::config::retry::{ClassifyRetry, RetryAction, RetryConfig};
use aws_sdk_ec2::config::{Credentials, ProvideCredentials as _, SharedHttpClient};
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::operation::run_instances::RunInstancesError;
use aws_sdk_ec2::operation::start_instances::StartInstancesError;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

use super::failure::no_capacity;
use super::settings::Settings;
use crate::cloud::CloudError;
use crate::secret::Secret;

/// An HTTP client. aws-lc is kept out of the build: ring does the same with less. It uses the proxy that the environment names
/// (`HTTPS_PROXY`, `NO_PROXY`), as the SDK's own client does and one that is built by hand does not.
pub fn http() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build()
    })
}

/// How long a call may take until it is repeated, and with all its repetitions. The SDK itself waits for ever for an answer.
const ATTEMPT: Duration = Duration::from_mins(1);
const CALL: Duration = Duration::from_secs(150);

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(CALL)
        .build()
}

/// Finds credentials and region where AWS's own tools find them: environment, profile, SSO, instance role.
pub async fn load(settings: &Settings) -> Result<SdkConfig, CloudError> {
    Ok(found(settings).await?.0)
}

async fn found(settings: &Settings) -> Result<(SdkConfig, Credentials), CloudError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http())
        .timeout_config(timeouts());
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(CloudError::Refused(
            "there is no AWS region: set `region` in the inventory's section for AWS, or AWS_REGION, or one in your AWS profile".into(),
        ));
    }
    let provider = config.credentials_provider();
    let found = match provider {
        Some(provider) => provider.provide_credentials().await.map_err(|error| {
            let text = aws_sdk_ec2::error::DisplayErrorContext(&error).to_string();
            text.split(" (").next().unwrap_or(&text).to_owned()
        }),
        None => Err("no provider".into()),
    };
    let credentials = found.map_err(|why| {
        CloudError::Refused(format!(
            "there are no AWS credentials ({why}): log in with `aws login`, `aws sso login` or `aws configure`, or set AWS_PROFILE"
        ))
    })?;
    Ok((config, credentials))
}

/// What must not be told to strangers: key, secret and token.
pub(super) async fn confidential(settings: &Settings) -> Result<Vec<Secret>, CloudError> {
    let (_, credentials) = Box::pin(found(settings)).await?;
    let token = credentials.session_token().into_iter();
    let all = token.chain([credentials.access_key_id(), credentials.secret_access_key()]);
    Ok(all.map(Secret::new).collect())
}

/// The client for calls that may be repeated, and the one for calls that make a second thing when they are.
pub fn clients(config: &SdkConfig, settings: &Settings) -> (Client, Client) {
    // Throttled calls are repeated with growing, random pauses by the SDK.
    let retry = RetryConfig::standard().with_max_attempts(6);
    let mut builder = aws_sdk_ec2::config::Builder::from(config)
        .retry_config(retry)
        .timeout_config(timeouts())
        .retry_classifier(NoRoomIsFinal);
    builder.set_endpoint_url(
        settings
            .endpoint_url
            .clone()
            .or_else(|| config.endpoint_url().map(Into::into)),
    );
    let once = builder.clone().retry_classifier(NoAnswerIsFinal);
    (
        Client::from_conf(builder.build()),
        Client::from_conf(once.build()),
    )
}

/// The client that says whose the credentials are.
pub fn identity(config: &SdkConfig, settings: &Settings) -> aws_sdk_sts::Client {
    let mut builder = aws_sdk_sts::config::Builder::from(config);
    builder.set_endpoint_url(
        settings
            .endpoint_url
            .clone()
            .or_else(|| config.endpoint_url().map(Into::into)),
    );
    aws_sdk_sts::Client::from_conf(builder.build())
}

/// The clients that say how much may run, and what it costs. They are not needed: one try each.
pub fn advisers(
    config: &SdkConfig,
    settings: &Settings,
) -> (aws_sdk_servicequotas::Client, aws_sdk_pricing::Client) {
    let endpoint = settings
        .endpoint_url
        .clone()
        .or_else(|| config.endpoint_url().map(Into::into));
    let mut quotas = aws_sdk_servicequotas::config::Builder::from(config);
    quotas.set_endpoint_url(endpoint.clone());
    let mut prices = aws_sdk_pricing::config::Builder::from(config)
        .region(Region::from_static(super::prices::HOME));
    prices.set_endpoint_url(endpoint);
    let once = RetryConfig::disabled();
    (
        aws_sdk_servicequotas::Client::from_conf(quotas.retry_config(once.clone()).build()),
        aws_sdk_pricing::Client::from_conf(prices.retry_config(once).build()),
    )
}

/// Forbids the SDK to repeat a call for which the zone has no room: EC2 says so with HTTP status 500, which the SDK takes for a
/// failure that passes (runs-on #29, hammertime #29). Another zone has room at once.
#[derive(Debug)]
struct NoRoomIsFinal;

impl ClassifyRetry for NoRoomIsFinal {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err);
        let error = error.and_then(|error| error.as_operation_error());
        let code = error.and_then(|error| {
            let launch = error.downcast_ref::<RunInstancesError>();
            let start = error.downcast_ref::<StartInstancesError>();
            launch
                .and_then(ProvideErrorMetadata::code)
                .or(start.and_then(ProvideErrorMetadata::code))
        });
        match code {
            Some(code) if no_capacity(code) => RetryAction::RetryForbidden,
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "no room is final"
    }
}

/// Forbids the SDK to repeat a call that may have been done already.
#[derive(Debug)]
struct NoAnswerIsFinal;

impl ClassifyRetry for NoAnswerIsFinal {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else {
            return RetryAction::NoActionIndicated;
        };
        // 503 is AWS's way to say "not now"; after 500 nobody knows.
        let broke = context
            .response()
            .map(HttpResponse::status)
            .is_some_and(|status| status.as_u16() == 500);
        if error.is_connector_error()
            || error.is_timeout_error()
            || error.is_response_error()
            || broke
        {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "no answer is final"
    }
}
