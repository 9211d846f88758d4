//! What it costs, from AWS's own price list. What the list does not say, or says twice, is not shown: no price is guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_pricing::types::{Filter, FilterType};
use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::time::timeout;

use super::Aws;
use super::failure::api;
use super::order::Order;
use crate::cloud::CloudError;

/// How long the list may take: it is asked while the user waits, and not needed.
const TIMEOUT: Duration = Duration::from_secs(8);
/// The list has few regions of its own; this one knows the prices of all.
pub(super) const HOME: &str = "us-east-1";

/// Prices in US dollars; what is not known is `None` or not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prices {
    /// Instance type → an hour of a running machine.
    pub machines: BTreeMap<String, f64>,
    /// An hour of a public address.
    pub address: Option<f64>,
    /// A month of a GiB of gp3 disk.
    pub disk: Option<f64>,
}

impl Aws {
    /// Asks the price list. An error says only that it did not answer.
    pub async fn prices(&self, order: &Order) -> Result<Prices, CloudError> {
        let machines = order.types.keys().map(|name| async move {
            let attributes = [
                ("instanceType", name.as_str()),
                ("operatingSystem", "Linux"),
                ("tenancy", "Shared"),
                ("preInstalledSw", "NA"),
                ("capacitystatus", "Used"),
            ];
            let products = self.products("AmazonEC2", &attributes).await?;
            Ok::<_, CloudError>((name.clone(), price(&products, "")))
        });
        let gp3 = [("productFamily", "Storage"), ("volumeApiName", "gp3")];
        let disk = self.products("AmazonEC2", &gp3);
        let group = [("group", "VPCPublicIPv4Address")];
        let address = self.products("AmazonVPC", &group);
        let asked = async { futures_util::try_join!(try_join_all(machines), disk, address) };
        let (machines, disk, address) =
            timeout(TIMEOUT, Box::pin(asked))
                .await
                .map_err(|_| CloudError::Deadline {
                    what: "asking for AWS's prices".into(),
                    seconds: TIMEOUT.as_secs(),
                    output: String::new(),
                })??;
        let known = machines
            .into_iter()
            .filter_map(|(name, price)| Some((name, price?)));
        Ok(Prices {
            machines: known.collect(),
            address: price(&address, "InUseAddress"),
            disk: price(&disk, ""),
        })
    }

    async fn products(
        &self,
        service: &str,
        attributes: &[(&str, &str)],
    ) -> Result<Vec<String>, CloudError> {
        let call = "GetProducts";
        let region = ("regionCode", self.region.as_str());
        let filters = attributes.iter().copied().chain([region]);
        let filters = filters
            .map(|(field, value)| {
                let filter = Filter::builder().r#type(FilterType::TermMatch);
                filter.field(field).value(value).build()
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| CloudError::Refused(format!("{call}: {error}")))?;
        let answer = self
            .price_list
            .get_products()
            .service_code(service)
            .set_filters(Some(filters))
            .send()
            .await
            .map_err(|error| api(call, &error))?;
        Ok(answer.price_list.unwrap_or_default())
    }
}

/// The one price that products have whose usage type ends so; `None` where there is none, or several.
pub fn price(products: &[String], usage: &str) -> Option<f64> {
    let mut prices = BTreeSet::new();
    for product in products {
        let product: Value = serde_json::from_str(product).ok()?;
        let kind = product["product"]["attributes"]["usagetype"].as_str();
        if !kind.unwrap_or_default().ends_with(usage) {
            continue;
        }
        let terms = product["terms"]["OnDemand"].as_object()?;
        let steps = terms
            .values()
            .filter_map(|term| term["priceDimensions"].as_object());
        for step in steps.flat_map(|steps| steps.values()) {
            prices.insert(step["pricePerUnit"]["USD"].as_str()?.to_owned());
        }
    }
    let mut prices = prices.into_iter();
    let price = prices.next()?.parse().ok()?;
    prices.next().is_none().then_some(price)
}

/// Hours of a month, as AWS counts them for disks.
const MONTH: f64 = 730.0;

/// What an order costs in an hour, disks included; `None` where the list lacks the price of any of it. Pure.
pub fn hourly(order: &Order, disk_gib: u32, prices: &Prices) -> Option<f64> {
    let mut sum = f64::from(order.machines()) * f64::from(disk_gib) * prices.disk? / MONTH;
    if order.addresses > 0 {
        sum += f64::from(order.addresses) * prices.address?;
    }
    for (name, count) in &order.types {
        sum += f64::from(*count) * prices.machines.get(name)?;
    }
    Some(sum)
}

/// What an order costs, in words; `None` where the list knows nothing of it. Pure.
pub fn words(order: &Order, disk_gib: u32, prices: &Prices) -> Option<String> {
    if *prices == Prices::default() {
        return None;
    }
    let types = order.types.iter();
    let types = types.map(|(name, count)| (name.as_str(), *count, prices.machines.get(name)));
    let addresses = ("public address", order.addresses, prices.address.as_ref());
    let mut parts = Vec::new();
    let mut sum = Some(0.0);
    for (what, count, price) in types.chain([addresses]).filter(|(_, count, _)| *count > 0) {
        sum = sum
            .zip(price)
            .map(|(sum, price)| sum + f64::from(count) * price);
        let price = price.map_or("not in the list".into(), |price| {
            format!("{price:.4} USD/h")
        });
        parts.push(format!("{count} × {what} {price}"));
    }
    let together = sum.map_or(String::new(), |sum| format!(", together {sum:.3} USD/h"));
    let gib = f64::from(disk_gib) * f64::from(order.machines());
    let disks = prices.disk.map_or("not in the list".into(), |price| {
        format!("{:.2} USD/month, also while they are off", gib * price)
    });
    // EC2's guide, "Burstable performance instances": these families are `unlimited` from the start.
    let mut types = order.types.keys();
    let unlimited = types.any(|name| name.starts_with("t3") || name.starts_with("t4g"));
    let busy = if unlimited {
        ", and vCPUs that are busy for hours,"
    } else {
        ""
    };
    Some(format!(
        "by AWS's price list: {}{together}; {gib} GiB of disk {disks}; traffic and taxes{busy} come on top",
        parts.join(", ")
    ))
}
