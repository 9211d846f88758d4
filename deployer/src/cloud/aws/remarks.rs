//! What the user should know before machines are made: what they cost, what could not be asked. And the one refusal that only
//! the account as a whole can tell: its quota.

use super::observed::Subnet;
use super::order::Order;
use super::view::Catalog;
use super::{Aws, prices, quota};
use crate::cloud::{CloudError, CloudStep};

impl Aws {
    /// Remarks on steps that make machines; none where they make none.
    pub(super) async fn remarks(
        &self,
        steps: &[CloudStep],
        catalog: &Catalog,
        subnets: &[Subnet],
    ) -> Result<Vec<String>, CloudError> {
        let order = Order::of_steps(steps);
        if order == Order::default() {
            return Ok(Vec::new());
        }
        let mut remarks = Vec::new();
        let (quota, prices) = futures_util::join!(self.quota(), self.costs(&order));
        match quota {
            Ok(quota) => {
                let more = quota::more(&order, &catalog.kinds);
                if let Some(refusal) = quota.refusal(more, &self.region) {
                    return Err(CloudError::Refused(refusal));
                }
            }
            Err(error) => remarks.push(format!("the vCPU quota is not known: {error}")),
        }
        remarks.push(match prices {
            Ok(words) => words,
            Err(error) => format!("prices are not known: {error}"),
        });
        let theirs = self.settings.vpc.is_some() || self.settings.subnet.is_some();
        let closed = subnets.iter().all(|subnet| !subnet.routed);
        if !self.settings.public_ip && (!theirs || closed) {
            let from = if theirs {
                "from there, for no route table leads to a NAT gateway or the like"
            } else {
                "from a VPC of our own"
            };
            remarks.push(format!(
                "machines without a public address reach no package mirror {from}: name a `subnet` of yours whose route leads \
                 out, or an `image` that has all packages"
            ));
        }
        Ok(remarks)
    }

    /// What an order costs, in words.
    pub(super) async fn costs(&self, order: &Order) -> Result<String, CloudError> {
        let prices = Box::pin(self.prices(order)).await?;
        prices::words(order, self.settings.disk_gib, &prices).ok_or_else(|| {
            CloudError::Refused("AWS's price list has none of these machines".into())
        })
    }
}
