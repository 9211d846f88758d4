//! Somebody's machine elsewhere, in a network of its own. The watcher boots it as it boots all that moto reports.

use aws_sdk_ec2::Client;
use deployer::cloud::aws::rules::Rule;

use crate::clouds_laptop::{Laptop, LaptopKeys};
use crate::desk::Desk;
use crate::watcher::THIS_BOX;

impl Laptop {
    /// Makes it, in a network that only lets this box use SSH.
    pub(crate) async fn make(ec2: &Client, desk: &Desk) -> Self {
        let keys = LaptopKeys::make(desk);
        let config = serde_json::json!({
            "hostname": "laptop",
            "manage_etc_hosts": "localhost",
            "ssh_keys": {"ed25519_private": keys.host, "ed25519_public": keys.host_public},
            "ssh_authorized_keys": [keys.user],
        });
        let user_data = base64_simd::STANDARD.encode_to_string(format!("#cloud-config\n{config}"));

        let vpc = ec2.create_vpc().cidr_block("10.77.240.0/20").send().await;
        let vpc = vpc.expect("VPC").vpc.and_then(|vpc| vpc.vpc_id);
        let vpc = vpc.expect("id");
        let subnet = ec2
            .create_subnet()
            .vpc_id(&vpc)
            .cidr_block("10.77.240.0/24");
        let subnet = subnet.send().await.expect("subnet").subnet;
        let subnet = subnet.and_then(|subnet| subnet.subnet_id).expect("id");
        let group = ec2.create_security_group().group_name("laptop");
        let group = group.description("laptop").vpc_id(&vpc).send().await;
        let group = group.expect("group").group_id.expect("id");
        let ssh = Rule::tcp(22, format!("{THIS_BOX}/32").parse().expect("range"));
        let call = ec2.authorize_security_group_ingress().group_id(&group);
        let call = call.ip_permissions(ssh.permission(&group)).send().await;
        call.expect("a rule");
        let interface = aws_sdk_ec2::types::InstanceNetworkInterfaceSpecification::builder()
            .device_index(0)
            .subnet_id(subnet)
            .groups(group)
            .associate_public_ip_address(true)
            .build();
        let call = ec2.run_instances().image_id("ami-0noble0amd640002");
        let call = call.min_count(1).max_count(1).network_interfaces(interface);
        let made = call.user_data(user_data).send().await.expect("a machine");
        let id = made.instances()[0].instance_id().expect("id").to_owned();
        let seen = ec2.describe_instances().instance_ids(id).send().await;
        let seen = seen.expect("the machine");
        let address = seen.reservations()[0].instances()[0].public_ip_address();
        Self {
            address: address.expect("an address").into(),
            user: "ubuntu",
            keys,
        }
    }
}
