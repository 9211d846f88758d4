//! Waiting for AWS.

use std::future::Future;

use super::failure::{not_found, unanswered};
use crate::cloud::CloudError;
use crate::cloud::wait::{self, Kinds};

pub use crate::cloud::wait::{Pace, while_failing};

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
