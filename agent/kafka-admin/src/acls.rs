//! Access control lists: who may do what.

use std::ffi::CString;
use std::ptr;
use std::time::Duration;

use native::rd_kafka_AclOperation_t as NativeOperation;
use native::rd_kafka_AclPermissionType_t as NativePermission;
use native::rd_kafka_ResourcePatternType_t as NativePattern;
use native::rd_kafka_ResourceType_t as NativeResource;
use native::rd_kafka_admin_op_t as Call;
use rdkafka::ClientContext;
use rdkafka::admin::AdminClient;
use rdkafka::bindings as native;
use serde::{Deserialize, Serialize};

use crate::call::{
    Error, Owned, Words, ask, ask_for, c_string, failed, items, parts, refused, text,
};

/// A rule: who may or may not do one thing from where to what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acl {
    /// Who, as in `User:name`.
    pub principal: String,
    /// From which address; `*` is any.
    pub host: String,
    /// To which kind of thing.
    pub resource: Resource,
    /// To which of them.
    pub name: String,
    /// How that name is meant.
    pub pattern: Pattern,
    /// What.
    pub operation: Operation,
    /// Whether it may.
    pub permission: Permission,
}

/// A kind of thing that has rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// A topic.
    Topic,
    /// A consumer group.
    Group,
    /// The cluster as a whole.
    Cluster,
    /// The id of a producer with transactions.
    TransactionalId,
    /// One that librdkafka does not know.
    Unknown,
}

const RESOURCES: [(Resource, NativeResource); 4] = [
    (Resource::Topic, NativeResource::RD_KAFKA_RESOURCE_TOPIC),
    (Resource::Group, NativeResource::RD_KAFKA_RESOURCE_GROUP),
    // As librdkafka calls it; the number is the cluster's in Kafka's protocol.
    (Resource::Cluster, NativeResource::RD_KAFKA_RESOURCE_BROKER),
    (
        Resource::TransactionalId,
        NativeResource::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID,
    ),
];

/// How a name is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// As it is; `*` is any.
    Literal,
    /// As how names begin.
    Prefixed,
    /// In a way that librdkafka does not know.
    Unknown,
}

const PATTERNS: [(Pattern, NativePattern); 2] = [
    (
        Pattern::Literal,
        NativePattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL,
    ),
    (
        Pattern::Prefixed,
        NativePattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED,
    ),
];

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Everything.
    All,
    /// Read a topic; be in a group.
    Read,
    /// Write to a topic.
    Write,
    /// Make it.
    Create,
    /// Delete it.
    Delete,
    /// Change it.
    Alter,
    /// See that it is there.
    Describe,
    /// What brokers do among themselves.
    ClusterAction,
    /// See its settings.
    DescribeConfigs,
    /// Change its settings.
    AlterConfigs,
    /// Write so that a record is there once.
    IdempotentWrite,
    /// What librdkafka does not know.
    Unknown,
}

const OPERATIONS: [(Operation, NativeOperation); 11] = [
    (Operation::All, NativeOperation::RD_KAFKA_ACL_OPERATION_ALL),
    (
        Operation::Read,
        NativeOperation::RD_KAFKA_ACL_OPERATION_READ,
    ),
    (
        Operation::Write,
        NativeOperation::RD_KAFKA_ACL_OPERATION_WRITE,
    ),
    (
        Operation::Create,
        NativeOperation::RD_KAFKA_ACL_OPERATION_CREATE,
    ),
    (
        Operation::Delete,
        NativeOperation::RD_KAFKA_ACL_OPERATION_DELETE,
    ),
    (
        Operation::Alter,
        NativeOperation::RD_KAFKA_ACL_OPERATION_ALTER,
    ),
    (
        Operation::Describe,
        NativeOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE,
    ),
    (
        Operation::ClusterAction,
        NativeOperation::RD_KAFKA_ACL_OPERATION_CLUSTER_ACTION,
    ),
    (
        Operation::DescribeConfigs,
        NativeOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS,
    ),
    (
        Operation::AlterConfigs,
        NativeOperation::RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS,
    ),
    (
        Operation::IdempotentWrite,
        NativeOperation::RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE,
    ),
];

/// Whether somebody may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Yes.
    Allow,
    /// No, whatever else allows it.
    Deny,
    /// In a way that librdkafka does not know.
    Unknown,
}

const PERMISSIONS: [(Permission, NativePermission); 2] = [
    (
        Permission::Allow,
        NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
    ),
    (
        Permission::Deny,
        NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_DENY,
    ),
];

