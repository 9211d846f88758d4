//! Answers as nodes gave them, and what is read from them.

use std::time::{Duration, UNIX_EPOCH};

use super::Exchange;
use super::answer::parse;
use crate::facts::{Facts, Query};
use crate::step::sha256;

const HEAD: &str = "\
@clock
1795252626868830523
@machine
x86_64
@libc
glibc 2.36
@memory
MemTotal:       24684096 kB
@disk
16286212 4096
@software
512 4096
rw,nosuid,noexec,relatime
@unwritable
/etc/hosts
";

const OS: &str = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
const HOSTS: &str =
    "127.0.0.1 localhost\n# deployer test begin\n10.0.0.2 vm2.test.internal\n# deployer test end\n";

fn exchange() -> Exchange {
    Exchange {
        asked_at: UNIX_EPOCH + Duration::from_secs(1_795_252_625),
        took: Duration::from_millis(2300),
    }
}

/// An answer with these sections and the two files that are always in it.
fn answer(sections: &str, hosts: &str) -> Vec<u8> {
    let files = format!(
        "@files\n81a4 {} root root 7:1.5 /etc/hosts\n81a4 {} root root 8:1.5 /etc/os-release\n@sums\n{}  /etc/hosts\n{}  /etc/os-release\n",
        HOSTS.len(),
        OS.len(),
        sha256(HOSTS.as_bytes()),
        sha256(OS.as_bytes())
    );
    let text = format!(
        "{HEAD}{sections}{files}@uptime\n100.00 102.20\n@texts\n{hosts}{OS}\n@pipeline\n{{\"kafka\":1}}"
    );
    text.into_bytes()
}

fn facts(query: Query, sections: &str) -> Facts {
    let query = Query {
        deployment: "test".into(),
        system: true,
        ..query
    };
    let (facts, whole) = parse(&query, &answer(sections, HOSTS), &exchange());
    assert!(whole);
    facts
}

#[test]
fn a_machine_is_told_from_its_clone_and_from_its_neighbour_in_one_kernel() {
    let identity = |boot: &str, start: &str, name: &str, id: &str| {
        let words = (3..22).map(|_| "0").collect::<Vec<_>>().join(" ");
        let said = format!("@self\n{boot}\n1 (system d) {words} {start} 1 2\n{name}\n{id}\n");
        facts(Query::default(), &said).identity
    };
    let one = identity("b1", "77", "vm1", "m1");
    assert_eq!(one, "b1 77 vm1 m1");
    for other in [
        identity("b2", "77", "vm1", "m1"),
        identity("b1", "78", "vm1", "m1"),
        identity("b1", "77", "vm2", "m1"),
        identity("b1", "77", "vm1", "m2"),
    ] {
        assert_ne!(one, other);
    }
    assert_eq!(identity("", "77", "vm1", "m1"), "", "not known");
    assert_eq!(facts(Query::default(), "").identity, "");
}

#[test]
fn the_system_and_its_clock() {
    let facts = facts(Query::default(), "");
    let system = facts.system;
    assert_eq!(
        (system.os.as_str(), system.version.as_str()),
        ("debian", "12")
    );
    assert_eq!(
        (system.codename.as_str(), system.libc.as_str()),
        ("bookworm", "2.36")
    );
    assert_eq!((system.memory_mib, system.disk_free_mib), (24105, 63618));
    assert_eq!(
        (system.software_free_mib, system.software_noexec),
        (Some(2), true)
    );
    assert_eq!(system.unwritable, ["/etc/hosts"]);
    // 2.3 s, of which 2.2 s were work: the clock was read at most 110 ms after the question left.
    assert_eq!(system.clock_skew_ms, 1758);
    assert_eq!(
        facts.hosts_block.as_deref(),
        Some("10.0.0.2 vm2.test.internal\n")
    );
    assert_eq!(facts.pipeline, Some(serde_json::json!({"kafka": 1})));
    assert!(facts.files.is_empty(), "nobody asked for files");
}

