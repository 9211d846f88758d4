//! Failures of calls: the service's words kept, what to do added.

use reqwest::StatusCode;
use serde_json::Value;

use super::advice::{ADDRESS, advice};
use crate::cloud::CloudError;

/// The code of a call that got no answer: nobody knows whether it was done.
pub const NO_ANSWER: &str = "no answer";

/// A call that got no answer.
pub fn unreached(call: &str, error: &reqwest::Error) -> CloudError {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message = error.to_string();
        cause = error.source();
    }
    // Nothing was asked yet, and asking again helps nobody.
    if message.contains("certificate") {
        return CloudError::Api {
            call: call.into(),
            code: "not trusted".into(),
            message: format!(
                "{message}; if the site's certificate is not one that this box knows, name its file as `cacert` in clouds.yaml or as \
                 OS_CACERT"
            ),
        };
    }
    CloudError::Api {
        call: call.into(),
        code: NO_ANSWER.into(),
        message: format!("{message}; is the site up? Its state is on Chameleon's page of outages"),
    }
}

/// A call that was refused or failed. The code is the HTTP status.
pub fn refused(call: &str, status: StatusCode, body: &str) -> CloudError {
    let message = words(body).unwrap_or_else(|| {
        status
            .canonical_reason()
            .unwrap_or("no reason given")
            .to_owned()
    });
    let service = if call.contains("/floatingips") {
        ADDRESS
    } else {
        call.split(' ').next().unwrap_or_default()
    };
    let message = match advice(service, status.as_u16(), &message) {
        Some(advice) => format!("{message}; {advice}"),
        None => message,
    };
    CloudError::Api {
        call: call.into(),
        code: status.as_u16().to_string(),
        message,
    }
}

/// The message in an answer: each service wraps it differently.
fn words(body: &str) -> Option<String> {
    let value: Value = serde_json::from_str(body).ok()?;
    let direct = value.get("error_message").and_then(Value::as_str);
    let wrapped = || {
        let inner = value.as_object()?.values().next()?;
        inner.get("message").and_then(Value::as_str)
    };
    let text = direct.or_else(wrapped)?;
    let text = text.split(" (HTTP ").next().unwrap_or(text);
    Some(text.trim().trim_end_matches('.').to_owned())
}

/// The code of a failed call.
pub fn code(error: &CloudError) -> &str {
    match error {
        CloudError::Api { code, .. } => code,
        _ => "",
    }
}

/// The words of a failed call.
pub fn says(error: &CloudError, words: &str) -> bool {
    matches!(error, CloudError::Api { message, .. } if message.contains(words))
}

/// Whether nobody knows if the call was done.
pub fn unanswered(error: &CloudError) -> bool {
    matches!(code(error), NO_ANSWER | "502" | "503" | "504")
        || code(error) == "500" && !refusal_as_500(error)
}

/// Blazar answers 500 where it says no.
fn refusal_as_500(error: &CloudError) -> bool {
    ["Not enough", "is not supported", "Invalid lease status"]
        .iter()
        .any(|words| says(error, words))
}

/// Whether the thing is not there.
pub fn not_found(error: &CloudError) -> bool {
    code(error) == "404"
}

/// Whether something still uses the thing.
pub fn held(error: &CloudError) -> bool {
    code(error) == "409" || says(error, "Invalid lease status")
}
