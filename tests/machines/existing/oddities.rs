//! Hosts as their owners have set them up: logins, languages, modes and mounts that an image of a cloud does not have. One set of
//! hosts has them all at once.

use serde_json::Value;

use super::hosts::Hosts;
use super::product::Product;
use super::{FILES, PROOF};
use crate::support::{eventually, may_run};

const NODES: [&str; 3] = ["vm1", "vm2", "vm3"];

/// What is so on all hosts.
const EVERYWHERE: &str = "set -e
exec >/dev/null 2>&1
# A start-up file that shuts others out and prints, the second time without ending its line.
printf 'umask 027\\necho hello\\necho hello >&2\\nprintf \"\\\\033]0;x\\\\007\"\\n' >~student/.bashrc
# sudo warns of this file each time.
echo '# x' >/etc/sudoers.d/zz
chmod 666 /etc/sudoers.d/zz
cp /etc/hosts /srv/fresh";

/// vm1: csh as login shell, /etc/hosts is a link.
const VM1: &str = "set -e
exec >/dev/null 2>&1
apt-get -q -y install tcsh
usermod -s /bin/tcsh student
printf 'umask 077\\necho hello\\nsetenv TMPDIR /nowhere\\n' >~student/.cshrc
mv /etc/hosts /srv/hosts
ln -s /srv/hosts /etc/hosts";

/// vm2: a sudo that talks, an owner and mode of its own for /etc/hosts, which has no `localhost`, another Java first, nothing is
/// executed from /tmp.
const VM2: &str = "set -e
exec >/dev/null 2>&1
DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends openjdk-17-jre-headless
printf '#!/bin/sh\\necho before\\necho before >&2\\n/usr/bin/sudo \"$@\"\\ncode=$?\\necho after\\nexit $code\\n' >/usr/local/bin/sudo
printf '#!/bin/sh\\necho no Java >&2\\nexit 1\\n' >/usr/local/bin/java
chmod 755 /usr/local/bin/sudo /usr/local/bin/java
update-alternatives --install /usr/bin/java java /usr/local/bin/java 999999
sed -i /localhost/d /etc/hosts
chmod 664 /etc/hosts
chgrp adm /etc/hosts
mount -t tmpfs -o noexec tmpfs /tmp";

/// vm3: fish as login shell; a Turkish host with settings for all units; root may not look into the processes of others, and
/// /etc/hosts is a mount that is made anew at each start, as in a container of Docker.
const VM3: &str = "set -e
exec >/dev/null 2>&1
apt-get -q -y install fish locales
usermod -s /usr/bin/fish student
mkdir -p ~student/.config/fish
printf 'umask 027\\necho hello\\n' >~student/.config/fish/config.fish
localedef -i tr_TR -f UTF-8 tr_TR.UTF-8
echo LANG=tr_TR.UTF-8 >/etc/default/locale
mkdir -p /etc/systemd/system.conf.d /etc/systemd/system/ssh.service.d
printf '[Manager]\\nDefaultLimitNOFILE=64\\nDefaultStandardOutput=null\\nDefaultEnvironment=LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 \
LC_CTYPE=tr_TR.UTF-8 \"JAVA_TOOL_OPTIONS=-Duser.language=tr\" _JAVA_OPTIONS=-Xmx1m JDK_JAVA_OPTIONS=-Xmx1m NODE_OPTIONS=--nonsense \
http_proxy=http://127.0.0.1:9 TMPDIR=/nowhere TZ=Asia/Kathmandu\\n' >/etc/systemd/system.conf.d/odd.conf
printf '[Service]\\nCapabilityBoundingSet=~CAP_SYS_PTRACE\\n' >/etc/systemd/system/ssh.service.d/odd.conf
printf '[Unit]\\nDefaultDependencies=no\\nAfter=local-fs.target\\nBefore=basic.target\\n[Service]\\nType=oneshot\\nRemainAfterExit=yes\\n\
ExecStart=/bin/sh -c \"cp /srv/fresh /run/hosts; mount --bind /run/hosts /etc/hosts\"\\n[Install]\\nWantedBy=sysinit.target\\n' \
    >/etc/systemd/system/fresh-hosts.service
systemctl enable fresh-hosts
systemctl daemon-reexec
systemctl start fresh-hosts
systemctl restart ssh
mount -t tmpfs -o noexec tmpfs /tmp";

