//! What calls that make things have in common.

use aws_sdk_ec2::types::{ResourceType, TagSpecification};

use super::context::CloudContext;
use super::tags;
use crate::cloud::CloudError;

/// The tags of a thing that is made.
pub(super) fn tagged(context: &CloudContext<'_>, kind: ResourceType) -> TagSpecification {
    tags::specification(kind, &tags::of(context.wanted, context.settings(), None))
}

/// AWS made something, and does not say what.
pub(super) fn no_id(call: &str) -> CloudError {
    CloudError::Api {
        call: call.into(),
        code: "no id".into(),
        message: "AWS answered without an id".into(),
    }
}
