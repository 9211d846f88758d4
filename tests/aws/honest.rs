//! What the real EC2 does and moto does not, in front of every test. The whole list, with where it is documented:
//!
//! | what | where it is imitated | from |
//! |---|---|---|
//! | a call that the least policy (`deployer guide aws`, statement `ChangeOnlyOurs`) binds to our tag is refused with 403 `UnauthorizedOperation`, never with `…NotFound`, for a thing that is gone: it has no tags, and authorization comes before AWS looks for it | here | karpenter-provider-aws #1796, #2100, #2253; EC2's guide: tags go soon after an instance is terminated |
//! | the same call is refused so for the first two times on a thing that was just made: its tags are not yet seen by authorization | here, `News` | terraform-provider-aws #6055 |
//! | a Local Zone of the account's comes first among the zones that offer a type | here | karpenter #5239, #6183 |
//! | what machines use cannot be deleted: `DependencyViolation` | here | EC2's guide, "Error codes" |
//! | `GuardDuty` puts an endpoint and a group of its own into every new VPC, which hold it | `guests.rs` | terraform-provider-aws #46747, PR #46953 |
//! | the account is on the Free plan, which runs few types | `limits.rs` | eks-workshop-v2 #1644; the Free Tier guide |
//! | 32 vCPUs may run, or as many as the test says: 1, 5 | `limits.rs` | openshift/installer #2736; Service Quotas, L-1216C47A |
//! | there is a price list | `limits.rs` | the price list API's guide |
//! | a repeated token is the same machine, and with other settings a mismatch | `proxy.rs` | EC2's guide, "Ensuring idempotency" |
//! | a machine says how many processors it has | `limits.rs` | EC2's API, `CpuOptions` |
//! | no room is said with status 500 | `proxy.rs`, `refuse` | hammertime #29 |
//! | the VPC that an account has from the beginning leads out, but for the subnet of its first zone | `census.rs`, `open_vpc` | the VPC guide, "public subnet = route to an internet gateway" |
//!
//! Only where a test asks for it, because it ends every `up`: a KMS key that may not be used (`room.rs`; EBS's guide, "Requirements for
//! Amazon EBS encryption"), a box behind a proxy (`behind.rs`), a permission less (`policy.rs`).
//!
//! Who acts by hand has other rights: tests do that at moto itself.

use std::collections::HashMap;

use deployer::cloud::aws::permissions;

use super::proxy::{Call, Upstream};

