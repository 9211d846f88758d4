//! Failures of calls: the service's word kept, what to do added.

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use super::advice::{advice, is_denied};
use crate::cloud::CloudError;

/// The code of a call that got no answer: nobody knows whether it was done.
pub const NO_ANSWER: &str = "no answer";

/// Turns a failed call into a [`CloudError::Api`].
pub fn api<E>(call: &str, error: &SdkError<E, HttpResponse>) -> CloudError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let (code, message) = match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            match error.code() {
                Some(code) => (
                    code.to_owned(),
                    error.message().unwrap_or("no reason given").to_owned(),
                ),
                None if status >= 500 => (
                    NO_ANSWER.to_owned(),
                    format!("the service broke with HTTP status {status}"),
                ),
                None => ("unknown".to_owned(), format!("HTTP status {status}")),
            }
        }
        SdkError::ConstructionFailure(_) => ("request".to_owned(), chain(error)),
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            let words = format!(
                "the service does not answer: {}; is the region's name right, and is this box online?",
                root(error)
            );
            (NO_ANSWER.to_owned(), words)
        }
        _ => (NO_ANSWER.to_owned(), chain(error)),
    };
    let message = match advice(&code, call, &message) {
        Some(advice) => format!("{}; {advice}", brief(&message)),
        None => brief(&message),
    };
    CloudError::Api {
        call: call.into(),
        code,
        message,
    }
}

/// The error and its causes, without the parts that only a debugger reads.
fn chain<E: std::error::Error>(error: &E) -> String {
    let text = DisplayErrorContext(error).to_string();
    text.split(" (").next().unwrap_or(&text).to_owned()
}

/// The first cause of an error: what the box itself said.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Refusals carry an encoded text of a kilobyte that only AWS can read.
fn brief(message: &str) -> String {
    message
        .split("Encoded authorization failure message")
        .next()
        .unwrap_or(message)
        .trim()
        .trim_end_matches('.')
        .to_owned()
}

/// The code of a failed call.
pub fn code(error: &CloudError) -> &str {
    match error {
        CloudError::Api { code, .. } => code,
        _ => "",
    }
}

/// Whether nobody knows if the call was done.
pub fn unanswered(error: &CloudError) -> bool {
    matches!(
        code(error),
        NO_ANSWER | "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable"
    )
}

/// Whether the credentials may not do it. The least policy lets things be changed that carry our tag, so this is also AWS's
/// answer about a thing that is gone, and for some seconds about one that was just made: its tags are not seen.
pub fn denied(error: &CloudError) -> bool {
    is_denied(code(error))
}

/// Whether the thing is not there.
pub fn not_found(error: &CloudError) -> bool {
    let code = code(error);
    code.ends_with(".NotFound") || code.ends_with("NotFoundException") || code.ends_with(".Unknown")
}

/// Whether the zone has no room for another machine: a call's code (EC2's "Server error codes", `Insufficient…`), or the code of
/// the reason why a machine died (`StateReason` in EC2's API).
pub fn no_capacity(code: &str) -> bool {
    matches!(
        code,
        "InsufficientInstanceCapacity"
            | "InsufficientHostCapacity"
            | "InsufficientCapacity"
            | "InsufficientVolumeCapacity"
            | "InsufficientAddressCapacity"
            | "Server.InsufficientInstanceCapacity"
            | "Server.InternalError"
    )
}
