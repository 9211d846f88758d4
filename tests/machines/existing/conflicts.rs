//! What is there and not ours, or not as it should be: nothing is changed on any host.

use super::hosts::Hosts;
use super::product::Product;
use super::{all_in_one, section};
use crate::support::may_run;

/// Listens on a port for some minutes.
const LISTEN: &str = "systemd-run --quiet --unit=squatter perl -MIO::Socket::INET -e \
    '$$s = IO::Socket::INET->new(Listen => 5, LocalPort => 9092) or die; alarm 300; while ($$c = $$s->accept) { close $$c }' \
    && for i in $(seq 50); do ss -Htln sport = :9092 | grep -q . && break; sleep 0.1; done";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_others_is_touched() {
    if !may_run("existing: nothing_of_others_is_touched") {
        return;
    }
    let hosts = Hosts::boot(&["host", "other"]).await;
    let clouds = section(&hosts, &[("all", "host"), ("spare", "other")]);
    let inventory =
        all_in_one("lab", [2181, 9092, 9093], &clouds).replace("nodes:\n", "nodes:\n  spare: {}\n");
    let user = Product::new(&inventory);
    let untouched = || {
        assert_eq!(hosts.traces("other", "lab"), "");
        for path in ["/etc/deployer", "/opt/deployer", "/var/lib/deployer"] {
            assert!(
                !hosts
                    .attempt("host", &format!("test -e {path}"))
                    .status
                    .success()
            );
        }
    };
    let cases = [
        (
            "mkdir -p /etc/systemd/system && echo '[Unit]' >/etc/systemd/system/lab-kafka.service",
            "all: file /etc/systemd/system/lab-kafka.service is there and not ours",
            "rm /etc/systemd/system/lab-kafka.service",
        ),
        (
            "useradd -r lab-zookeeper",
            "all: user lab-zookeeper is there and not ours",
            "userdel lab-zookeeper",
        ),
        (
            LISTEN,
            "all: port 9092 is taken by squatter.service",
            "systemctl stop squatter",
        ),
        (
            "systemd-run --quiet --unit=lab-consumer sleep 300",
            "all: unit lab-consumer.service is there and not ours",
            "systemctl stop lab-consumer",
        ),
    ];
    for (make, words, unmake) in cases {
        hosts.root("host", make);
        for verb in [&["plan"][..], &["up", "--yes"]] {
            let refused = user.expect(1, verb);
            refused.says(&[words, "nothing was changed", "  next: "]);
        }
        untouched();
        hosts.root("host", unmake);
    }

    // A manifest of somebody else's deployment: as good as a whole one.
    let manifest = "{\"version\":1,\"id\":\"0123456789ab\",\"deployment\":\"lab\",\"node\":\"all\",\"items\":\
                    [{\"kind\":\"file\",\"path\":\"/root/theirs\"}],\"packages\":[]}";
    hosts.root(
        "other",
        &format!("touch /root/theirs && mkdir -p /etc/deployer/lab && echo '{manifest}' >/etc/deployer/lab/manifest.json"),
    );
    user.expect(1, &["up", "--yes"])
        .says(&["spare: another deployment named lab lies here (id 0123456789ab"]);
    hosts.root("other", "test -e /root/theirs && rm -r /etc/deployer");

    full_disk(&hosts, &user);
    hosts_that_will_not_do(&hosts, &user);
    untouched();
}

/// `/var/lib` on a disk with too little room, as the preflight sees it.
fn full_disk(hosts: &Hosts, user: &Product) {
    hosts.root("host", "mount -t tmpfs -o size=20m tmpfs /var/lib");
    user.expect(1, &["up", "--yes"]).says(&[
        "all: has 20 MiB free below /var/lib, its roles need",
        "nothing was changed",
    ]);
    hosts.root("host", "umount /var/lib");
}

/// Hosts that cannot carry a node. Clock and libc are the box's own: programs in front of the real ones lie about them.
fn hosts_that_will_not_do(hosts: &Hosts, user: &Product) {
    let lies = |program: &str, line: &str| {
        format!(
            "printf '#!/bin/sh\\n{line}\\n' >/usr/local/bin/{program}; chmod 755 /usr/local/bin/{program}"
        )
    };
    let cases = [
        (
            "mv /usr/bin/sudo /usr/bin/not-sudo".to_owned(),
            ["no root rights by `sudo -n`", "sudo: not found"],
            "mv /usr/bin/not-sudo /usr/bin/sudo",
        ),
        (
            "cp -P /etc/os-release /root/ && rm /etc/os-release && printf 'ID=fedora\\nVERSION_ID=40\\n' >/etc/os-release".to_owned(),
            ["all: runs fedora 40; use Debian", "nothing was changed"],
            "cp -P --remove-destination /root/os-release /etc/",
        ),
        (
            lies("date", "exec /bin/date -d \"+10 seconds\" \"$@\""),
            ["s ahead of this box", "nothing was changed"],
            "rm /usr/local/bin/date",
        ),
        (
            lies("getconf", "echo glibc 2.31"),
            ["all: has glibc 2.31, the agent binaries need", "nothing was changed"],
            "rm /usr/local/bin/getconf",
        ),
    ];
    for (make, words, unmake) in cases {
        hosts.root("host", &make);
        user.expect(1, &["up", "--yes"]).says(&words);
        hosts.root("host", unmake);
    }
}