/// How often tags of a new thing are not seen.
const BLIND: u32 = 2;
/// A refusal.
pub(crate) type Refusal = (u16, &'static str);
const DENIED: Refusal = (403, "UnauthorizedOperation");

/// New things, and how often their tags will not be seen yet.
#[derive(Default)]
pub(crate) struct News(HashMap<String, u32>);

impl News {
    /// Refuses a call on what was just made.
    pub(crate) fn refuses(&mut self, call: &Call) -> bool {
        let mut refused = false;
        for id in things(call) {
            if let Some(times) = self.0.get_mut(id).filter(|times| **times > 0) {
                *times -= 1;
                refused = true;
            }
        }
        refused
    }

    /// Notes what a call made.
    pub(crate) fn learn(&mut self, call: &Call, answer: &[u8]) {
        let element = match call.action.as_str() {
            "CreateVpc" => "vpcId",
            "CreateSubnet" => "subnetId",
            "CreateInternetGateway" => "internetGatewayId",
            "CreateRouteTable" => "routeTableId",
            "CreateSecurityGroup" => "groupId",
            "ImportKeyPair" => "keyName",
            "RunInstances" => "instanceId",
            _ => return,
        };
        let text = String::from_utf8_lossy(answer);
        let made = text.split(&format!("<{element}>")).nth(1);
        if let Some(id) = made.and_then(|rest| rest.split('<').next()) {
            self.0.entry(id.to_owned()).or_insert(BLIND);
        }
    }
}

/// The things whose tags decide whether a call is allowed.
fn things(call: &Call) -> Vec<&str> {
    if !permissions::CHANGE.contains(&format!("ec2:{}", call.action).as_str()) {
        return Vec::new();
    }
    let names = |key: &str| {
        let plain = [
            "GroupId",
            "InternetGatewayId",
            "KeyName",
            "NetworkInterfaceId",
            "RouteTableId",
            "SubnetId",
            "VolumeId",
            "VpcId",
        ];
        plain.contains(&key) || key.starts_with("InstanceId.") || key.starts_with("ResourceId.")
    };
    let parameters = call.parameters.iter();
    let parameters = parameters.filter(|(key, _)| names(key));
    parameters.map(|(_, value)| value.as_str()).collect()
}

/// Refuses what EC2 refuses and moto does.
pub(crate) async fn refusal(call: &Call, upstream: &Upstream<'_>) -> Option<Refusal> {
    match call.action.as_str() {
        "DeleteKeyPair" => gone(call, upstream, "DescribeKeyPairs", "key-name", "<keyName>").await,
        "TerminateInstances" | "StartInstances" => {
            gone(
                call,
                upstream,
                "DescribeInstances",
                "instance-id",
                "<instanceId>",
            )
            .await
        }
        _ => in_use(call, upstream).await,
    }
}

/// Turns moto's answer about what is gone into EC2's.
pub(crate) fn answered(call: &Call, answer: &[u8]) -> Option<Refusal> {
    let text = String::from_utf8_lossy(answer);
    let code = text.split("<Code>").nth(1)?.split('<').next()?;
    let gone = code.ends_with(".NotFound") && code != "InvalidPermission.NotFound";
    let judged = permissions::CHANGE.contains(&format!("ec2:{}", call.action).as_str());
    (gone && judged).then_some(DENIED)
}

/// Adds a Local Zone to the zones that offer a type.
pub(crate) fn with_local_zone(call: &Call, answer: Vec<u8>) -> Vec<u8> {
    if call.action != "DescribeInstanceTypeOfferings" {
        return answer;
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let Some((start, end)) = text.find("<item>").zip(text.find("</item>")) else {
        return answer;
    };
    let item = &text[start..end + "</item>".len()];
    let zone = item.split("<location>").nth(1);
    let zone = zone
        .and_then(|rest| rest.split('<').next())
        .expect("a zone");
    let region = &zone[..zone.len() - 1];
    let local = item.replace(zone, &format!("{region}{LOCAL}"));
    text.replacen(item, &format!("{local}{item}"), 1)
        .into_bytes()
}

/// What a Local Zone's name has after the region's.
pub(crate) const LOCAL: &str = "-atl-1a";

/// EC2's own words with a code.
pub(crate) fn words(action: &str, code: &str) -> String {
    match code {
        // eks-workshop-v2 #1644.
        "InvalidParameterCombination" => {
            "The specified instance type is not eligible for Free Tier. For a list of Free Tier instance types, run 'describe-instance-types' with the filter 'free-tier-eligible=true'.".into()
        }
        // IAM's guide, "Troubleshoot access denied error messages"; EC2's has the encoded part.
        "UnauthorizedOperation" => format!(
            "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/me is not authorized to perform: \
             {action} on resource: arn:aws:ec2:::thing because no identity-based policy allows the {action} action. Encoded \
             authorization failure message: u4C9nD8"
        ),
        _ => "as the test wants it".into(),
    }
}

/// The states of a machine whose tags are there.
const STATES: &str = "&Filter.2.Name=instance-state-name&Filter.2.Value.1=pending&Filter.2.Value.2=running\
    &Filter.2.Value.3=stopping&Filter.2.Value.4=stopped&Filter.2.Value.5=shutting-down";

/// Whether one of the things is gone: moto then does nothing, and says that it was done.
async fn gone(
    call: &Call,
    upstream: &Upstream<'_>,
    describe: &str,
    filter: &str,
    element: &str,
) -> Option<Refusal> {
    let ids = things(call);
    let values = ids.iter().enumerate();
    let values: String = values
        .map(|(n, id)| format!("&Filter.1.Value.{}={id}", n + 1))
        .collect();
    let states = if filter == "instance-id" { STATES } else { "" };
    let question =
        format!("Action={describe}&Version=2016-11-15&Filter.1.Name={filter}{values}{states}");
    let (status, answer) = upstream.ask(question).await;
    let there = String::from_utf8_lossy(&answer).matches(element).count();
    (status == 200 && there < ids.len()).then_some(DENIED)
}

/// Whether machines use it.
async fn in_use(call: &Call, upstream: &Upstream<'_>) -> Option<Refusal> {
    let (key, name) = match call.action.as_str() {
        "DeleteSecurityGroup" => ("GroupId", "instance.group-id"),
        "DeleteSubnet" => ("SubnetId", "subnet-id"),
        "DetachInternetGateway" | "DeleteVpc" => ("VpcId", "vpc-id"),
        _ => return None,
    };
    let id = call.parameters.get(key)?;
    let question = format!(
        "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name={name}&Filter.1.Value.1={id}{STATES}"
    );
    let (_, answer) = upstream.ask(question).await;
    String::from_utf8_lossy(&answer)
        .contains("<instanceId>")
        .then_some((400, "DependencyViolation"))
}
