//! Hosts as a cloud gives them, which the images of these tests are not otherwise: apt's timers, unattended-upgrades and needrestart
//! are on, ssh is started by its socket, there is a second network interface, and at first contact one host's apt is busy, another
//! one's cloud-init still installs, and the third reboots for a new kernel in the middle of `up`. One deployment has all of it.

use super::hosts::Hosts;
use super::product::Product;
use super::{FILES, PROOF, section};
use crate::sandbox;
use crate::support::may_run;

const NODES: [&str; 3] = ["vm1", "vm2", "vm3"];

/// What is so on all hosts. The packages that a deployment needs are not there.
const EVERYWHERE: &str = "set -e
exec >/dev/null 2>&1
export DEBIAN_FRONTEND=noninteractive
apt-get -q -y purge openjdk-17-jre-headless nodejs nftables
apt-get -q -y install --no-install-recommends unattended-upgrades needrestart MORE
printf '[Unit]\\nAfter=network.target\\n[Service]\\nType=oneshot\\nRemainAfterExit=yes\\n\
ExecStart=/bin/sh -c \"ip link add eth1 type veth peer name eth1x; ip link set eth1x up; ip address add 172.17.0.1/16 dev eth1; \
ip link set eth1 up; ip route add default via 172.17.0.2 metric 9000\"\\n[Install]\\nWantedBy=multi-user.target\\n' \
    >/etc/systemd/system/second-interface.service
systemctl unmask apt-daily.timer apt-daily-upgrade.timer
systemctl enable --now apt-daily.timer apt-daily-upgrade.timer unattended-upgrades.service second-interface.service
systemctl disable ssh.service
systemctl enable ssh.socket
systemctl stop ssh.service
systemctl start ssh.socket";

/// vm1: something has apt's lock for a minute and a half, as unattended-upgrades at a machine's first boot.
const BUSY: &str = r#"cat >/srv/busy.pl <<'END'
use Fcntl;
open(my $lock, ">", "/var/lib/dpkg/lock-frontend") or die;
my $all = pack("ssx4qqlx4", F_WRLCK, 0, 0, 0, 0);
fcntl($lock, F_SETLK, $all) or die;
sleep 90;
END
systemd-run --quiet --unit=first-upgrade perl /srv/busy.pl
sleep 1
systemctl is-active first-upgrade"#;

/// vm2: cloud-init installs something at the next boot, and takes its time.
const CLOUD_INIT: &str = r#"set -e
mkdir -p /var/lib/cloud/seed/nocloud
rm -rf /etc/cloud/cloud.cfg.d/*
echo 'policy: enabled' >/etc/cloud/ds-identify.cfg
cat >/etc/cloud/cloud.cfg <<END
datasource_list: [NoCloud]
network: {config: disabled}
preserve_hostname: true
cloud_config_modules: [runcmd]
cloud_final_modules: [package-update-upgrade-install, scripts-user]
system_info: {distro: debian}
END
echo 'instance-id: i-1' >/var/lib/cloud/seed/nocloud/meta-data
printf '#cloud-config\npackages: [less]\nruncmd: [[sh, -c, "sleep 15; date +%%s >/srv/installed"]]\n' \
    >/var/lib/cloud/seed/nocloud/user-data"#;

/// vm3: the first installation brings a kernel, and unattended-upgrades' `Automatic-Reboot`.
const KERNEL: &str = r#"cat >/etc/apt/apt.conf.d/99kernel <<'END'
DPkg::Post-Invoke { "[ -e /srv/rebooted ] || { touch /srv/rebooted; sync; systemctl --no-block reboot; sleep 60; }"; };
END"#;

#[tokio::test(flavor = "multi_thread")]
async fn hosts_as_a_cloud_gives_them() {
    if !may_run("existing: hosts_as_a_cloud_gives_them") {
        return;
    }
    let hosts = Hosts::boot(&NODES).await;
    let user = Product::new(&format!(
        "name: fresh\ncloud: existing\nnodes:\n  vm1: {{ roles: [producer] }}\n  vm2: {{ roles: [zookeeper, kafka, consumer] }}\n  \
         vm3: {{ roles: [kafka] }}\nproducer: {{ count: 5, interval: 100ms }}\n{FILES}{}",
        section(&hosts, &NODES.map(|node| (node, node)))
    ));
    std::thread::scope(|scope| {
        for (node, packages) in NODES.into_iter().zip(["", "cloud-init", ""]) {
            let hosts = &hosts;
            scope.spawn(move || hosts.root(node, &EVERYWHERE.replace("MORE", packages)));
        }
    });
    let boot = "cat /proc/sys/kernel/random/boot_id";
    let before = hosts.root("vm3", boot);
    hosts.root("vm3", KERNEL);
    hosts.root("vm2", CLOUD_INIT);
    assert_eq!(hosts.root("vm1", BUSY), "active");
    hosts.reboot("vm2");

    // Each is waited for in words, and `up` goes on when it is over.
    let up = user.expect(0, &["up", "--yes", "--wait"]);
    println!("{}", up.err);
    up.says(&[
        "waiting for cloud-init",
        "waiting for apt, up to 300 s: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process",
        "vm3: the connection broke in the middle, as when a host reboots",
    ]);
    assert!(up.out.contains(PROOF), "{}", up.out);
    assert_ne!(hosts.root("vm3", boot), before);
    // What cloud-init does is over before ours begins.
    let times = hosts.root(
        "vm2",
        "cat /srv/installed; stat -c %Y /var/lib/dpkg/info/nftables.list",
    );
    let (theirs, ours) = times.split_once('\n').expect("two times");
    assert!(theirs < ours, "{times}");
    assert_eq!(user.documents("utilizations1"), 5);
    user.expect(0, &["up", "--yes"])
        .says(&["3 nodes, nothing to do"]);
    user.expect(0, &["status"]);
    let firewall = "deployer-fresh-firewall.service";
    let answer = hosts.root("vm2", &sandbox::question(firewall));
    sandbox::is_closed_in(firewall, &answer);
    for node in NODES {
        let on = "systemctl is-active apt-daily.timer unattended-upgrades ssh.socket second-interface | sort -u";
        assert_eq!(hosts.root(node, on), "active", "{node}");
    }
    user.expect(0, &["teardown", "--yes"])
        .says(&["nothing is left"]);
    for node in NODES {
        assert_eq!(hosts.traces(node, "fresh"), "", "{node}");
    }
}
