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

/// The VPC that the account has from the beginning, led out: moto's has no internet gateway, AWS's has. As in many accounts, the
/// subnet of the first zone is private all the same: what is not for the VPC ends in nothing there.
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
    let table = ec2.create_route_table().vpc_id(&vpc).send().await;
    let table = table.expect("table").route_table;
    let private = ec2
        .associate_route_table()
        .subnet_id(&subnets(ec2).await[0]);
    let private = private.set_route_table_id(table.and_then(|one| one.route_table_id));
    private.send().await.expect("associated");
    vpc
}

/// All subnets of a region, by their zones.
pub(crate) async fn subnets(ec2: &Client) -> Vec<String> {
    let seen = ec2.describe_subnets().send().await.expect("subnets");
    let mut all: Vec<(&str, &str)> = seen
        .subnets()
        .iter()
        .filter_map(|one| Some((one.availability_zone()?, one.subnet_id()?)))
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(_, id)| id.to_owned()).collect()
}

/// A call past the proxy that our client of EC2 does not have; the answer.
pub(crate) async fn by_hand(port: u16, region: &str, call: &str) -> String {
    let credential = format!(
        "AWS4-HMAC-SHA256 Credential=key/20261121/{region}/ec2/aws4_request, SignedHeaders=host, Signature=none"
    );
    let client = reqwest::Client::builder().no_proxy().build();
    let answer = client
        .expect("client")
        .post(format!("http://127.0.0.1:{port}/"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", credential)
        .body(format!("{call}&Version=2016-11-15"))
        .send();
    let text = answer.await.expect("moto answers").text().await;
    text.expect("text")
}
