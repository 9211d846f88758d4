//! A host that is not the deployment's: somebody's machine elsewhere, with its own network and keys. The watcher boots it as it
//! boots all that moto reports; the deployer knows it only as a host that exists.

use std::time::{Duration, Instant};

use aws_sdk_ec2::Client;
use deployer::cloud::aws::rules::Rule;
use ssh_key::{Algorithm, LineEnding, PrivateKey, rand_core::OsRng};

use crate::desk::Desk;
use crate::watcher::{THIS_BOX, command};

pub(crate) struct Laptop {
    address: String,
    key: String,
    host_key: String,
}

impl Laptop {
    /// Makes it, in a network that only lets this box use SSH.
    pub(crate) async fn make(ec2: &Client, desk: &Desk) -> Self {
        let pair = || PrivateKey::random(&mut OsRng, Algorithm::Ed25519).expect("key");
        let (user, host) = (pair(), pair());
        let key = desk.path("laptop-key");
        user.write_openssh_file(key.as_ref(), LineEnding::LF)
            .expect("key file");
        let public = |key: &PrivateKey| key.public_key().to_openssh().expect("public key");
        let private = host.to_openssh(LineEnding::LF).expect("key");
        let config = serde_json::json!({
            "hostname": "laptop",
            "manage_etc_hosts": "localhost",
            "ssh_keys": {"ed25519_private": private.as_str(), "ed25519_public": public(&host)},
            "ssh_authorized_keys": [public(&user)],
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
            key,
            host_key: public(&host),
        }
    }

    /// As an inventory names it.
    pub(crate) fn host(&self) -> String {
        let Self {
            address,
            key,
            host_key,
        } = self;
        format!(
            "{{ address: {address}, public_address: {address}, user: ubuntu, key: '{key}', host_key: '{host_key}' }}"
        )
    }

    /// Waits until it has booted: the deployer has little patience with hosts that exist.
    pub(crate) fn wait(&self) {
        let (start, target) = (Instant::now(), format!("ubuntu@{}", self.address));
        let options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "ConnectTimeout=5",
        ];
        let mut arguments = vec!["-F", "none", "-i", &self.key];
        for option in &options {
            arguments.extend(["-o", option]);
        }
        arguments.extend([target.as_str(), "cloud-init status --wait"]);
        loop {
            let output = command("ssh", &arguments).output().expect("ssh");
            if output.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(start.elapsed() < Duration::from_mins(2), "{said}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
