//! Buckets that clients will read: whether each is there, where the inventory says, and open to the keys that it names. Looked at
//! before anything is made. A store that is not AWS's is left to its node where that costs nothing: this box may have no way to it.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, StatusCode, Url, redirect};
use rusty_s3::actions::S3Action as _;
use rusty_s3::{Bucket as Address, Credentials, UrlStyle};

use crate::causes::chain;
use crate::component::pipeline::{Bucket, buckets};
use crate::error::CommandError;
use crate::prepare::prepared::Prepared;
use crate::report::{Event, Reporter};
use crate::xml::element;

/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a signature is good for.
const SIGNED: Duration = Duration::from_mins(5);

/// Refuses what no client could read, with its line. What could not be looked at is said.
pub(super) async fn look(prepared: &Prepared, reporter: &dyn Reporter) -> Result<(), CommandError> {
    for (node, bucket) in buckets(&prepared.topology) {
        if bucket.endpoint.is_some() && node.cloud.seller().is_none() {
            continue;
        }
        let keys = prepared.bucket_keys(&node.name);
        match ask(bucket, keys).await {
            Ok(None) => {}
            Ok(Some((key, message))) => {
                let key = format!("{}.{key}", bucket.key);
                let problem = prepared.source.inventory.problem(key, message, None);
                return Err(CommandError::usage(problem.to_string()));
            }
            Err(reason) => reporter.event(&Event::Note(format!(
                "{}: whether the bucket {} can be read is not known: {reason}",
                node.name, bucket.name
            ))),
        }
    }
    Ok(())
}

/// Asks for one object of the list. Returns what is wrong, by the bucket's key that says it; an error is what is not known.
async fn ask(bucket: &Bucket, keys: Option<&str>) -> Result<Option<Wrong>, String> {
    let style = match bucket.endpoint {
        None if !bucket.name.contains('.') => UrlStyle::VirtualHost,
        _ => UrlStyle::Path,
    };
    let aws = || format!("https://s3.{}.amazonaws.com", bucket.region);
    let endpoint = bucket.endpoint.clone().unwrap_or_else(aws);
    let endpoint = Url::parse(&endpoint).map_err(|error| error.to_string())?;
    let address = Address::new(endpoint, style, bucket.name.clone(), bucket.region.clone());
    let address = address.map_err(|error| error.to_string())?;
    let credentials = keys.map(credentials);
    let mut list = address.list_objects_v2(credentials.as_ref());
    list.with_max_keys(1);
    list.with_prefix(bucket.prefix.as_str());
    let client = Client::builder()
        .timeout(PATIENCE)
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())?;
    let answer = client.get(list.sign(SIGNED)).send().await;
    // The address would show the signature.
    let answer = answer.map_err(|error| chain(&error.without_url()))?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await;
    let text = text.map_err(|error| chain(&error.without_url()))?;
    what_is_wrong(bucket, keys.is_some(), status, &headers, &text)
}

/// A key of the bucket's section, and what is wrong with it.
type Wrong = (&'static str, String);

fn what_is_wrong(
    bucket: &Bucket,
    has_keys: bool,
    status: StatusCode,
    headers: &HeaderMap,
    text: &str,
) -> Result<Option<Wrong>, String> {
    let (name, region) = (&bucket.name, &bucket.region);
    let right = headers.get("x-amz-bucket-region");
    let right = right.and_then(|right| right.to_str().ok());
    let right = right.or_else(|| element(text, "Region"));
    if let Some(right) = right.filter(|right| right != region) {
        let message = format!("the bucket {name} is in {right}; write `region: {right}`");
        return Ok(Some(("region", message)));
    }
    let code = element(text, "Code").unwrap_or_default();
    let wrong = match code {
        _ if status.is_success() => None,
        "NoSuchBucket" => Some((
            "name",
            format!("there is no bucket {name}: look at `aws s3 ls`"),
        )),
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken" => Some((
            "credentials_file",
            format!(
                "the store does not take these keys ({code}): put a pair there that is in force"
            ),
        )),
        "RequestTimeTooSkewed" => return Err("this box's clock is wrong".to_owned()),
        // Whom a role lets in, only its machine can tell.
        _ if status == StatusCode::FORBIDDEN && !has_keys => None,
        _ if status == StatusCode::FORBIDDEN => Some((
            "name",
            format!(
                "the store does not let these keys in: either the bucket {name} is somebody else's, or they lack s3:ListBucket on it \
                 (`deployer guide bucket` has the policy)"
            ),
        )),
        _ => return Err(format!("{} {code}", status.as_u16()).trim_end().to_owned()),
    };
    Ok(wrong)
}

/// The keys of a file that was found good.
fn credentials(text: &str) -> Credentials {
    let of = |key: &str| {
        let mut said = text.lines().filter_map(|line| line.split_once('='));
        let (_, value) = said.find(|(name, _)| name.trim() == key)?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let id = of("aws_access_key_id").unwrap_or_default();
    let secret = of("aws_secret_access_key").unwrap_or_default();
    match of("aws_session_token") {
        Some(token) => Credentials::new_with_token(id, secret, token),
        None => Credentials::new(id, secret),
    }
}
