//! Everything in a region, whoever made it: what is the same before and after was left alone, and nothing was left behind.

use std::collections::BTreeSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::InstanceStateName;
use deployer::cloud::aws::tags::filter;

/// A client of moto in a region.
pub(crate) fn client(url: &str, region: &str) -> Client {
    let config = super::bench::config(region, "key", "secret");
    let config = aws_sdk_ec2::config::Builder::from(&config)
        .endpoint_url(url)
        .build();
    Client::from_conf(config)
}

/// The ids of all things of a region but machines that are gone, and what moto forgets to remove with them.
pub(crate) async fn census(ec2: &Client) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let instances = ec2.describe_instances().send().await.expect("machines");
    for instance in instances
        .reservations()
        .iter()
        .flat_map(aws_sdk_ec2::types::Reservation::instances)
    {
        let gone = instance
            .state()
            .and_then(|state| state.name())
            .is_some_and(|name| *name == InstanceStateName::Terminated);
        all.extend(instance.instance_id().filter(|_| !gone).map(String::from));
    }
    let vpcs = ec2.describe_vpcs().send().await.expect("VPCs");
    all.extend(
        vpcs.vpcs()
            .iter()
            .filter_map(|one| one.vpc_id())
            .map(String::from),
    );
    let subnets = ec2.describe_subnets().send().await.expect("subnets");
    all.extend(
        subnets
            .subnets()
            .iter()
            .filter_map(|one| one.subnet_id())
            .map(String::from),
    );
    let gateways = ec2
        .describe_internet_gateways()
        .send()
        .await
        .expect("gateways");
    all.extend(
        gateways
            .internet_gateways()
            .iter()
            .filter_map(|one| one.internet_gateway_id())
            .map(String::from),
    );
    let tables = ec2
        .describe_route_tables()
        .send()
        .await
        .expect("route tables");
    all.extend(
        tables
            .route_tables()
            .iter()
            .filter_map(|one| one.route_table_id())
            .map(String::from),
    );
    let groups = ec2.describe_security_groups().send().await.expect("groups");
    all.extend(
        groups
            .security_groups()
            .iter()
            .filter_map(|one| one.group_id())
            .map(String::from),
    );
    let keys = ec2.describe_key_pairs().send().await.expect("key pairs");
    all.extend(
        keys.key_pairs()
            .iter()
            .filter_map(|one| one.key_name())
            .map(String::from),
    );
    let volumes = ec2.describe_volumes().send().await.expect("disks");
    all.extend(
        volumes
            .volumes()
            .iter()
            .filter_map(|one| one.volume_id())
            .map(String::from),
    );
    let addresses = ec2.describe_addresses().send().await.expect("addresses");
    all.extend(
        addresses
            .addresses()
            .iter()
            .filter_map(|one| one.public_ip())
            .map(String::from),
    );
    all
}

/// The VPC that the account has from the beginning, led out: moto's has no internet gateway, AWS's has.
pub(crate) async fn open_vpc(ec2: &Client) -> String {
    let vpcs = ec2.describe_vpcs().send().await.expect("VPCs");
    let vpc = vpcs.vpcs()[0].vpc_id().expect("id").to_owned();
    let gateway = ec2.create_internet_gateway().send().await.expect("gateway");
    let gateway = gateway
        .internet_gateway
        .and_then(|one| one.internet_gateway_id);
    let gateway = gateway.expect("id");
    let attach = ec2.attach_internet_gateway().vpc_id(&vpc);
    let attach = attach.internet_gateway_id(&gateway).send().await;
    attach.expect("attached");
    let main = ec2.describe_route_tables();
    let main = main
        .filters(filter("vpc-id", &vpc))
        .send()
        .await
        .expect("tables");
    let main = main.route_tables()[0].route_table_id().expect("id");
    let route = ec2.create_route().route_table_id(main);
    let route = route
        .destination_cidr_block("0.0.0.0/0")
        .gateway_id(gateway);
    route.send().await.expect("route");
    vpc
}
