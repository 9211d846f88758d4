//! What the user should know before machines are made: what they cost, what could not be asked. And the one refusal that only
//! the account as a whole can tell: its quota.

use super::observed::{Instance, METADATA_HOPS, Subnet};
use super::order::Order;
use super::view::Catalog;
use super::{Aws, prices, quota};
use crate::cloud::reconcile::Listed as _;
use crate::cloud::{CloudError, CloudStep};

/// Remarks on machines of which more than they themselves may ask the metadata service, such as those of older versions.
pub(super) fn telling(instances: &[Instance], region: &str) -> Vec<String> {
    let telling = instances.iter().filter(|one| one.lives() && one.tells);
    let words = telling.map(|instance| {
        let node = instance.node().unwrap_or("a machine");
        format!(
            "{node}: its metadata service tells more than the machine itself what it was told at its first boot: `aws ec2 \
             modify-instance-metadata-options --region {region} --instance-id {} --http-tokens required \
             --http-put-response-hop-limit {METADATA_HOPS}` closes it",
            instance.id
        )
    });
    words.collect()
}

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

#[cfg(test)]
mod tests {
    use super::super::observed::State;
    use super::{Instance, telling};

    #[test]
    fn a_machine_whose_metadata_service_tells_more_is_named_with_what_closes_it() {
        let instance = |id: &str, tells: bool, state: State| Instance {
            id: id.into(),
            tags: [(super::super::tags::NODE.to_owned(), "vm1".to_owned())].into(),
            state,
            reason: None,
            private: None,
            public: None,
            vpc: None,
            zone: None,
            launched: None,
            tells,
            profile: None,
        };
        let instances = [
            instance("i-1", true, State::Running),
            instance("i-2", false, State::Running),
            instance("i-3", true, State::Terminated),
        ];
        let said = telling(&instances, "eu-north-1");
        assert_eq!(said.len(), 1, "{said:?}");
        let closes = "--region eu-north-1 --instance-id i-1 --http-tokens required --http-put-response-hop-limit 1`";
        assert!(
            said[0].starts_with("vm1: ") && said[0].contains(closes),
            "{said:?}"
        );
    }
}
