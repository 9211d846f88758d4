//! On real machines: each instance of moto is booted with its own user data, and first contact is by SSH with the host key that
//! was made before it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::process::Output;
use std::time::{Duration, Instant};

use deployer::cloud::Cloud as _;
use deployer::machine::{Access, Machine};
use deployer::secret::Secret;
use ssh_key::{Algorithm, LineEnding, PrivateKey, rand_core::OsRng};

use super::account;
use crate::bench::Bench;
use crate::proxy::Proxy;
use crate::watcher::command;

const REGION: &str = "us-east-1";

/// A directory with the user's key and the known hosts, as the deployer keeps them.
struct Keys {
    directory: tempfile::TempDir,
}

impl Keys {
    fn new(bench: &mut Bench) -> Self {
        let keys = Self {
            directory: tempfile::tempdir().expect("directory"),
        };
        let pair = || PrivateKey::random(&mut OsRng, Algorithm::Ed25519).expect("key");
        let user = pair();
        user.write_openssh_file(&keys.path("key"), LineEnding::LF)
            .expect("key file");
        bench.wanted.user_key = user.public_key().to_openssh().expect("public key");
        for machine in bench.wanted.machines.values_mut() {
            let host = pair();
            machine.host_key =
                Secret::new(host.to_openssh(LineEnding::LF).expect("key").to_string());
            machine.host_key_public = host.public_key().to_openssh().expect("public key");
        }
        keys
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a command by SSH. The host key is known beforehand, or there is no connection.
    fn ssh(&self, machine: &Machine, remote: &str) -> Output {
        let Access::Ssh(access) = &machine.access else {
            panic!("{machine:?}")
        };
        let known = format!(
            "{} {}\n",
            access.address,
            access.host_key.as_deref().expect("host key")
        );
        std::fs::write(self.path("known_hosts"), known).expect("known hosts");
        let target = format!(
            "{}@{}",
            access.user.as_deref().expect("user"),
            access.address
        );
        let known = format!("UserKnownHostsFile={}", self.path("known_hosts").display());
        let key = self.path("key").display().to_string();
        let options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "ConnectTimeout=5",
            &known,
        ];
        let mut arguments = vec!["-F", "none", "-i", &key];
        for option in &options {
            arguments.extend(["-o", option]);
        }
        arguments.extend([target.as_str(), remote]);
        command("ssh", &arguments).output().expect("ssh")
    }

    /// The same, as soon as sshd is up; what the command printed.
    fn text(&self, machine: &Machine, remote: &str) -> String {
        let start = Instant::now();
        loop {
            let output = self.ssh(machine, remote);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.code() != Some(255) {
                assert!(output.status.success(), "{remote}: {said}");
                return String::from_utf8_lossy(&output.stdout).trim().to_owned();
            }
            assert!(!said.contains("Host key verification failed"), "{said}");
            assert!(
                start.elapsed() < Duration::from_mins(2),
                "{}: {said}",
                machine.node
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn opens(machine: &Machine, port: u16) -> bool {
    let address = SocketAddr::new(machine.public.expect("public address"), port);
    TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "{what} within 60 s"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn stopped(bench: &Bench, node: &str) -> bool {
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    plan.steps
        .iter()
        .any(|step| step.node.as_deref() == Some(node) && step.words.contains("which is stopped"))
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_trusted_at_first_contact_and_end_by_themselves() {
    let Some((moto, _watcher)) = account(REGION) else {
        return;
    };
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, REGION, "300000000001", &["vm1", "vm2"]);
    let keys = Keys::new(&mut bench);
    // This box, as the machines see it.
    bench.settings.ssh_from = vec!["10.126.255.254".into()];
    let start = Instant::now();
    let machines: BTreeMap<String, Machine> = bench.up().await.expect("up");
    let (one, two) = (&machines["vm1"], &machines["vm2"]);
    for machine in [one, two] {
        assert_eq!(keys.text(machine, "hostname"), machine.node);
    }
    eprintln!("    first contact with both after {:?}", start.elapsed());
    assert_eq!(keys.text(one, "sudo -n id -u"), "0");
    keys.text(one, "cloud-init status --wait");
    let time: i64 = keys
        .text(one, "cat /etc/deployer/expires")
        .parse()
        .expect("seconds");
    assert_eq!(
        Some(time),
        bench
            .plan(&bench.aws())
            .await
            .expect("plan")
            .expires
            .map(jiff::Timestamp::as_second)
    );
    assert_eq!(
        keys.text(one, "systemctl is-active deployer-ttl.timer"),
        "active"
    );
    assert_eq!(
        keys.text(one, "grep -s vm1 /etc/hosts; true"),
        "127.0.1.1 vm1",
        "the hosts table has its own name only"
    );

    // A machine that is not the one we made is not spoken to.
    let mut other = one.clone();
    if let Access::Ssh(access) = &mut other.access {
        access
            .host_key
            .clone_from(&bench.wanted.machines["vm2"].host_key_public.clone().into());
    }
    let said = String::from_utf8_lossy(&keys.ssh(&other, "true").stderr).into_owned();
    assert!(said.contains("Host key verification failed"), "{said}");

    // Members reach each other on every port, this box only sshd.
    let listen = "sudo systemd-run --quiet --collect python3 -c 'import socket,time; s=socket.create_server((\"\",9092)); time.sleep(600)'";
    keys.text(one, listen);
    let private = one.address_seen_from(two).expect("address");
    let knock =
        format!("python3 -c 'import socket; socket.create_connection((\"{private}\",9092),5)'");
    keys.text(
        two,
        &format!("for i in 1 2 3 4 5; do {knock} 2>/dev/null && exit 0; sleep 1; done; exit 1"),
    );
    assert!(opens(one, 22) && !opens(one, 9092));
    bench.wanted.outside = [(
        "laptop".to_owned(),
        "10.126.255.254".parse().expect("address"),
    )]
    .into();
    bench.wanted.outside_ports = [9092].into();
    bench.up().await.expect("up");
    until("outside producers let in", async || opens(one, 9092)).await;

    // The time is over: the machine stops itself, `up` starts it with its disk and host key, at another address.
    keys.text(one, "echo kept | sudo tee /var/lib/kept >/dev/null && sync");
    keys.text(one, "echo 1 | sudo tee /etc/deployer/expires >/dev/null");
    keys.ssh(one, "sudo systemctl start --no-block deployer-ttl.service");
    until("vm1 stops itself", async || stopped(&bench, "vm1").await).await;
    assert!(!stopped(&bench, "vm2").await);
    let again = bench.up().await.expect("up");
    assert_eq!(again["vm1"].id, one.id);
    assert_ne!(again["vm1"].public, one.public);
    assert_eq!(keys.text(&again["vm1"], "cat /var/lib/kept"), "kept");

    bench.takes_all_away().await;
    assert!(
        bench
            .aws()
            .deployments()
            .await
            .expect("deployments")
            .is_empty()
    );
    until("the machines are gone", async || !opens(two, 22)).await;
}
