//! Files that go to one machine and from there to its neighbours, on machines that really are two.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use deployer::host::{Command, Connector, Host, Input};
use deployer::machine::Machine;
use deployer::run::Executor as _;
use deployer::run::apply::{HostExecutor, Relays};
use deployer::step::{Access, Action, Download, sha256};
use futures_util::future::join_all;
use sha2::{Digest as _, Sha512};

use crate::internet::{Internet, Page};
use crate::support::{Deployment, may_run};

const NODES: [&str; 3] = ["one", "three", "two"];

async fn connect(deployment: &Deployment, machines: &BTreeMap<String, Machine>) -> HostExecutor {
    let directory = deployment.directory();
    let connector = Connector::new(machines, directory, None, directory).expect("prepared");
    let mut hosts: BTreeMap<String, Box<dyn Host>> = BTreeMap::new();
    for machine in machines.values() {
        let host = connector.connect(machine, Duration::from_mins(1), &|_| {});
        hosts.insert(machine.node.clone(), host.await.expect("connected"));
    }
    let addresses = machines.values().map(|machine| {
        let (network, address) = machine.networks.iter().next().expect("a network");
        (machine.node.clone(), (network.clone(), *address))
    });
    let mut executor = HostExecutor::new(hosts);
    executor.set_relays(Relays {
        addresses: addresses.collect(),
        artifacts: ["kafka".to_owned(), "consumer".to_owned()].into(),
    });
    executor
}

/// Does it on all at the same time; what each said.
async fn told(executor: &HostExecutor, action: &Action) -> BTreeMap<&'static str, String> {
    let queues = NODES.map(|node| async move {
        let lines = Mutex::new(Vec::new());
        let line = |text: &str| lines.lock().expect("lines").push(text.to_owned());
        let done = executor.apply(node, action, &line).await;
        done.unwrap_or_else(|error| panic!("{node}: {action:?}: {error}"));
        (node, lines.into_inner().expect("lines").join("\n"))
    });
    join_all(queues).await.into_iter().collect()
}

async fn says(executor: &HostExecutor, node: &str, script: &str) -> String {
    let command = Command {
        program: "sh".into(),
        arguments: vec!["-c".into(), script.into()],
        input: Input::Nothing,
        timeout: Duration::from_mins(1),
        root: true,
    };
    let host = executor.host(node).expect("a host");
    let output = host.run(&command).await.expect("run");
    String::from_utf8(output.stdout).expect("text")
}

fn archive(path: &Path) {
    let mut archive = tar::Builder::new(std::fs::File::create(path).expect("a file"));
    let body = vec![7; 5_000_000];
    let mut header = tar::Header::new_gnu();
    header.set_size(body.len() as u64);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, "libs/big.jar", body.as_slice())
        .expect("an entry");
    archive.finish().expect("an archive");
}

fn unpack(identity: &str) -> Action {
    Action::UnpackArchive {
        artifact: "kafka".into(),
        identity: identity.into(),
        path: "/opt/deployer/test/kafka".into(),
        access: Access::root("root", 0o755),
        download: None,
        programs: Vec::new(),
    }
}

const STATE: &str = "cd /opt/deployer/test && find . -type f -printf '%M %U %P\\n' | sort && find . -type f -exec sha256sum {} + | sort";
const TRACES: &str = "systemctl list-units --all --plain --no-legend 'deployer-relay*'; ls -A /var/tmp /opt/deployer/test";

/// What another user of a node tries with what lies there for neighbours.
const TRY: &str = "for file in $(find /var/tmp/deployer-relay* -type f 2>/dev/null); do echo seen; \
     for user in nobody root; do \
         runuser -u $user -- sh -c 'exec 2>/dev/null; touch \"$0\" && echo $1 writes; touch \"${0%/*}/more\" && echo $1 adds' $file $user; \
     done; rm ${file%/*}/more; done";

/// Nobody but root changes what neighbours will get, or adds to it.
async fn is_left_alone(executor: &HostExecutor) {
    let mut said = String::new();
    for node in NODES {
        said += &says(executor, node, TRY).await;
    }
    println!("relay | {said:?}");
    assert!(said.contains("seen\nroot writes\nroot adds\n"), "{said}");
    assert!(!said.contains("nobody"), "{said}");
}

/// How many of the nodes were served by a neighbour.
fn served(said: &BTreeMap<&str, String>) -> usize {
    said.values()
        .filter(|lines| lines.contains("fetching from "))
        .count()
}

