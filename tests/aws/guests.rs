//! What services of AWS put into a VPC by themselves. `GuardDuty`'s runtime monitoring gives each VPC an endpoint with a security group
//! of its own (terraform-provider-aws #46747, PR #46953; `GuardDuty`'s guide, "Runtime Monitoring": automated agent configuration): as
//! long as they are there neither subnet nor VPC can be deleted. AWS does not say when it takes them away; here it is after two
//! refusals, so that whoever waits gets done, unless they are to stay.

use std::collections::HashMap;

use super::honest::Refusal;
use super::proxy::{Call, Upstream};

/// How often a deletion is refused before they go.
const STAY: u32 = 2;
const HELD: Refusal = (400, "DependencyViolation");
/// What AWS says of such an interface.
pub(crate) const ENDPOINT: &str = "VPC Endpoint Interface vpce-0123456789abcdef0";

/// The name of the endpoint's group in a VPC.
pub(crate) fn group(vpc: &str) -> String {
    format!("GuardDutyManagedSecurityGroup-{vpc}")
}

/// How often their host was to be deleted.
#[derive(Default)]
pub(crate) struct Guests {
    refused: HashMap<String, u32>,
    /// They never go.
    pub stay: bool,
    /// They never come.
    pub absent: bool,
}

impl Guests {
    /// Whether they go now.
    pub(crate) fn go(&mut self, host: &str) -> bool {
        let times = self.refused.entry(host.to_owned()).or_default();
        *times += 1;
        !self.stay && *times > STAY
    }
}

/// Moves into a subnet that was just made in a VPC.
pub(crate) async fn arrive(call: &Call, answer: &[u8], upstream: &Upstream<'_>) {
    let (Some(vpc), Some(subnet)) = (
        call.parameters.get("VpcId"),
        first(answer, "subnetId").filter(|_| call.action == "CreateSubnet"),
    ) else {
        return;
    };
    let name = group(vpc);
    let words = "GroupDescription=Associated+with+VPC+endpoint";
    // A second subnet's endpoint has the first one's group.
    ask(
        upstream,
        &format!("CreateSecurityGroup&VpcId={vpc}&GroupName={name}&{words}"),
    )
    .await;
    let words = ENDPOINT.replace(' ', "+");
    let made = ask(
        upstream,
        &format!("CreateNetworkInterface&SubnetId={subnet}&Description={words}"),
    )
    .await;
    assert!(first(&made, "networkInterfaceId").is_some(), "{call:?}");
}

/// The guests of what is to be deleted: the calls that take them away.
pub(crate) async fn of(call: &Call, upstream: &Upstream<'_>) -> Vec<String> {
    let (filter, id) = match call.action.as_str() {
        "DeleteSubnet" => ("subnet-id", call.parameters.get("SubnetId")),
        "DeleteVpc" => ("vpc-id", call.parameters.get("VpcId")),
        _ => return Vec::new(),
    };
    let Some(id) = id else { return Vec::new() };
    let only = format!("Filter.1.Name={filter}&Filter.1.Value.1={id}");
    let seen = ask(upstream, &format!("DescribeNetworkInterfaces&{only}")).await;
    let text = String::from_utf8_lossy(&seen).into_owned();
    let interfaces = text.split("<networkInterfaceId>").skip(1);
    let interfaces = interfaces.filter(|one| one.contains(ENDPOINT));
    let mut calls: Vec<String> = interfaces
        .filter_map(|one| one.split('<').next())
        .map(|id| format!("DeleteNetworkInterface&NetworkInterfaceId={id}"))
        .collect();
    if call.action == "DeleteVpc" {
        let name = format!("Filter.2.Name=group-name&Filter.2.Value.1={}", group(id));
        let seen = ask(upstream, &format!("DescribeSecurityGroups&{only}&{name}")).await;
        let found = first(&seen, "groupId");
        calls.extend(found.map(|id| format!("DeleteSecurityGroup&GroupId={id}")));
    }
    calls
}

/// Takes them away.
pub(crate) async fn leave(calls: &[String], upstream: &Upstream<'_>) {
    for call in calls {
        ask(upstream, call).await;
    }
}

/// What a deletion is refused with.
pub(crate) fn held() -> Refusal {
    HELD
}

async fn ask(upstream: &Upstream<'_>, call: &str) -> Vec<u8> {
    let question = format!("Action={call}&Version=2016-11-15");
    upstream.ask(question).await.1
}

fn first(answer: &[u8], element: &str) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    let rest = text.split(&format!("<{element}>")).nth(1)?;
    rest.split('<').next().map(String::from)
}