#[test]
fn units_with_what_they_read() {
    let query = Query {
        units: [
            "kafka.service".to_owned(),
            "sshd.service".into(),
            "none.service".into(),
        ]
        .into(),
        ..Query::default()
    };
    let sum = "a".repeat(64);
    let sections = format!(
        "@units\nNRestarts=3\nMainPID=0\nNames=kafka.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=enabled\n\n\
         NRestarts=0\nMainPID=0\nNames=none.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n\n\
         NRestarts=0\nMainPID=77\nNames=ssh.service sshd.service\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\n\
         @loaded\nkafka.service {sum}  /etc/with space/server.properties\nkafka.service not a sum\n"
    );
    let units = facts(query, &sections).units;
    let kafka = &units["kafka.service"];
    assert_eq!(
        (
            kafka.active.as_str(),
            kafka.restarts,
            kafka.enabled,
            kafka.runs()
        ),
        ("failed", 3, true, false)
    );
    assert_eq!(
        kafka.reads,
        [("/etc/with space/server.properties".to_owned(), sum)].into()
    );
    assert!(!units["none.service"].loaded);
    assert_eq!(units["sshd.service"].main_pid, 77, "found by its alias");
}

#[test]
fn packages_that_are_installed() {
    let wanted = ["bash", "gone", "kept", "none", "none | procps"].map(str::to_owned);
    let query = Query {
        packages: wanted.into(),
        ..Query::default()
    };
    let sections = "\
@packages
Package: bash
Essential: yes
Status: install ok installed
Priority: required
--
Package: gone
Status: deinstall ok config-files
Priority: optional
Section: web
--
Package: kept
Status: hold ok installed
Priority: optional
Section: web
--
Package: procps
Status: install ok half-installed
Priority: optional
--
Package: procps
Status: install ok installed
";
    assert_eq!(
        facts(query, sections).packages,
        ["bash", "kept", "none | procps"].map(str::to_owned).into()
    );
}