fn own<O: Copy, N: Copy + PartialEq>(table: &[(O, N)], native: N) -> Option<O> {
    let mut rows = table.iter();
    rows.find(|row| row.1 == native).map(|row| row.0)
}

fn to_native<O: Copy + PartialEq, N: Copy>(table: &[(O, N)], own: O) -> Option<N> {
    let mut rows = table.iter();
    rows.find(|row| row.0 == own).map(|row| row.1)
}

/// A rule, or a filter, as librdkafka has it.
type NativeAcl = native::rd_kafka_AclBinding_t;

/// Returns all rules of a cluster. Kafka tells nobody that he may not see them: he sees none.
///
/// # Errors
/// When no broker answers in time.
pub fn describe_acls<C: ClientContext>(
    client: &AdminClient<C>,
    timeout: Duration,
) -> Result<Vec<Acl>, Error> {
    let asked = "which rights there are";
    let mut words = Words::default();
    // SAFETY: names that are null are any, and the buffer is as long as is said.
    let any = unsafe {
        Owned::new(
            native::rd_kafka_AclBindingFilter_new(
                NativeResource::RD_KAFKA_RESOURCE_ANY,
                ptr::null(),
                NativePattern::RD_KAFKA_RESOURCE_PATTERN_ANY,
                ptr::null(),
                ptr::null(),
                NativeOperation::RD_KAFKA_ACL_OPERATION_ANY,
                NativePermission::RD_KAFKA_ACL_PERMISSION_TYPE_ANY,
                words.as_mut_ptr(),
                words.len(),
            ),
            native::rd_kafka_AclBinding_destroy,
        )
    };
    let any = any.ok_or_else(|| Error::argument(asked, words.read()))?;
    let operation = Call::RD_KAFKA_ADMIN_OP_DESCRIBEACLS;
    let answer = ask(client, asked, operation, timeout, |way| {
        // SAFETY: all four live during the call, and librdkafka copies the filter.
        unsafe {
            native::rd_kafka_DescribeAcls(way.client, any.as_ptr(), way.options, way.queue);
        }
    })?;
    refused(asked, &answer)?;
    // SAFETY: both are of this call, whose answer is no error.
    let acls = unsafe {
        parts(
            &answer,
            native::rd_kafka_event_DescribeAcls_result,
            native::rd_kafka_DescribeAcls_result_acls,
        )
    };
    // SAFETY: each lives as long as the answer.
    Ok(acls.into_iter().map(|acl| unsafe { read(acl) }).collect())
}

/// Makes rules; one that is there already stays as it is.
///
/// # Errors
/// When the controller does not answer in time, or refuses one.
pub fn create_acls<C: ClientContext>(
    client: &AdminClient<C>,
    acls: &[Acl],
    timeout: Duration,
) -> Result<(), Error> {
    if acls.is_empty() {
        return Ok(());
    }
    let asked = "to give rights";
    let made = acls.iter().map(|acl| Form::of(asked, acl)?.binding(asked));
    let made: Vec<Owned<NativeAcl>> = made.collect::<Result<_, _>>()?;
    let operation = Call::RD_KAFKA_ADMIN_OP_CREATEACLS;
    let function = native::rd_kafka_CreateAcls;
    // SAFETY: it copies what is in the array.
    let answer = unsafe { ask_for(client, asked, operation, timeout, &made, function) }?;
    // SAFETY: both are of this call, whose answer is no error.
    let results = unsafe {
        parts(
            &answer,
            native::rd_kafka_event_CreateAcls_result,
            native::rd_kafka_CreateAcls_result_acls,
        )
    };
    results.into_iter().try_for_each(|result| {
        // SAFETY: the result and its error live as long as the answer.
        unsafe { failed(asked, native::rd_kafka_acl_result_error(result)) }
    })
}