/// What somebody else publishes is fetched by one of them, from the server that has it; that another has it no more is no alarm.
async fn one_fetches_for_all(executor: &HostExecutor) {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o644);
    let jar = "kafka/libs/a.jar";
    archive
        .append_data(&mut header, jar, &b"jar"[..])
        .expect("an entry");
    let packed = archive
        .into_inner()
        .and_then(flate2::write::GzEncoder::finish)
        .expect("an archive");
    let internet = Internet::new();
    let sha512 = hex::encode(Sha512::digest(&packed));
    internet.put("/archive/kafka.tgz", Page::Body(packed));
    let Action::UnpackArchive {
        artifact,
        identity,
        path,
        access,
        programs,
        ..
    } = unpack("kafka fetched")
    else {
        panic!("no archive");
    };
    let action = Action::UnpackArchive {
        artifact,
        identity,
        path,
        access,
        programs,
        download: Some(Download {
            addresses: ["cdn", "archive"]
                .map(|place| format!("{}/{place}/kafka.tgz", internet.base))
                .into(),
            sha512,
            wanted: "*/libs/*.jar".into(),
            left_out: Vec::new(),
        }),
    };
    let said = told(executor, &action).await;
    assert_eq!(internet.asked("/archive/kafka.tgz"), 1, "{said:#?}");
    assert_eq!(internet.asked("/cdn/kafka.tgz"), 1, "{said:#?}");
    for node in NODES {
        assert_eq!(
            says(executor, node, "cat /opt/deployer/test/kafka/libs/a.jar").await,
            "jar",
            "{said:#?}"
        );
        assert!(
            !said[node].contains("could not") && !said[node].contains("sent"),
            "{said:#?}"
        );
    }
}

#[tokio::test]
async fn a_file_is_sent_once_and_goes_on_from_there() {
    if !may_run("a file for several machines is sent once") {
        return;
    }
    let packages = ["curl", "nftables", "python3"];
    let deployment = Deployment::with_packages(&NODES, &packages);
    let machines = deployment.up().await;
    let files = tempfile::tempdir().expect("a directory");
    let (tar, program) = (
        files.path().join("kafka.tar"),
        files.path().join("consumer"),
    );
    archive(&tar);
    let text = "#!/bin/sh\necho consumer\n".repeat(10_000);
    std::fs::write(&program, &text).expect("written");
    let artifacts: BTreeMap<_, _> = [
        ("kafka".to_owned(), tar.clone()),
        ("consumer".to_owned(), program),
    ]
    .into();
    let upload = Action::UploadFile {
        artifact: "consumer".into(),
        sha256: sha256(text.as_bytes()),
        path: "/opt/deployer/test/bin/consumer".into(),
        access: Access::root("root", 0o755),
    };

    let mut executor = connect(&deployment, &machines).await;
    executor.set_artifacts(artifacts.clone());
    for action in [&unpack("kafka 1"), &upload] {
        let said = told(&executor, action).await;
        assert_eq!(served(&said), 2, "{said:#?}");
        is_left_alone(&executor).await;
        // It is there: neither sent nor fetched again.
        let said = told(&executor, action).await;
        assert_eq!(served(&said), 0, "{said:#?}");
    }
    let mut states = Vec::new();
    for node in NODES {
        states.push(says(&executor, node, STATE).await);
    }
    assert!(
        states[0].contains("-rwxr-xr-x 0 bin/consumer"),
        "{}",
        states[0]
    );
    assert!(states[0].contains("libs/big.jar"), "{}", states[0]);
    assert!(
        states.iter().all(|state| *state == states[0]),
        "{states:#?}"
    );
    executor.close(false).await.expect("closed");

    // Nothing of it is left on any of them.
    let mut executor = connect(&deployment, &machines).await;
    for node in NODES {
        assert_eq!(
            says(&executor, node, TRACES).await,
            "/opt/deployer/test:\nbin\nkafka\n\n/var/tmp:\n",
            "{node}"
        );
    }

    executor.set_artifacts(artifacts.clone());
    one_fetches_for_all(&executor).await;

    // Neighbours that cannot reach each other get it from this box.
    for node in NODES {
        let closed = "nft add table inet closed && nft add chain inet closed in '{ type filter hook input priority 0; }' \
                      && nft add rule inet closed in iifname host0 tcp dport 61000-65000 reject";
        says(&executor, node, closed).await;
    }
    let said = told(&executor, &unpack("kafka 2")).await;
    let sent = said
        .values()
        .filter(|lines| lines.contains("does not give it") && lines.ends_with("so it is sent"));
    assert_eq!(sent.count(), 2, "{said:#?}");
    executor.close(false).await.expect("closed");

    // So do those of a machine that cannot serve.
    let mut executor = connect(&deployment, &machines).await;
    executor.set_artifacts(artifacts);
    for node in NODES {
        says(&executor, node, "chmod -x /usr/bin/python3*").await;
    }
    let said = told(&executor, &unpack("kafka 3")).await;
    assert_eq!(served(&said), 0, "{said:#?}");
    let cannot = said
        .values()
        .filter(|lines| lines.contains("cannot give it to its neighbours"));
    assert_eq!(cannot.count(), 1, "{said:#?}");
    for node in NODES {
        let marker = says(
            &executor,
            node,
            "cat /opt/deployer/test/kafka/.deployer-artifact",
        )
        .await;
        assert_eq!(marker, "kafka 3\n", "{node}");
    }
    executor.close(false).await.expect("closed");
    deployment.down().await;
}
