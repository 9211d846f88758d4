//! Actions of a plan on a real machine: systemd, packages, users, names and the firewall; and what `ask` says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use deployer::facts::{Facts, Query};
use deployer::host::{Command, Connector, Host, HostError, Input};
use deployer::machine::{self, Machine};
use deployer::run::apply::HostExecutor;
use deployer::run::{Executor, StepError};
use deployer::step::{Access, Action, Content, Item, Manifest, loaded_record, sha256};
use deployer::{firewall, hosts_table};

use crate::support::{Deployment, may_run};

const NODE: &str = "a-1";
const UNIT: &str = "deployer-test.service";

/// A service as ours are: it records what it reads, then listens.
const SERVICE: &str = "\
[Unit]
Description=A test
[Service]
ExecStartPre=/bin/sh -c 'mkdir -p /run/deployer; sha256sum /etc/deployer-test.conf >/run/deployer/deployer-test.service.loaded'
ExecStart=/usr/bin/perl /etc/deployer-test.conf
Restart=no
[Install]
WantedBy=multi-user.target
";

/// Listens a moment after it was started, as servers do.
const LISTENS: &str = "use Socket; sleep 1; socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(7777, INADDR_ANY)) or die; listen(S, 5); sleep 1000;";

async fn connect(deployment: &Deployment, machine: &Machine) -> Box<dyn Host> {
    let machines: BTreeMap<String, Machine> = [(NODE.to_owned(), machine.clone())].into();
    let directory = deployment.directory();
    let connector = Connector::new(&machines, directory, None, directory).expect("prepared");
    connector
        .connect(machine, Duration::from_secs(30), &|_| {})
        .await
        .expect("connected")
}

async fn does(executor: &HostExecutor, action: Action) {
    executor
        .apply(NODE, &action, &|_| {})
        .await
        .unwrap_or_else(|error| panic!("{action:?}: {error}"));
}

/// Doing it twice is doing it once.
async fn does_twice(executor: &HostExecutor, action: Action) {
    does(executor, action.clone()).await;
    does(executor, action).await;
}

async fn ask(executor: &HostExecutor) -> Facts {
    let query = Query {
        disks: ["/var/lib/deployer/not-yet".to_owned()].into(),
        files: [
            ("/etc/deployer-test.conf".to_owned(), true),
            (firewall::rules_path("deployer-test"), true),
        ]
        .into(),
        units: [
            UNIT.to_owned(),
            firewall::unit("deployer-test"),
            "ssh.service".into(),
        ]
        .into(),
        packages: ["nftables".into(), "jq".into()].into(),
        users: ["deployer-test".to_owned()].into(),
        tables: ["deployer-test".to_owned()].into(),
        deployment: "test".into(),
        ..Query::default()
    };
    executor.ask(NODE, &query).await.expect("an answer")
}

fn shell(script: &str, root: bool) -> Command {
    Command {
        program: "sh".into(),
        arguments: vec!["-c".into(), script.into()],
        input: Input::Nothing,
        timeout: Duration::from_mins(1),
        root,
    }
}