#[test]
fn ports_with_their_units() {
    let query = || Query {
        units: ["kafka.service".to_owned()].into(),
        ..Query::default()
    };
    let sections = "\
@ports
LISTEN 0      128          0.0.0.0:22        0.0.0.0:*    users:((\"sshd\",pid=10,fd=3))
LISTEN 0      50     [::ffff:10.0.0.2%eth0]:9092 *:* users:((\"java\",pid=11,fd=99),(\"java\",pid=12,fd=1))
LISTEN 0      50                 *:5000            *:*
@groups
10 1:name=systemd:/system.slice/ssh.service
11 0::/system.slice/kafka.service/inner
";
    let ports = facts(query(), sections).ports;
    let expected = [(22, "ssh.service"), (5000, ""), (9092, "kafka.service")];
    assert_eq!(
        ports,
        expected
            .map(|(port, owner)| (port, owner.to_owned()))
            .into()
    );

    // Without `ss`: what the kernel says.
    let sections = "\
@sockets
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
";
    assert_eq!(
        facts(query(), sections).ports,
        [(9092, String::new())].into()
    );
}

/// H12: a container's root may not look into the processes of others.
#[test]
fn ports_whose_processes_are_hidden_are_known_by_their_users() {
    let query = || Query {
        units: ["t-couchdb.service".to_owned(), "t-kafka.service".into()].into(),
        ..Query::default()
    };
    let units = "\
@units
UID=997
Names=t-couchdb.service

UID=[not set]
Names=t-kafka.service

";
    let sections = format!(
        "{units}@ports
LISTEN 0 128 0.0.0.0:5984 0.0.0.0:* uid:997 ino:1 sk:1 cgroup:/ <->
LISTEN 0 128 0.0.0.0:9092 0.0.0.0:* uid:998 ino:1 sk:2 cgroup:/system.slice/other.service <->
LISTEN 0 128 0.0.0.0:2181 0.0.0.0:* ino:1 sk:3 cgroup:unreachable:1 <->
"
    );
    let owners = [
        (2181, ""),
        (5984, "t-couchdb.service"),
        (9092, "other.service"),
    ];
    let owners = owners.map(|(port, owner)| (port, owner.to_owned()));
    assert_eq!(facts(query(), &sections).ports, owners.into());

    let sections = format!(
        "{units}@sockets
   0: 00000000:1760 00000000:0000 0A 00000000:00000000 00:00000000 00000000   997        0 1 1 0 100 0 0 10 0
"
    );
    let owner = [(5984, "t-couchdb.service".to_owned())];
    assert_eq!(facts(query(), &sections).ports, owner.into());
}

#[test]
fn addresses_that_stay() {
    let sections = "\
@addresses
2: eth0    inet 10.0.0.5/24 brd 10.0.0.255 scope global eth0\\       valid_lft forever preferred_lft forever
2: eth0    inet 10.0.0.50/24 scope global secondary eth0\\       valid_lft forever preferred_lft forever
2: eth0    inet6 fd00::5/64 scope global dynamic mngtmpaddr\\       valid_lft 86000sec preferred_lft 14000sec
2: eth0    inet6 fd00::1234/64 scope global temporary dynamic\\       valid_lft 86000sec preferred_lft 14000sec
";
    let addresses = facts(Query::default(), sections).addresses;
    let addresses: Vec<String> = addresses
        .iter()
        .map(|(address, interface)| format!("{address} {interface}"))
        .collect();
    assert_eq!(
        addresses,
        ["10.0.0.5 eth0", "10.0.0.50 eth0", "fd00::5 eth0"]
    );
}

#[test]
fn what_agents_answer_at_their_ports() {
    let query = Query {
        figures: [9441, 9442, 9443].into(),
        ..Query::default()
    };
    let sections = "\
@figures 9441
HTTP/1.1 200 OK\r
\r
{\"wrong\":[]}

@figures 9442

";
    let figures = facts(query, sections).figures;
    assert_eq!(figures.keys().copied().collect::<Vec<_>>(), [9441]);
    assert_eq!(
        figures[&9441].trim_end(),
        "HTTP/1.1 200 OK\n\n{\"wrong\":[]}"
    );
}

#[test]
fn rules_software_and_disks() {
    let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    let query = Query {
        archives: paths(&["/opt/a", "/opt/b", "/opt/c", "/opt/gone"]),
        disks: paths(&["/srv/data one", "/var/lib/x"]),
        ..Query::default()
    };
    let (listed, none, other) = (
        "table inet x {\n\tchain y {\n\t}\n}\n",
        sha256(b""),
        "b".repeat(64),
    );
    let sum = sha256(listed.as_bytes());
    let sections = format!(
        "@table kept {other} {sum}\n{listed}@table flushed {other} {other}\n{listed}@table unknown  \n{listed}\
         @table gone {other} {none}\n\
         @archive /opt/a\n@archive /opt/b\nchanged\n@archive /opt/c\nchanged\n./libs/x.jar: FAILED open or read\n./y: FAILED\n\
         @disks\nAvail 1M-blocks IFree Inodes Mounted on\n   3M     60M 10 99 /srv/data one\n 900M 1000M 0 0 /var\n"
    );
    let facts = facts(query, &sections);
    let tables: Vec<(&str, bool)> = facts
        .tables
        .iter()
        .map(|(table, fact)| (table.as_str(), fact.untouched))
        .collect();
    assert_eq!(
        tables,
        [("flushed", false), ("kept", true), ("unknown", false)]
    );
    assert_eq!(facts.tables["kept"].rules, other);
    let archives: Vec<(&str, &str)> = facts
        .archives
        .iter()
        .map(|(path, damage)| (path.as_str(), damage.as_str()))
        .collect();
    assert_eq!(
        archives,
        [
            ("/opt/a", ""),
            ("/opt/b", "its files are not those that were unpacked"),
            ("/opt/c", "changed or gone: libs/x.jar, y"),
        ]
    );
    assert_eq!(
        facts.disks["/srv/data one"].full().as_deref(),
        Some("the disk at /srv/data one is full: 3 of 60 MiB are free")
    );
    // A file system that counts no inodes has some.
    assert_eq!(facts.disks["/var/lib/x"].full(), None);
}

#[test]
fn an_answer_that_does_not_fit_together_is_not_whole() {
    let query = Query {
        deployment: "test".into(),
        system: true,
        ..Query::default()
    };
    let changed = HOSTS.replace("10.0.0.2", "10.0.0.3");
    let (facts, whole) = parse(&query, &answer("", &changed), &exchange());
    assert!(
        !whole && facts.hosts_block.is_none(),
        "a text is only believed with its checksum"
    );
    assert_eq!(facts.system.os, "debian");
    let longer = format!("{HOSTS}more\n");
    assert!(!parse(&query, &answer("", &longer), &exchange()).1);
    let mut cut = answer("", HOSTS);
    cut.truncate(cut.len() - 100);
    assert!(!parse(&query, &cut, &exchange()).1);
    assert!(!parse(&query, b"", &exchange()).1);
}