/// Takes rules away; one that is not there is no error.
///
/// # Errors
/// When the controller does not answer in time, or refuses one, or when librdkafka cannot name it.
pub fn delete_acls<C: ClientContext>(
    client: &AdminClient<C>,
    acls: &[Acl],
    timeout: Duration,
) -> Result<(), Error> {
    if acls.is_empty() {
        return Ok(());
    }
    let asked = "to take rights away";
    let made = acls.iter().map(|acl| Form::of(asked, acl)?.filter(asked));
    let made: Vec<Owned<NativeAcl>> = made.collect::<Result<_, _>>()?;
    let operation = Call::RD_KAFKA_ADMIN_OP_DELETEACLS;
    let function = native::rd_kafka_DeleteAcls;
    // SAFETY: it copies what is in the array.
    let answer = unsafe { ask_for(client, asked, operation, timeout, &made, function) }?;
    // SAFETY: both are of this call, whose answer is no error.
    let responses = unsafe {
        parts(
            &answer,
            native::rd_kafka_event_DeleteAcls_result,
            native::rd_kafka_DeleteAcls_result_responses,
        )
    };
    for response in responses {
        let matching = native::rd_kafka_DeleteAcls_result_response_matching_acls;
        // SAFETY: the response, its error and the rules it names live as long as the answer.
        unsafe {
            let error = native::rd_kafka_DeleteAcls_result_response_error(response);
            failed(asked, error)?;
            for acl in items(response, matching) {
                failed(asked, native::rd_kafka_AclBinding_error(acl))?;
            }
        }
    }
    Ok(())
}

/// A rule in the words of librdkafka.
struct Form {
    resource: NativeResource,
    name: CString,
    pattern: NativePattern,
    principal: CString,
    host: CString,
    operation: NativeOperation,
    permission: NativePermission,
}

impl Form {
    fn of(asked: &str, acl: &Acl) -> Result<Self, Error> {
        let unknown = || {
            let reason = format!("librdkafka has no word for {acl:?}; use kafka-acls for it");
            Error::argument(asked, reason)
        };
        Ok(Self {
            resource: to_native(&RESOURCES, acl.resource).ok_or_else(unknown)?,
            name: c_string(asked, &acl.name)?,
            pattern: to_native(&PATTERNS, acl.pattern).ok_or_else(unknown)?,
            principal: c_string(asked, &acl.principal)?,
            host: c_string(asked, &acl.host)?,
            operation: to_native(&OPERATIONS, acl.operation).ok_or_else(unknown)?,
            permission: to_native(&PERMISSIONS, acl.permission).ok_or_else(unknown)?,
        })
    }

    fn binding(&self, asked: &str) -> Result<Owned<NativeAcl>, Error> {
        let mut words = Words::default();
        // SAFETY: the texts live during the call, which copies them, and the buffer is as long as is said.
        let made = unsafe {
            Owned::new(
                native::rd_kafka_AclBinding_new(
                    self.resource,
                    self.name.as_ptr(),
                    self.pattern,
                    self.principal.as_ptr(),
                    self.host.as_ptr(),
                    self.operation,
                    self.permission,
                    words.as_mut_ptr(),
                    words.len(),
                ),
                native::rd_kafka_AclBinding_destroy,
            )
        };
        made.ok_or_else(|| Error::argument(asked, words.read()))
    }

    fn filter(&self, asked: &str) -> Result<Owned<NativeAcl>, Error> {
        let mut words = Words::default();
        // SAFETY: as with a rule; a filter is freed as a rule is.
        let made = unsafe {
            Owned::new(
                native::rd_kafka_AclBindingFilter_new(
                    self.resource,
                    self.name.as_ptr(),
                    self.pattern,
                    self.principal.as_ptr(),
                    self.host.as_ptr(),
                    self.operation,
                    self.permission,
                    words.as_mut_ptr(),
                    words.len(),
                ),
                native::rd_kafka_AclBinding_destroy,
            )
        };
        made.ok_or_else(|| Error::argument(asked, words.read()))
    }
}

/// Copies a rule.
///
/// # Safety
/// The rule lives.
unsafe fn read(acl: *const NativeAcl) -> Acl {
    // SAFETY: by the promise of the caller; librdkafka has made any number that it does not know into its own `UNKNOWN`.
    unsafe {
        Acl {
            principal: text(native::rd_kafka_AclBinding_principal(acl)),
            host: text(native::rd_kafka_AclBinding_host(acl)),
            resource: own(&RESOURCES, native::rd_kafka_AclBinding_restype(acl))
                .unwrap_or(Resource::Unknown),
            name: text(native::rd_kafka_AclBinding_name(acl)),
            pattern: own(
                &PATTERNS,
                native::rd_kafka_AclBinding_resource_pattern_type(acl),
            )
            .unwrap_or(Pattern::Unknown),
            operation: own(&OPERATIONS, native::rd_kafka_AclBinding_operation(acl))
                .unwrap_or(Operation::Unknown),
            permission: own(
                &PERMISSIONS,
                native::rd_kafka_AclBinding_permission_type(acl),
            )
            .unwrap_or(Permission::Unknown),
        }
    }
}
