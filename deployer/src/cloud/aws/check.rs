//! Looking whether a deployment could be made, before anything is: credentials, permissions, image, types, quota.

use aws_sdk_ec2::primitives::Blob;
use aws_sdk_ec2::types::{InstanceType, ResourceType};
use futures_util::future::join_all;

use super::failure::{api, denied};
use super::observed::Observed;
use super::order::Order;
use super::view::Catalog;
use super::{Aws, catalog, permissions, quota, tags};
pub use crate::cloud::finding::Finding;
use crate::cloud::{CloudError, Wanted, WantedMachine};

/// Stands for things that are not there yet: AWS looks at permissions before it looks for them.
const NO_VPC: &str = "vpc-00000000000000000";
const NO_SUBNET: &str = "subnet-00000000000000000";

impl Aws {
    /// Looks at everything that can be looked at without making anything. Whether things may be changed and deleted cannot be
    /// tried: the policy allows it for things that carry our tag, and there are none yet.
    pub async fn check(&self, wanted: &Wanted) -> Result<Vec<Finding>, CloudError> {
        let mut findings = Vec::new();
        let problems = self
            .settings
            .problems(&wanted.machines.keys().cloned().collect());
        findings.extend(
            problems
                .into_iter()
                .map(|problem| Finding::bad("inventory", &problem)),
        );
        match self.account().await {
            Ok(account) => findings.push(Finding::good(format!(
                "account {account}, region {}",
                self.region
            ))),
            Err(error) => {
                findings.push(Finding::bad(
                    format!("credentials, region {}", self.region),
                    &error,
                ));
                return Ok(findings);
            }
        }
        let nothing = Observed::default();
        let chosen = catalog::choose(&self.ec2, wanted, &self.settings, &nothing).await;
        let image = match chosen {
            Ok(catalog) => {
                findings.extend(Box::pin(self.advice(wanted, &catalog)).await);
                findings.push(Finding::good(format!("image {}", catalog.image)));
                for (instance_type, zones) in &catalog.offers {
                    let wanted_zones = |zone: &&String| {
                        self.settings.zones.is_empty() || self.settings.zones.contains(zone)
                    };
                    let usable: Vec<&str> = zones
                        .iter()
                        .filter(wanted_zones)
                        .map(String::as_str)
                        .collect();
                    findings.push(if usable.is_empty() {
                        Finding::bad(
                            format!("instance type {instance_type}"),
                            &"no usable zone offers it",
                        )
                    } else {
                        Finding::good(format!(
                            "instance type {instance_type} in {}",
                            usable.join(", ")
                        ))
                    });
                }
                catalog.image
            }
            Err(error) => {
                findings.push(Finding::bad("image and instance types", &error));
                String::new()
            }
        };
        findings.extend(self.profile_findings(wanted).await);
        findings.extend(self.permissions(wanted, &image).await);
        Ok(findings)
    }

    /// Quota and prices, as far as they can be asked.
    async fn advice(&self, wanted: &Wanted, catalog: &Catalog) -> [Finding; 2] {
        let all = Order::of_machines(wanted.machines.values(), &self.settings);
        let there = |machine: &&WantedMachine| !wanted.made.contains(&machine.node);
        let new = Order::of_machines(wanted.machines.values().filter(there), &self.settings);
        let (quota, costs) = futures_util::join!(self.quota(), self.costs(&all));
        let more = quota::more(&new, &catalog.kinds);
        let quota = match quota {
            Ok(quota) => {
                let what = format!(
                    "vCPU quota {}: {} in use, {more} more wanted",
                    quota.limit, quota.used
                );
                match quota.refusal(more, &self.region) {
                    Some(refusal) => Finding::bad(what, &refusal),
                    None => Finding::good(what),
                }
            }
            Err(error) => Finding::unknown(format!("vCPU quota not known: {error}")),
        };
        let costs = match costs {
            Ok(words) => Finding::good(words),
            Err(error) => Finding::unknown(format!("prices not known: {error}")),
        };
        [quota, costs]
    }

    /// Tries the calls that make things, without making them.
    async fn permissions(&self, wanted: &Wanted, image: &str) -> Vec<Finding> {
        let tagged = |kind| tags::specification(kind, &tags::of(wanted, &self.settings, None));
        let name = tags::resource_name(&wanted.id);
        let ec2 = &self.ec2;
        let cidr = self.settings.cidr.as_str();
        let size = self.settings.type_for(0).unwrap_or_default();
        let vpc = async {
            let call = ec2
                .create_vpc()
                .cidr_block(cidr)
                .tag_specifications(tagged(ResourceType::Vpc));
            tried("CreateVpc", call.dry_run(true).send().await)
        };
        let subnet = async {
            let call = ec2
                .create_subnet()
                .vpc_id(NO_VPC)
                .cidr_block(cidr)
                .tag_specifications(tagged(ResourceType::Subnet));
            tried("CreateSubnet", call.dry_run(true).send().await)
        };
        let gateway = async {
            let call = ec2
                .create_internet_gateway()
                .tag_specifications(tagged(ResourceType::InternetGateway));
            tried("CreateInternetGateway", call.dry_run(true).send().await)
        };
        let table = async {
            let call = ec2
                .create_route_table()
                .vpc_id(NO_VPC)
                .tag_specifications(tagged(ResourceType::RouteTable));
            tried("CreateRouteTable", call.dry_run(true).send().await)
        };
        let group = async {
            let call = ec2
                .create_security_group()
                .group_name(&name)
                .description(&name)
                .vpc_id(NO_VPC);
            let call = call.tag_specifications(tagged(ResourceType::SecurityGroup));
            tried("CreateSecurityGroup", call.dry_run(true).send().await)
        };
        let key = async {
            let material = Blob::new(wanted.user_key.as_bytes());
            let call = ec2
                .import_key_pair()
                .key_name(&name)
                .public_key_material(material);
            tried(
                "ImportKeyPair",
                call.tag_specifications(tagged(ResourceType::KeyPair))
                    .dry_run(true)
                    .send()
                    .await,
            )
        };
        let run = async {
            let call = ec2
                .run_instances()
                .min_count(1)
                .max_count(1)
                .image_id(image)
                .subnet_id(NO_SUBNET);
            let call = call.instance_type(InstanceType::from(size.as_str()));
            tried(
                "RunInstances",
                call.tag_specifications(tagged(ResourceType::Instance))
                    .dry_run(true)
                    .send()
                    .await,
            )
        };
        let makes: [std::pin::Pin<Box<dyn Future<Output = Finding> + Send + '_>>; 7] = [
            Box::pin(vpc),
            Box::pin(subnet),
            Box::pin(gateway),
            Box::pin(table),
            Box::pin(group),
            Box::pin(key),
            Box::pin(run),
        ];
        join_all(makes).await
    }
}

/// What a dry run says: "it would have been done" is an error to the SDK.
fn tried<T, E>(
    call: &str,
    result: Result<T, aws_sdk_ec2::error::SdkError<E, aws_sdk_ec2::config::http::HttpResponse>>,
) -> Finding
where
    E: aws_sdk_ec2::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let what = format!("permission {}", permissions::action(call));
    let Err(error) = result.map_err(|error| api(call, &error)) else {
        return Finding::bad(
            what,
            &"the service did it, although it was asked only to say whether it would: `list` shows it",
        );
    };
    if denied(&error) {
        Finding::bad(what, &error)
    } else {
        Finding::good(what)
    }
}
