//! What an account may run and what it costs. moto has neither quotas of EC2 nor a price list: both are answered here, as AWS
//! documents them, and a machine too many is refused as EC2 does (`VcpuLimitExceeded`). New accounts have a quota of 1 to 32
//! (openshift/installer #2736, the Service Quotas console: L-1216C47A), and are on the Free plan, which runs few types
//! (eks-workshop-v2 #1644; AWS's Free Tier guide): so is the account of every test that does not say otherwise.

use serde_json::{Value, json};

use super::honest::Refusal;
use super::proxy::{Call, Upstream};

/// What the account may run, and what may be asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    /// vCPUs.
    pub limit: u32,
    /// Whether quota and prices can be asked.
    pub advice: Advice,
    /// Whether it is on the Free plan.
    pub free: bool,
}

/// Who answers a question about quota or prices.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Advice {
    /// The services do.
    Given,
    /// They do, but not for these credentials.
    Denied,
    /// Nobody: there are no such services.
    Nobody,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            limit: 32,
            advice: Advice::Given,
            free: true,
        }
    }
}

/// What the Free plan runs.
const FREE: [&str; 6] = [
    "t3.micro",
    "t3.small",
    "t4g.micro",
    "t4g.small",
    "c7i-flex.large",
    "m7i-flex.large",
];

/// The answer to a question about quota or prices.
pub(crate) fn answer(call: &Call, body: &str, account: Account) -> Option<(u16, Vec<u8>)> {
    let (status, text) = match (call.action.as_str(), account.advice) {
        ("GetServiceQuota" | "GetProducts", Advice::Denied) => denied(),
        ("GetServiceQuota", Advice::Given) => quota_answer(body.as_bytes(), account),
        ("GetProducts", Advice::Given) => products_answer(body.as_bytes()),
        // Nobody's, or none of these services'.
        _ => return None,
    };
    Some((status, text.into_bytes()))
}

/// Refuses a machine that is too many. All here have two vCPUs.
pub(crate) async fn refusal(
    call: &Call,
    account: Account,
    upstream: &Upstream<'_>,
) -> Option<Refusal> {
    let parameter = |name: &str| call.parameters.get(name).map(String::as_str);
    if call.action != "RunInstances" || parameter("DryRun") == Some("true") {
        return None;
    }
    if account.free && !parameter("InstanceType").is_some_and(|one| FREE.contains(&one)) {
        return Some((400, "InvalidParameterCombination"));
    }
    let question = "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=instance-state-name&Filter.1.Value.1=pending\
        &Filter.1.Value.2=running";
    let (_, answer) = upstream.ask(question.into()).await;
    let running = String::from_utf8_lossy(&answer)
        .matches("<instanceId>")
        .count();
    (2 * running + 2 > account.limit as usize).then_some((400, "VcpuLimitExceeded"))
}

/// moto does not say how many processors a machine has; AWS does.
pub(crate) fn with_processors(call: &Call, answer: Vec<u8>) -> Vec<u8> {
    if call.action != "DescribeInstances" {
        return answer;
    }
    let options =
        "<cpuOptions><coreCount>1</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions>";
    let text = String::from_utf8_lossy(&answer);
    text.replace("<instanceType>", &format!("{options}<instanceType>"))
        .into_bytes()
}

fn denied() -> (u16, String) {
    let answer = json!({"__type": "AccessDeniedException", "Message": "not for you"});
    (400, answer.to_string())
}

fn quota_answer(body: &[u8], account: Account) -> (u16, String) {
    let asked: Value = serde_json::from_slice(body).expect("json");
    assert_eq!(
        asked,
        json!({"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"})
    );
    let limit = account.limit;
    let answer = json!({"Quota": {"QuotaCode": "L-1216C47A", "ServiceCode": "ec2", "Value": f64::from(limit), "Unit": "None"}});
    (200, answer.to_string())
}

fn products_answer(body: &[u8]) -> (u16, String) {
    let asked: Value = serde_json::from_slice(body).expect("json");
    let field = |name: &str| {
        let filters = asked["Filters"].as_array().expect("filters");
        let found = filters.iter().find(|filter| filter["Field"] == name);
        found.map(|filter| filter["Value"].as_str().expect("value").to_owned())
    };
    assert!(field("regionCode").is_some(), "{asked}");
    let products = match (
        field("instanceType"),
        field("volumeApiName"),
        field("group"),
    ) {
        (Some(name), None, None) => {
            vec![product(&format!("CAN1-BoxUsage:{name}"), &["0.0232000000"])]
        }
        (None, Some(volume), None) if volume == "gp3" => {
            vec![product("CAN1-EBS:VolumeUsage.gp3", &["0.0880000000"])]
        }
        (None, None, Some(group)) if group == "VPCPublicIPv4Address" => vec![
            product("CAN1-PublicIPv4:IdleAddress", &["0.0060000000"]),
            product("CAN1-PublicIPv4:InUseAddress", &["0.0050000000"]),
        ],
        other => panic!("{other:?}"),
    };
    let answer = json!({"FormatVersion": "aws_v1", "PriceList": products});
    (200, answer.to_string())
}

pub(crate) fn product(usage: &str, prices: &[&str]) -> String {
    let steps: serde_json::Map<String, Value> = prices
        .iter()
        .enumerate()
        .map(|(n, price)| {
            (
                format!("SKU.TERM.{n}"),
                json!({"unit": "Hrs", "pricePerUnit": {"USD": price}}),
            )
        })
        .collect();
    json!({
        "product": {"attributes": {"usagetype": usage}},
        "terms": {
            "OnDemand": {"SKU.TERM": {"priceDimensions": steps}},
            "Reserved": {"SKU.OTHER": {"priceDimensions": {"x": {"pricePerUnit": {"USD": "0.01"}}}}}
        }
    })
    .to_string()
}
