//! Waiting for AWS.

use std::future::Future;

use tokio::time::Instant;

use super::failure::{denied, not_found, unanswered};
use crate::cloud::CloudError;
use crate::cloud::wait::{self, Kinds};

pub use crate::cloud::wait::{Pace, until_done, until_settled, while_failing};

/// Makes a thing by a call that makes a second one when it is repeated.
pub async fn make_once<F, G>(
    pace: &Pace,
    make: impl Fn() -> F,
    find: impl Fn() -> G,
) -> Result<String, CloudError>
where
    F: Future<Output = Result<String, CloudError>>,
    G: Future<Output = Result<Option<String>, CloudError>>,
{
    let kinds = Kinds {
        not_found,
        unanswered,
    };
    wait::make_once(pace, kinds, make, find).await
}

/// How long a refusal may mean that a new thing's tags are not seen yet. Longer, and it is meant.
pub fn tags_settle(pace: &Pace) -> std::time::Duration {
    pace.settle / 2
}

/// Changes a thing of ours. One that was made a moment ago is not known everywhere, and neither are its tags, without which the
/// least policy allows nothing (terraform-provider-aws #6055: "Eventual consistency of resource tags breaks Terraform under
/// restrictive IAM conditions").
pub async fn change<T, F: Future<Output = Result<T, CloudError>>>(
    pace: &Pace,
    call: impl Fn() -> F,
) -> Result<T, CloudError> {
    let tags = Instant::now() + tags_settle(pace);
    let passes = |error: &CloudError| not_found(error) || denied(error) && Instant::now() < tags;
    while_failing(pace, pace.settle, passes, call).await
}