/// Kind, mode and owner of /etc/hosts and of what it leads to, and its text.
const HOSTS: &str =
    "stat -c '%F %a %U %G' /etc/hosts; stat -L -c '%F %a %U %G' /etc/hosts; cat /etc/hosts";

#[tokio::test(flavor = "multi_thread")]
async fn hosts_as_their_owners_have_them() {
    if !may_run("existing: hosts_as_their_owners_have_them") {
        return;
    }
    let hosts = Hosts::boot(&NODES).await;
    // vm2 is known by its second address, and speaks from its first.
    let second = hosts.address("vm2").rsplit_once('.').expect("an address");
    let second = format!("{}.1{:0>2}", second.0, second.1);
    let entry = |node: &str| {
        let private = if node == "vm2" {
            second.as_str()
        } else {
            hosts.address(node)
        };
        let entry = hosts.entry(node);
        let open = entry.trim_end_matches([' ', '}']);
        format!("      {node}: {open}, private_address: {private} }}\n")
    };
    let clouds = format!(
        "clouds:\n  existing:\n    hosts:\n{}",
        NODES.map(entry).concat()
    );
    let user = Product::new(&format!(
        "name: odd\ncloud: existing\nnodes:\n  vm1: {{ roles: [producer] }}\n  vm2: {{ roles: [zookeeper, kafka, consumer] }}\n  \
         vm3: {{ roles: [kafka] }}\nproducer: {{ count: 5, interval: 100ms }}\n\
         topics: {{ settings: {{ compression.type: zstd }} }}\n{FILES}{clouds}"
    ));
    what_cannot_work_is_refused(&hosts, &user);
    std::thread::scope(|scope| {
        for (node, own) in [("vm1", VM1), ("vm2", VM2), ("vm3", VM3)] {
            let hosts = &hosts;
            scope.spawn(move || hosts.root(node, &format!("{EVERYWHERE}\n{own}")));
        }
    });
    hosts.root("vm2", &format!("ip address add {second}/24 dev host0"));
    let before = NODES.map(|node| hosts.root(node, HOSTS));

    user.expect(0, &["check"]);
    let up = user.expect(0, &["up", "--yes", "--wait"]);
    assert!(up.out.contains(PROOF), "{}", up.out);
    // The canaries' topic is not compressed, but the events' is: on a broker that may execute nothing below /tmp.
    assert_eq!(user.documents("utilizations1"), 5);
    every_unit_has_its_own_environment(&hosts);
    let status = user.expect(0, &["status", "--json"]).out;
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let figures = &status["nodes"]["vm2"]["agents"]["consumer"];
    assert!(figures.is_object(), "{status}");

    // H12: what listens is known to be ours.
    user.expect(0, &["up", "--yes"])
        .says(&["3 nodes, nothing to do"]);
    hosts.root("vm3", "apt-get -q -y install zsh >/dev/null 2>&1; usermod -s /usr/bin/zsh student; echo 'echo hello; umask 077' >~student/.zshenv");
    user.expect(0, &["up", "--yes"])
        .says(&["3 nodes, nothing to do"]);

    closed_directories_are_opened(&hosts, &user);
    names_come_back_at_boot(&hosts, &user);

    user.expect(0, &["teardown", "--yes"])
        .says(&["nothing is left"]);
    for (node, before) in NODES.into_iter().zip(before) {
        assert_eq!(hosts.traces(node, "odd"), "", "{node}");
        assert_eq!(hosts.root(node, HOSTS), before, "{node}");
    }
}

