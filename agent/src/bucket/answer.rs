//! What a store says where it does not do what it is asked, in words that say what to do.

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use rusty_s3::Bucket;

use super::Trouble;

/// Where a store says in which region a bucket is.
const REGION: &str = "x-amz-bucket-region";

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    /// The store's name of the trouble.
    code: Option<String>,
    message: Option<String>,
    region: Option<String>,
    /// The store's clock.
    now: Option<Timestamp>,
}

impl Answer {
    pub(super) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        body: &str,
        now: Option<Timestamp>,
    ) -> Self {
        let of_header = headers.get(REGION).and_then(|region| region.to_str().ok());
        Self {
            status,
            code: element(body, "Code"),
            message: element(body, "Message"),
            region: of_header
                .map(str::to_owned)
                .or_else(|| element(body, "Region")),
            now,
        }
    }

    pub(super) fn trouble(&self, bucket: &Bucket) -> Trouble {
        let code = self.code.as_deref().unwrap_or_default();
        let is_gone = code == "NoSuchKey" || self.status == StatusCode::PRECONDITION_FAILED;
        if is_gone {
            return Trouble::Gone;
        }
        Trouble::Refused(format!(
            "{} ({})",
            self.words(code, bucket),
            self.said(code)
        ))
    }

    fn words(&self, code: &str, bucket: &Bucket) -> String {
        let (name, region) = (bucket.name(), bucket.region());
        if let Some(right) = self.region.as_deref()
            && right != region
        {
            return format!("it is in the region {right}, not in {region}: say `region: {right}`");
        }
        match code {
            "RequestTimeTooSkewed" => match self.now {
                Some(now) => format!(
                    "this machine's clock is {} s away from the store's: set it (chrony or systemd-timesyncd)",
                    Timestamp::now().duration_since(now).abs().as_secs()
                ),
                None => {
                    "this machine's clock is wrong: set it (chrony or systemd-timesyncd)".to_owned()
                }
            },
            "InvalidAccessKeyId" => {
                "the store does not know the access key: give one that is in force".to_owned()
            }
            "SignatureDoesNotMatch" => {
                "the secret key is not that of the access key: give both of one pair".to_owned()
            }
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                "the keys are not in force any more: give new ones".to_owned()
            }
            "NoSuchBucket" => {
                format!("there is no bucket {name} there: look at its name and the endpoint")
            }
            "InvalidObjectState" => {
                "an object is archived and cannot be read: restore it".to_owned()
            }
            _ => match self.status {
                StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => format!(
                    "it does not let these keys in: either {name} is somebody else's, or they lack s3:ListBucket on it or \
                     s3:GetObject on its objects"
                ),
                StatusCode::MOVED_PERMANENTLY | StatusCode::TEMPORARY_REDIRECT => {
                    format!("it is elsewhere than in {region}: look at `region` and `endpoint`")
                }
                StatusCode::NOT_FOUND => {
                    "nothing is there: look at the endpoint and the bucket's name".to_owned()
                }
                status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                    "the store cannot answer now".to_owned()
                }
                _ => "the store refuses".to_owned(),
            },
        }
    }

    /// What the store itself said.
    fn said(&self, code: &str) -> String {
        let status = self.status.as_u16();
        match &self.message {
            Some(message) if !code.is_empty() => format!("{status} {code}: {message}"),
            _ => format!("{status} {code}").trim_end().to_owned(),
        }
    }
}

/// The text of the first element with this name, as far as it is fit for a line.
fn element(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    let text: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use reqwest::Url;
    use rusty_s3::UrlStyle;

    use super::*;

    fn told(status: u16, code: &str, more: &str) -> String {
        let url = Url::parse("https://s3.example.org").expect("an address");
        let bucket = Bucket::new(url, UrlStyle::Path, "logs", "eu-west-1").expect("a bucket");
        let body =
            format!("<Error><Code>{code}</Code><Message>As it says.</Message>{more}</Error>");
        let status = StatusCode::from_u16(status).expect("a status");
        let now = Timestamp::now()
            .checked_sub(jiff::Span::new().hours(1))
            .ok();
        match Answer::new(status, &HeaderMap::new(), &body, now).trouble(&bucket) {
            Trouble::Gone => "gone".to_owned(),
            Trouble::Refused(words) => words,
        }
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let north = "<Region>eu-north-1</Region>";
        for (status, code, more, words) in [
            (301, "PermanentRedirect", north, "say `region: eu-north-1`"),
            (
                400,
                "AuthorizationHeaderMalformed",
                north,
                "say `region: eu-north-1`",
            ),
            (301, "PermanentRedirect", "", "elsewhere than in eu-west-1"),
            (403, "RequestTimeTooSkewed", "", "clock is 3600 s away"),
            (
                403,
                "InvalidAccessKeyId",
                "",
                "does not know the access key",
            ),
            (403, "SignatureDoesNotMatch", "", "secret key is not that"),
            (400, "ExpiredToken", "", "not in force any more"),
            (403, "AccessDenied", "", "somebody else's"),
            (404, "NoSuchBucket", "", "no bucket logs"),
            (503, "SlowDown", "", "cannot answer now"),
            (412, "PreconditionFailed", "", "gone"),
            (404, "NoSuchKey", "", "gone"),
        ] {
            let told = told(status, code, more);
            assert!(told.contains(words), "{status} {code}: {told}");
        }
        let told = told(403, "AccessDenied", "");
        assert!(told.ends_with("(403 AccessDenied: As it says.)"), "{told}");
    }
}