async fn says(executor: &HostExecutor, script: &str) -> String {
    let host = executor.host(NODE).expect("a host");
    let output = host.run(&shell(script, true)).await.expect("run");
    assert_eq!(
        output.status,
        0,
        "{script}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

async fn write(executor: &HostExecutor, path: &str, text: &str) {
    let (path, content) = (path.into(), Content::open(text));
    does_twice(
        executor,
        Action::WriteFile {
            path,
            content,
            access: Access::root("root", 0o644),
            judge: None,
        },
    )
    .await;
}

fn start(finishes: Option<&str>) -> Action {
    Action::StartUnit {
        unit: UNIT.into(),
        reads: BTreeMap::new(),
        finishes: finishes.map(Into::into),
        foreign: false,
    }
}

#[tokio::test]
async fn actions_do_what_they_say_and_undo_leaves_nothing() {
    if !may_run("actions on a machine") {
        return;
    }
    let deployment = Deployment::new(&[NODE]);
    deployment.image().await;
    let machines = deployment.up().await;
    let host = connect(&deployment, &machines[NODE]).await;
    let executor = HostExecutor::new([(NODE.to_owned(), host)].into());
    let before = says(
        &executor,
        "cat /etc/hosts; ls -A /etc /etc/systemd/system /run",
    )
    .await;

    let manifest = Manifest {
        version: Manifest::VERSION,
        id: "1a2b3c4d5e6f".into(),
        deployment: "test".into(),
        node: NODE.into(),
        items: vec![Item::Unit { unit: UNIT.into() }],
        packages: BTreeSet::new(),
    };
    does_twice(
        &executor,
        Action::WriteManifest {
            manifest: manifest.clone(),
        },
    )
    .await;
    services(&executor).await;
    users_and_packages(&executor).await;
    names_and_firewall(&executor, &machines[NODE]).await;

    let facts = ask(&executor).await;
    assert_eq!(facts.manifest, Some(manifest));
    assert!(
        facts.units["ssh.service"].runs() && facts.units["ssh.service"].enabled,
        "{:?}",
        facts.units
    );
    assert_eq!(facts.ports[&22], "ssh.service");

    for path in [
        "/etc/deployer-test.conf",
        "/etc/systemd/system/deployer-test.service",
    ] {
        does_twice(&executor, Action::RemoveFile { path: path.into() }).await;
    }
    does_twice(
        &executor,
        Action::RemoveDirectory {
            path: "/etc/deployer/test".into(),
            data: false,
        },
    )
    .await;
    for path in ["/etc/deployer", "/run/deployer"] {
        does_twice(
            &executor,
            Action::RemoveEmptyDirectory { path: path.into() },
        )
        .await;
    }
    let facts = ask(&executor).await;
    assert!(
        !facts.units[UNIT].loaded && facts.users.is_empty() && facts.manifest.is_none(),
        "{facts:?}"
    );
    assert_eq!(
        says(
            &executor,
            "cat /etc/hosts; ls -A /etc /etc/systemd/system /run"
        )
        .await,
        before
    );
    executor.close(false).await.expect("closed");

    by_sudo(&deployment, &machines[NODE]).await;
    deployment.down().await;
}

async fn services(executor: &HostExecutor) {
    write(
        executor,
        "/etc/systemd/system/deployer-test.service",
        SERVICE,
    )
    .await;
    write(executor, "/etc/deployer-test.conf", LISTENS).await;
    does(executor, start(None)).await;
    let wait = Action::WaitForPort {
        port: 7777,
        unit: UNIT.into(),
        seconds: 20,
    };
    let began = Instant::now();
    does_twice(executor, wait.clone()).await;
    println!("waited {:.2} s for the port", began.elapsed().as_secs_f64());
    let first = ask(executor).await;
    let unit = &first.units[UNIT];
    assert!(
        unit.runs() && unit.enabled && unit.loaded && unit.main_pid > 0,
        "{unit:?}"
    );
    assert_eq!(
        unit.reads,
        BTreeMap::from([(
            "/etc/deployer-test.conf".to_owned(),
            sha256(LISTENS.as_bytes())
        )])
    );
    assert_eq!(first.ports[&7777], UNIT);
    does(executor, start(None)).await;
    assert_ne!(
        ask(executor).await.units[UNIT].main_pid,
        unit.main_pid,
        "it was not restarted"
    );

    // B21: a socket of somebody else's is no sign of ours.
    says(executor, "systemd-run --quiet --unit=deployer-nobody --uid=nobody sleep 100; perl -e 'use Socket; socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(7779, INADDR_ANY)); listen(S, 5); fork and exit; close STDOUT; close STDERR; sleep 20'").await;
    let other = Action::WaitForPort {
        port: 7779,
        unit: "deployer-nobody.service".into(),
        seconds: 2,
    };
    let error = executor
        .apply(NODE, &other, &|_| {})
        .await
        .expect_err("it is not its");
    assert!(
        matches!(&error, StepError::Deadline { output, .. } if output.iter().any(|line| line.contains("port 7779 is held by another process"))),
        "{error:?}"
    );
    says(executor, "systemctl stop deployer-nobody; pkill -f [7]779").await;

    // What cannot run says why, and nobody waits for its port.
    write(
        executor,
        "/etc/deployer-test.conf",
        "die 'no such setting';",
    )
    .await;
    let error = executor
        .apply(NODE, &start(None), &|_| {})
        .await
        .expect_err("it dies");
    assert!(
        matches!(&error, StepError::Failed { output, .. } if output.iter().any(|line| line.contains("no such setting"))),
        "{error}"
    );
    let began = Instant::now();
    let error = executor
        .apply(NODE, &wait, &|_| {})
        .await
        .expect_err("it is dead");
    assert!(
        matches!(&error, StepError::Failed { command, .. } if command == UNIT),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(5));

    // What ends well is healthy only where it may end.
    write(executor, "/etc/deployer-test.conf", "exit 0;").await;
    does(executor, start(Some("/var/lib/state.json"))).await;
    executor
        .apply(NODE, &start(None), &|_| {})
        .await
        .expect_err("it should stay");

    does_twice(executor, Action::StopUnit { unit: UNIT.into() }).await;
    let facts = ask(executor).await;
    assert!(!facts.units[UNIT].runs() && !facts.units[UNIT].enabled);
    assert_eq!(
        says(executor, &format!("ls {} 2>&1 || :", loaded_record(UNIT)))
            .await
            .lines()
            .count(),
        1
    );
    does_twice(
        executor,
        Action::StopUnit {
            unit: "deployer-test-nowhere.service".into(),
        },
    )
    .await;
}

async fn users_and_packages(executor: &HostExecutor) {
    does_twice(
        executor,
        Action::CreateUser {
            user: "deployer-test".into(),
            home: "/var/lib/x".into(),
            packaged: false,
        },
    )
    .await;
    assert_eq!(
        ask(executor).await.users,
        BTreeSet::from(["deployer-test".to_owned()])
    );
    does_twice(
        executor,
        Action::RemoveUser {
            user: "deployer-test".into(),
        },
    )
    .await;

    let lines = Mutex::new(Vec::new());
    let tell = |line: &str| lines.lock().expect("lock").push(line.to_owned());
    let install = Action::InstallPackages {
        packages: vec!["nftables".into(), "no-such-package | jq".into()],
    };
    executor
        .apply(NODE, &install, &tell)
        .await
        .expect("installed");
    assert!(
        lines
            .into_inner()
            .expect("lock")
            .iter()
            .any(|line| line == "installing jq")
    );
    assert!(ask(executor).await.packages.contains("jq"));
    let began = Instant::now();
    does(executor, install).await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "installed packages need no apt"
    );
    let none = Action::InstallPackages {
        packages: vec!["no-such-package | no-such-other".into()],
    };
    let error = executor
        .apply(NODE, &none, &|_| {})
        .await
        .expect_err("there is none");
    assert!(
        error
            .to_string()
            .contains("no package can be installed for: no-such-package | no-such-other"),
        "{error}"
    );
}

async fn names_and_firewall(executor: &HostExecutor, machine: &Machine) {
    says(executor, "mkdir /etc/cloud").await;
    let own = *machine.networks.values().next().expect("an address");
    let entries: BTreeMap<_, _> = [("a-1.test.internal".to_owned(), Some(own))].into();
    let table = Action::WriteHostsTable {
        block: "test".into(),
        entries: entries.clone(),
    };
    does_twice(executor, table).await;
    assert_eq!(
        ask(executor).await.hosts_block,
        Some(hosts_table::block_text(&entries))
    );
    assert!(
        says(executor, "getent hosts a-1.test.internal")
            .await
            .contains(&own.to_string())
    );
    assert_eq!(
        says(executor, "ls /etc/cloud/cloud.cfg.d").await,
        "99-deployer-test.cfg\n"
    );
    does_twice(
        executor,
        Action::RemoveHostsTable {
            block: "test".into(),
        },
    )
    .await;
    assert_eq!(says(executor, "ls /etc/cloud/cloud.cfg.d").await, "");
    says(executor, "rm -r /etc/cloud").await;

    // The box is no member: it may use ssh, but not our port.
    says(executor, "perl -e 'use Socket; socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(7778, INADDR_ANY)); listen(S, 5); fork and exit; close STDOUT; close STDERR; sleep 60'").await;
    let open = || {
        std::net::TcpStream::connect_timeout(&(own, 7778).into(), Duration::from_millis(500))
            .is_ok()
    };
    assert!(open(), "nothing keeps the box out yet");
    let guard = |members: &[&str]| Action::WriteFirewall {
        table: "deployer-test".into(),
        ports: [7778].into(),
        members: members
            .iter()
            .map(|address| ((*address).to_owned(), address.parse().ok()))
            .collect(),
    };
    does_twice(executor, guard(&["192.0.2.1"])).await;
    let facts = ask(executor).await;
    assert!(
        facts.tables["deployer-test"].untouched
            && facts.units[&firewall::unit("deployer-test")].enabled,
        "{facts:?}"
    );
    assert!(!open(), "the firewall lets everybody in");
    says(
        executor,
        &format!(
            "perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr => \"{own}:7778\")'"
        ),
    )
    .await;
    does_twice(
        executor,
        Action::RemoveFirewall {
            table: "deployer-test".into(),
        },
    )
    .await;
    assert!(open() && ask(executor).await.tables.is_empty());
}

/// A login that is not root's.
async fn by_sudo(deployment: &Deployment, machine: &Machine) {
    let root = connect(deployment, machine).await;
    let make = "useradd -m -s /bin/sh bob && mkdir ~bob/.ssh && cp ~/.ssh/authorized_keys ~bob/.ssh && chown -R bob ~bob/.ssh && command -v sudo";
    let prepared = root.run(&shell(make, true)).await.expect("run");
    assert_eq!(
        prepared.status,
        0,
        "{}",
        String::from_utf8_lossy(&prepared.stderr)
    );
    let mut bobs = machine.clone();
    if let machine::Access::Ssh(access) = &mut bobs.access {
        access.user = Some("bob".into());
    }
    let bob = connect(deployment, &bobs).await;
    let error = bob
        .run(&shell("id -u", true))
        .await
        .expect_err("he may not");
    assert!(matches!(error, HostError::Sudo { .. }), "{error}");
    let allow = "echo 'bob ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/bob";
    assert_eq!(root.run(&shell(allow, true)).await.expect("run").status, 0);
    let output = bob
        .run(&shell("id -u; echo $LC_ALL; kill -9 $$", true))
        .await
        .expect("run");
    assert_eq!(
        (output.status, &*output.stdout),
        (137, &b"0\nC.UTF-8\n"[..])
    );
    assert_ne!(
        bob.run(&shell("id -u", false)).await.expect("run").stdout,
        b"0\n"
    );
    let slow = Command {
        timeout: Duration::from_millis(500),
        ..shell("echo $$ >/tmp/slow; exec sleep 99", true)
    };
    assert!(matches!(
        bob.run(&slow).await,
        Err(HostError::CommandTimeout { .. })
    ));
    let alive = bob
        .run(&shell("kill -0 $(cat /tmp/slow)", true))
        .await
        .expect("run");
    assert_ne!(alive.status, 0, "it still runs");
    bob.close(false).await.expect("closed");

    // What the base of an unchanged `up` costs the node.
    let executor = HostExecutor::new([(NODE.to_owned(), root)].into());
    let query = Query {
        deployment: "test".into(),
        ..Query::default()
    };
    let began = Instant::now();
    for _ in 0..20 {
        executor.ask(NODE, &query).await.expect("an answer");
    }
    println!(
        "a base question takes {:.1} ms",
        began.elapsed().as_secs_f64() * 1000.0 / 20.0
    );
    executor.close(false).await.expect("closed");
}
