//! What to do about what AWS says: the codes of EC2's "Error codes for the Amazon EC2 API", and why machines die (`StateReason` in
//! its API), as far as a user can do something about them. Pure.

use super::{permissions, tags};

/// What to do about a failed call.
pub(super) fn advice(code: &str, call: &str, message: &str) -> Option<String> {
    if is_denied(code) {
        return Some(not_allowed(call, message));
    }
    Some(match code {
        "AuthFailure" | "InvalidClientTokenId" | "SignatureDoesNotMatch" | "UnrecognizedClientException"
        | "IncompleteSignature" | "MissingAuthenticationToken" => {
            "the credentials are not valid in this region: look at `aws sts get-caller-identity`, whether the account has enabled the \
             region (account settings, AWS Regions), and whether this box's clock is right"
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            "the credentials have expired: log in again (`aws login` or `aws sso login`), and see that this box's clock is right"
        }
        "OptInRequired" => "the account is not yet signed up for EC2 in this region",
        "PendingVerification" => {
            "AWS is still looking at the new account, which takes minutes, seldom hours: `up` again later; ask AWS's support after a day"
        }
        "Blocked" => "AWS has blocked the account: its support says why",
        "InvalidParameterCombination" if message.contains("Free Tier") => {
            "the account is on AWS's Free plan, which has t3.micro, t3.small, t4g.micro, t4g.small, c7i-flex.large and m7i-flex.large \
             only: set one of them as `instance_type`, or upgrade the plan (Billing, Free Tier)"
        }
        "VcpuLimitExceeded" | "InstanceLimitExceeded" => QUOTA,
        "VpcLimitExceeded" => "delete a VPC, or name one of yours with `vpc`",
        "InternetGatewayLimitExceeded" => "delete an internet gateway, or name a VPC of yours with `vpc`",
        "AddressLimitExceeded" | "InsufficientAddressCapacity" => {
            "set `public_ip: false` with a `bastion`, or ask for more addresses in Service Quotas"
        }
        "SubnetLimitExceeded" | "RouteTableLimitExceeded" | "SecurityGroupLimitExceeded" | "NetworkInterfaceLimitExceeded"
        | "RulesPerSecurityGroupLimitExceeded" | "SecurityGroupsPerInterfaceLimitExceeded" | "ResourceLimitExceeded"
        | "ResourceCountExceeded" => "delete what is not needed any more, or ask for more in Service Quotas",
        "VolumeLimitExceeded" | "MaxIOPSLimitExceeded" => {
            "take a smaller `disk_gib`, or ask for more gp3 storage in Service Quotas"
        }
        "VolumeTypeNotAvailableInZone" | "EncryptedVolumesNotSupported" => "choose other `zones` or another `instance_type`",
        "TagLimitExceeded" | "TagPolicyViolation" => "the account's rules for tags forbid it: change `tags`",
        "InsufficientFreeAddressesInSubnet" => "take a larger `subnet`, or another",
        "InvalidSubnet.Conflict" | "InvalidVpc.Range" | "InvalidSubnet.Range" => "choose another `cidr`",
        "InvalidAMIID.NotFound" | "InvalidAMIID.Unavailable" | "InvalidAMIID.Malformed" => "choose another `image`",
        "InvalidBlockDeviceMapping" => "the image needs a larger `disk_gib`",
        "Unsupported" | "UnsupportedOperation" | "InvalidInstanceType.NotFound" => {
            "choose another `instance_type`, or other `zones`"
        }
        "InvalidParameterValue" if message.contains("Invalid IAM Instance Profile") => {
            "look at `instance_profile`; EC2 knows one that was just made after some seconds"
        }
        "OperationNotPermitted" => {
            "somebody protects the machine from being ended or stopped: switch that off in EC2's console (Change termination protection)"
        }
        "RequestLimitExceeded" | "Throttling" => "too many calls are made with this account: try again in a minute",
        _ => return key(code).map(String::from),
    }
    .into())
}

/// What to do about a machine that died, by the code of the reason.
pub(super) fn death(reason: &str) -> Option<String> {
    let code = reason.split(':').next().unwrap_or_default().trim();
    match code {
        "Client.InvalidSnapshot.NotFound" => Some("choose another `image`".into()),
        // "Client error on launch": the disk could not be encrypted (EBS user guide, "Requirements for Amazon EBS encryption").
        "Client.InternalError" => Some(KEY.into()),
        code => advice(code.trim_start_matches("Client."), "", reason),
    }
}

/// What to do about a key that encrypts disks: EC2 passes on what KMS says.
fn key(code: &str) -> Option<&'static str> {
    let kms =
        code.starts_with("InvalidKMSKey") || code.starts_with("KMS") || code.starts_with("Kms");
    kms.then_some(KEY)
}

/// What to do where the quota does not suffice. Every type of t3 and t4g has two vCPUs at least: a smaller one does not help.
pub(super) const QUOTA: &str = "ask for a higher quota of \"Running On-Demand Standard instances\" in Service Quotas (new accounts have \
    little, and often get more within hours), end other machines, put the roles on fewer nodes, or set `instance_type: t2.small`, \
    which has one vCPU";

/// A customer's key for disks.
const KEY: &str = "if the account encrypts disks with a KMS key of its own (EC2 console, Data protection and security), the key must be \
    enabled, and its policy and these credentials' must allow kms:CreateGrant, kms:Decrypt, kms:DescribeKey, \
    kms:GenerateDataKeyWithoutPlaintext and kms:ReEncrypt*";

/// Whether a code says that the credentials may not do it.
pub(super) fn is_denied(code: &str) -> bool {
    matches!(
        code,
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException"
    )
}

/// The permission that is missing. AWS names it where it says anything: a call that tags what it makes needs `ec2:CreateTags`, too.
/// The least policy allows some calls for what carries our tag only.
fn not_allowed(call: &str, message: &str) -> String {
    let own = permissions::action(call);
    let named = message.split("not authorized to perform: ").nth(1);
    let named = named.and_then(|rest| rest.split_whitespace().next());
    let action = named.unwrap_or(&own);
    let words = format!("the policy of these credentials must allow `{action}`");
    if action != own {
        format!("{words} for what `{own}` makes")
    } else if permissions::CHANGE.contains(&action) {
        format!(
            "{words}, and what is changed must carry the tag `{}`",
            tags::ID
        )
    } else {
        words
    }
}
