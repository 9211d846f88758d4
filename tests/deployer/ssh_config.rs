//! The generated SSH configuration, as ssh itself reads it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use deployer::host::ssh_config;
use deployer::machine::SshAccess;

use crate::sshd;

/// What ssh itself makes of a configuration.
fn resolved(config: &str, host: &str) -> BTreeMap<String, String> {
    let file = tempfile::NamedTempFile::new().expect("file");
    fs::write(file.path(), config).expect("written");
    let output = sshd::command(Path::new("ssh"))
        .arg("-G")
        .arg("-F")
        .arg(file.path())
        .arg(host)
        .output()
        .expect("ssh");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

fn by_address(address: &str) -> SshAccess {
    SshAccess {
        address: address.into(),
        user: None,
        port: None,
        key: None,
        host_key: None,
        jump: None,
    }
}

#[test]
fn an_alias_of_the_user_keeps_its_own_settings() {
    let directory = tempfile::tempdir().expect("directory");
    let own = directory.path().join("my config");
    let theirs = "Host lab\n HostName 10.1.2.3\n ProxyJump bastion\n User bob\n Port 2200\nHost *\n RequestTTY force\n LocalForward 1 x:1\n";
    fs::write(&own, theirs).expect("written");
    let nodes = [
        (
            "vm1".to_owned(),
            SshAccess {
                user: Some("alice".into()),
                ..by_address("lab")
            },
        ),
        (
            "vm2".to_owned(),
            SshAccess {
                port: Some(22),
                ..by_address("10.9.9.9")
            },
        ),
        (
            "vm3".to_owned(),
            SshAccess {
                port: Some(23),
                ..by_address("10.9.9.9")
            },
        ),
    ]
    .into();
    let config =
        ssh_config::render(&nodes, &directory.path().join("known 100%"), &[&own]).expect("fits");
    let vm1 = resolved(&config, ssh_config::destination("vm1", &nodes));
    let value = |key: &str| vm1.get(key).map(String::as_str);
    assert_eq!(value("hostname"), Some("10.1.2.3"));
    assert_eq!(value("proxyjump"), Some("bastion"));
    assert_eq!(value("port"), Some("2200"));
    assert_eq!(
        value("user"),
        Some("alice"),
        "what the inventory says comes first"
    );
    assert_eq!(value("requesttty"), Some("false"));
    assert_eq!(value("batchmode"), Some("yes"));
    // Nodes that share an address differ by their names.
    let vm3 = resolved(&config, ssh_config::destination("vm3", &nodes));
    assert_eq!(
        (vm3["hostname"].as_str(), vm3["port"].as_str()),
        ("10.9.9.9", "23")
    );
}

#[test]
fn a_known_host_key_is_vouched_for_by_our_file_alone() {
    let nodes = [(
        "vm1".to_owned(),
        SshAccess {
            host_key: Some("ssh-ed25519 AAAA comment".into()),
            ..by_address("fd00::1")
        },
    )]
    .into();
    let config =
        ssh_config::render(&nodes, Path::new("/state dir/100%/known_hosts"), &[]).expect("fits");
    let vm1 = resolved(&config, "fd00::1");
    assert_eq!(vm1["hostkeyalias"], "vm1");
    assert_eq!(vm1["userknownhostsfile"], "/state dir/100%/known_hosts");
    assert_eq!(vm1["globalknownhostsfile"], "none");
    assert_eq!(vm1["stricthostkeychecking"], "true");
    assert_eq!(
        ssh_config::known_hosts(&nodes).expect("fits"),
        "vm1 ssh-ed25519 AAAA\n"
    );
}

#[test]
fn values_that_would_be_read_otherwise_are_refused() {
    let fits = |access: SshAccess| {
        ssh_config::render(&[("vm1".to_owned(), access)].into(), Path::new("/k"), &[]).is_ok()
    };
    assert!(fits(by_address("10.0.0.1")));
    assert!(fits(by_address("fe80::1%eth0")));
    for address in [
        "",
        "-oProxyCommand=x",
        "a b",
        "a\nProxyCommand x",
        "*",
        "!lab",
        "a,b",
        "user@host",
    ] {
        assert!(!fits(by_address(address)), "{address:?}");
    }
    assert!(fits(SshAccess {
        key: Some("/home/me/my keys/id, new".into()),
        ..by_address("h")
    }));
    assert!(!fits(SshAccess {
        key: Some("/a\"\nProxyCommand x".into()),
        ..by_address("h")
    }));
    assert!(!fits(SshAccess {
        user: Some("bob -o".into()),
        ..by_address("h")
    }));
}
