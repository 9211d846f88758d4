//! The least that credentials must be allowed, as a policy for IAM.

use serde_json::{Value, json};

use super::tags;

/// Looking, and making things: AWS cannot bind these to things that do not exist yet.
pub const LOOK_AND_MAKE: [&str; 19] = [
    "ec2:CreateInternetGateway",
    "ec2:CreateRouteTable",
    "ec2:CreateSecurityGroup",
    "ec2:CreateSubnet",
    "ec2:CreateVpc",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeKeyPairs",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVolumes",
    "ec2:DescribeVpcs",
    "ec2:ImportKeyPair",
    "ec2:RunInstances",
];

/// Calls whose things are tagged while they are made.
pub const TAGGING: [&str; 7] = [
    "CreateInternetGateway",
    "CreateRouteTable",
    "CreateSecurityGroup",
    "CreateSubnet",
    "CreateVpc",
    "ImportKeyPair",
    "RunInstances",
];

/// Changing and deleting: only what carries our tag.
pub const CHANGE: [&str; 22] = [
    "ec2:AssociateRouteTable",
    "ec2:AttachInternetGateway",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateRoute",
    "ec2:CreateTags",
    "ec2:DeleteInternetGateway",
    "ec2:DeleteKeyPair",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteRouteTable",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteSubnet",
    "ec2:DeleteVolume",
    "ec2:DeleteVpc",
    "ec2:DetachInternetGateway",
    "ec2:DetachNetworkInterface",
    "ec2:DisassociateRouteTable",
    "ec2:ReplaceRoute",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:StartInstances",
    "ec2:TerminateInstances",
];

/// Advice before machines are made: without these, quota and prices are not known, and nothing else is different.
pub const ADVICE: [&str; 2] = ["pricing:GetProducts", "servicequotas:GetServiceQuota"];

/// Looking at instance profiles of the user's; needed only where an inventory names one.
const LOOK_AT_PROFILES: [&str; 2] = [
    "ec2:DescribeIamInstanceProfileAssociations",
    "iam:GetInstanceProfile",
];

/// Giving one to a machine that is there.
const GIVE_PROFILES: [&str; 2] = [
    "ec2:AssociateIamInstanceProfile",
    "ec2:ReplaceIamInstanceProfileAssociation",
];

/// Letting a machine act as the role of its profile.
const PASS: &str = "iam:PassRole";

/// The name IAM has for a call.
pub fn action(call: &str) -> String {
    match call {
        "GetInstanceProfile" => "iam:GetInstanceProfile".into(),
        "GetCallerIdentity" => "sts:GetCallerIdentity".into(),
        "GetProducts" => "pricing:GetProducts".into(),
        "GetServiceQuota" => "servicequotas:GetServiceQuota".into(),
        call => format!("ec2:{call}"),
    }
}

/// All actions that are needed.
pub fn actions() -> impl Iterator<Item = &'static str> {
    LOOK_AND_MAKE.into_iter().chain(CHANGE)
}

/// The actions that are needed besides where an inventory names an instance profile.
pub fn profile_actions() -> impl Iterator<Item = &'static str> {
    let looks = LOOK_AT_PROFILES.into_iter().chain(GIVE_PROFILES);
    looks.chain([PASS])
}

/// The policy that is needed besides where an inventory names an instance profile: it is given to machines of ours only, and its
/// role to EC2 only.
pub fn profile_policy() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "LookAtProfiles", "Effect": "Allow", "Action": LOOK_AT_PROFILES, "Resource": "*"},
            {
                "Sid": "GiveThemToOurs",
                "Effect": "Allow",
                "Action": GIVE_PROFILES,
                "Resource": "*",
                "Condition": {"Null": {(format!("aws:ResourceTag/{}", tags::ID)): "false"}}
            },
            {
                "Sid": "PassTheRole",
                "Effect": "Allow",
                "Action": PASS,
                "Resource": "arn:aws:iam::ACCOUNT:role/ROLE",
                "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
            }
        ]
    })
}

/// The policy. What is changed or deleted must carry our tag, and nothing that is there already can be given it: these
/// credentials cannot harm anything else.
pub fn policy() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "LookAndMake", "Effect": "Allow", "Action": LOOK_AND_MAKE, "Resource": "*"},
            {
                "Sid": "TagWhatIsMade",
                "Effect": "Allow",
                "Action": "ec2:CreateTags",
                "Resource": "*",
                "Condition": {"StringEquals": {"ec2:CreateAction": TAGGING}}
            },
            {
                "Sid": "ChangeOnlyOurs",
                "Effect": "Allow",
                "Action": CHANGE,
                "Resource": "*",
                "Condition": {"Null": {(format!("aws:ResourceTag/{}", tags::ID)): "false"}}
            },
            {"Sid": "AskForQuotaAndPrices", "Effect": "Allow", "Action": ADVICE, "Resource": "*"}
        ]
    })
}
