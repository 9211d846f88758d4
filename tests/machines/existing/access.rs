//! Ways to hosts: each failure by its own words and in bounded time, and what the user's own configuration says.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::hosts::Hosts;
use super::product::Product;
use crate::support::{may_run, succeed};

/// Two nodes without roles; `spare` is as told.
fn inventory(hosts: &Hosts, spare: &str) -> String {
    format!(
        "name: ways\ncloud: existing\nnodes: {{ good: {{}}, spare: {{}} }}\n\
         clouds: {{ existing: {{ hosts: {{ good: {}, spare: {{ {spare} }} }} }} }}\n",
        hosts.entry("good")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_apart() {
    if !may_run("existing: failures_are_told_apart") {
        return;
    }
    let hosts = Hosts::boot(&["good", "spare"]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let wrong = directory.path().join("wrong");
    let wrong = wrong.to_str().expect("a plain path");
    succeed(
        "ssh-keygen",
        &["-q", "-t", "ed25519", "-N", "", "-f", wrong],
    );
    let open = directory.path().join("open");
    std::fs::copy(hosts.key(), &open).expect("a copy");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).expect("a mode");

    let key = hosts.key().display().to_string();
    let address = hosts.address("spare").to_owned();
    let nobody = address.rsplit_once('.').expect("an address").0.to_owned() + ".250";
    let host_key = hosts.host_key("spare");
    let entry = |address: &str, user: &str, key: &str, host_key: &str| {
        format!("address: {address}, user: {user}, key: {key}, host_key: \"{host_key}\"")
    };
    let cases = [
        (
            "wrong key",
            entry(&address, "student", wrong, &host_key),
            1,
            &[
                "does not accept the login",
                "student@",
                "next: spare: check `user:` and `key:`",
            ][..],
        ),
        (
            "wrong user",
            entry(&address, "teacher", &key, &host_key),
            1,
            &["does not accept the login", "teacher@"],
        ),
        (
            "no sudo",
            entry(&address, "guest", &key, &host_key),
            1,
            &[
                "spare: no root rights by `sudo -n` (sudo: a password is required)",
                "passwordless sudo",
            ],
        ),
        (
            "nobody there",
            entry(&nobody, "student", &key, &host_key),
            1,
            &["spare: no answer from", "is it powered on"],
        ),
        (
            "no sshd",
            entry(&address, "student", &key, &host_key) + ", port: 2222",
            1,
            &[":2222 refused the connection", "is its sshd running"],
        ),
        (
            "changed host key",
            entry(&address, "student", &key, &hosts.host_key("good")),
            1,
            &[
                "is not the expected one",
                "make sure it is the machine you mean",
            ],
        ),
        (
            "unknown host key",
            format!("address: {address}, user: student, key: {key}"),
            1,
            &[
                "is not known, so it is not trusted",
                "compare its key, or give it as `host_key:`",
            ],
        ),
        (
            "no key file",
            entry(&address, "student", "/nowhere/key", &host_key),
            64,
            &["clouds.existing.hosts.spare.key: there is no file /nowhere/key"],
        ),
        (
            "open key file",
            entry(
                &address,
                "student",
                open.to_str().expect("a plain path"),
                &host_key,
            ),
            64,
            &["can be read by others (mode 0644)", "chmod 600"],
        ),
    ];
    for (what, spare, code, words) in cases {
        let user = Product::new(&inventory(&hosts, &spare));
        println!("{what}:");
        let up = user.expect(code, &["up", "--yes"]);
        up.says(words);
        assert!(up.took < Duration::from_secs(25), "{what}: {:?}", up.took);
    }
    for host in ["good", "spare"] {
        assert_eq!(hosts.traces(host, "ways"), "", "{host}");
    }
    the_users_own_configuration(&hosts);
}

/// An alias behind another host: user, key, jump and known hosts come from `~/.ssh/config` alone.
fn the_users_own_configuration(hosts: &Hosts) {
    let user = Product::new(&inventory(hosts, "address: backroom"));
    let directory = user.home().join(".ssh");
    let (gate, inside) = (hosts.address("good"), hosts.address("spare"));
    // Only the other host reaches it: the alias is of use by its jump alone.
    let shut = "nft add table inet shut; nft add chain inet shut in '{ type filter hook input priority 0; }'";
    hosts.root(
        "spare",
        "apt-get -q -y install nftables >/dev/null 2>&1; command -v nft",
    );
    hosts.root(
        "spare",
        &format!("{shut}; nft add rule inet shut in ip saddr != {gate} tcp dport 2200 drop; nft list tables"),
    );
    hosts.root(
        "spare",
        "printf 'Port 22\\nPort 2200\\n' >/etc/ssh/sshd_config.d/ports.conf; systemctl restart ssh; ss -Htln sport = :2200 | grep -q .",
    );
    let known = format!(
        "{gate} {}\n[{inside}]:2200 {}\n",
        hosts.host_key("good"),
        hosts.host_key("spare")
    );
    std::fs::write(directory.join("known"), known).expect("known hosts");
    let configuration = format!(
        "Host backroom\n  HostName {inside}\n  Port 2200\n  ProxyJump gate\nHost gate\n  HostName {gate}\n\
         Host *\n  User student\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n",
        hosts.key().display(),
        directory.join("known").display()
    );
    std::fs::write(directory.join("config"), configuration).expect("a configuration");
    user.expect(0, &["up", "--yes"]);
    assert!(
        hosts
            .root("spare", "cat /etc/hosts")
            .contains("good.ways.internal")
    );
    assert!(
        hosts
            .root("good", "cat /etc/hosts")
            .contains(&format!("{inside} spare.ways.internal"))
    );
    user.expect(0, &["up"]).says(&["nothing to do"]);
    // Another one in its place is refused, by the words of the known hosts.
    let machine = hosts.machine("spare");
    machine.swap_host_key();
    let ended = machine
        .inside()
        .args(["pkill", "-u", "student", "sshd"])
        .status();
    assert!(ended.expect("pkill runs").success(), "its sessions");
    for words in [&["up", "--yes"][..], &["plan"], &["status"]] {
        let ran = user.expect(1, words);
        let said = ran.out + &ran.err;
        assert!(said.contains("spare: the host key of"), "{said}");
        assert!(said.contains("is not the expected one"), "{said}");
    }
    user.expect(1, &["up", "--yes"]).says(&[
        "next: spare: make sure it is the machine you mean",
        "set its `host_key:` or mend your known_hosts",
    ]);
    machine.swap_host_key();
    user.expect(0, &["up", "--yes"]).says(&["nothing to do"]);
    user.expect(0, &["teardown", "--yes"]);
    for host in ["good", "spare"] {
        assert_eq!(hosts.traces(host, "ways"), "", "{host}");
    }
}