/// Before any change, by whatever looks first, in words that say what to do.
fn what_cannot_work_is_refused(hosts: &Hosts, user: &Product) {
    let cases = [
        (
            "chattr +i /etc/hosts",
            "vm2: not even root can write /etc/hosts; is it immutable (`lsattr -d`; `chattr -i`",
            "chattr -i /etc/hosts",
        ),
        (
            "chattr +a /etc/hosts",
            "vm2: not even root can write /etc/hosts",
            "chattr -a /etc/hosts",
        ),
        (
            "mount --bind /etc /etc && mount -o remount,bind,ro /etc",
            "vm2: not even root can write /etc, /etc/systemd/system, /etc/hosts",
            "umount /etc",
        ),
        (
            "mount -t tmpfs -o size=20m tmpfs /opt",
            "vm2: has 20 MiB free below /opt, its software needs",
            "umount /opt",
        ),
        (
            "mount -t tmpfs -o noexec tmpfs /opt",
            "vm2: nothing can be executed below /opt: it is mounted with `noexec`; `mount -o remount,exec`",
            "umount /opt",
        ),
    ];
    for (make, words, unmake) in cases {
        hosts.root("vm2", make);
        assert!(user.expect(1, &["check"]).out.contains(words), "{make}");
        for verb in [&["plan"][..], &["up", "--yes"]] {
            user.expect(1, verb).says(&[words, "nothing was changed"]);
        }
        hosts.root("vm2", unmake);
    }
    // A start-up file that goes elsewhere.
    let exec = "exec true\n";
    hosts.root("vm1", &format!("printf '{exec}' >~student/.bashrc"));
    user.expect(1, &["up", "--yes"]).says(&[
        "vm1: the login's shell does not run what it is told",
        "A start-up file of that login",
    ]);
    for node in NODES {
        assert_eq!(hosts.traces(node, "odd"), "", "{node}");
    }
}

/// O5 and its kind: nothing of what the host sets for all units reaches one of ours.
fn every_unit_has_its_own_environment(hosts: &Hosts) {
    // Root's logins may not look into processes there; a unit may.
    let inside = |script: &str| {
        let run = format!("systemd-run --quiet --pipe --wait sh -c '{script}'");
        hosts.root("vm3", &run)
    };
    let unit = "odd-kafka";
    let process = hosts.root("vm3", &format!("systemctl show -p MainPID --value {unit}"));
    let environment = inside(&format!("tr \"\\000\" \"\\n\" </proc/{process}/environ"));
    for own in ["LANG=C.UTF-8", "LC_ALL=C.UTF-8", "PATH=/usr/local/sbin:"] {
        let mut lines = environment.lines();
        assert!(
            lines.any(|line| line.starts_with(own)),
            "{own}: {environment}"
        );
    }
    for other in ["JAVA", "NODE", "proxy", "TMPDIR", "TZ="] {
        assert!(!environment.contains(other), "{unit}: {environment}");
    }
    let limits = inside(&format!("grep \"open files\" /proc/{process}/limits"));
    // As many as this box gives, not the host's default.
    let soft = limits
        .split_whitespace()
        .nth(3)
        .and_then(|n| n.parse::<u32>().ok());
    assert!(soft > Some(10_000), "{unit}: {limits}");
    let said = hosts.root("vm3", &format!("journalctl -q -n 1 -u {unit}"));
    assert!(!said.is_empty(), "{unit} says nothing");
    let java = hosts.root(
        "vm2",
        "readlink -f /proc/$(systemctl show -p MainPID --value odd-kafka)/exe",
    );
    assert!(java.starts_with("/usr/lib/jvm/java-"), "{java}");
}

/// H1: modes of the directories around ours are seen, said and mended, and no service begins that cannot read its files.
fn closed_directories_are_opened(hosts: &Hosts, user: &Product) {
    hosts.root("vm3", "chmod 750 /etc/deployer /opt/deployer/odd/bin");
    let failed = hosts.attempt("vm3", "systemctl restart odd-kafka");
    assert!(!failed.status.success());
    let said = hosts.root(
        "vm3",
        "journalctl --sync; journalctl -u odd-kafka -n 50 -o cat",
    );
    assert!(
        said.contains("/etc/deployer/odd/kafka/") && said.contains("Permission denied"),
        "{said}"
    );
    let plan = user.expect(2, &["plan"]).out;
    assert!(
        plan.contains("/etc/deployer: mode 0750 instead of 0755"),
        "{plan}"
    );
    let up = user.expect(0, &["up", "--yes"]).out;
    assert!(up.contains("proven"), "{up}");
    user.expect(0, &["up", "--yes"]).says(&["nothing to do"]);
}

/// H13: a start that makes /etc/hosts anew costs no name.
fn names_come_back_at_boot(hosts: &Hosts, user: &Product) {
    hosts.reboot("vm3");
    eventually("all is well", || {
        let status = user.run(&["status"]);
        (status.code == 0).then_some(()).ok_or(status.out)
    });
    assert!(
        hosts
            .root("vm3", "cat /etc/hosts")
            .contains("vm2.odd.internal")
    );
    user.expect(0, &["up", "--yes"]).says(&["nothing to do"]);
}
