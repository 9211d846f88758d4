//! Nodes that fetch Kafka by themselves, for real on this machine: what they get is what the operator's box would have sent.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use deployer::artifact::cache::Cache;
use deployer::artifact::download::Deadlines;
use deployer::artifact::jars::{self, Source, Sources};
use deployer::artifact::program::Program;
use deployer::component::Artifact;
use deployer::component::artifact::{Jars, Tarball};
use deployer::run::Executor as _;
use deployer::run::apply::HostExecutor;
use deployer::step::{Access, Action};
use sha2::{Digest as _, Sha512};
use tempfile::{TempDir, tempdir};

use crate::here::executor;
use crate::loopback::{Answer, Server, nobody};

const PATH: &str = "/kafka/0.0.1/kafka_2.13-0.0.1.tgz";

/// As Apache packs it, with all that is not wanted.
fn tarball() -> Vec<u8> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for name in [
        "bin/kafka-server-start.sh",
        "libs/zookeeper-3.jar",
        "libs/kafka_2.13-0.0.1.jar",
        "libs/connect-runtime-0.0.1.jar",
        "libs/kafka-streams-0.0.1.jar",
        "libs/rocksdbjni-7.jar",
        "libs/notes.txt",
        "site-docs/libs/deep.jar",
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(name.len() as u64);
        header.set_mode(0o644);
        let path = format!("kafka_2.13-0.0.1/{name}");
        archive
            .append_data(&mut header, path, name.as_bytes())
            .unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn sources(mirror: Option<&str>, apache: &[&str]) -> Sources {
    Sources {
        jars: Jars {
            title: "Kafka",
            project: "kafka",
            version: "0.0.1".into(),
            tarball: Some(Tarball {
                name: "kafka_2.13-0.0.1".into(),
                sha512: hex::encode(Sha512::digest(tarball())).to_uppercase(),
                left_out: &["connect-", "kafka-streams-", "rocksdbjni-"],
                mirror: mirror.map(Into::into),
            }),
            pom: "",
            maven_list: String::new(),
        },
        apache: apache.iter().copied().map(Into::into).collect(),
        maven: Program::maven(),
        deadlines: Deadlines::default(),
    }
}

/// One that acts on this machine with another file to send than what is fetched.
async fn node() -> Option<(HostExecutor, TempDir)> {
    let mut executor = executor().await?;
    let directory = tempdir().unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, "libs/sent.jar", "sent".as_bytes())
        .unwrap();
    let file = directory.path().join("sent.tar");
    std::fs::write(&file, archive.into_inner().unwrap()).unwrap();
    executor.set_artifacts([("kafka".to_owned(), file)].into());
    Some((executor, directory))
}

fn unpack(artifact: &Artifact, path: &Path) -> Action {
    Action::UnpackArchive {
        artifact: "kafka".into(),
        identity: artifact.identity.clone(),
        path: path.display().to_string(),
        access: Access::root("root", 0o755),
        download: artifact.download.clone(),
        programs: Vec::new(),
    }
}

/// Does it; what was said on the way.
async fn told(executor: &HostExecutor, action: &Action) -> String {
    let lines = Mutex::new(Vec::new());
    let line = |text: &str| lines.lock().unwrap().push(text.to_owned());
    executor.apply("here", action, &line).await.unwrap();
    lines.into_inner().unwrap().join("\n")
}

/// Path → mode and text of all that lies in a directory.
fn listed(directory: &Path) -> BTreeMap<PathBuf, (u32, String)> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.metadata().unwrap();
            let text = if meta.is_dir() {
                open.push(path.clone());
                String::new()
            } else {
                std::fs::read_to_string(&path).unwrap()
            };
            let name = path.strip_prefix(directory).unwrap().to_owned();
            found.insert(name, (meta.permissions().mode() & 0o777, text));
        }
    }
    found
}

#[tokio::test]
async fn what_a_node_fetches_is_what_would_have_been_sent() {
    let Some((mut executor, directory)) = node().await else {
        return;
    };
    let server = Server::start([(PATH, Answer::Body(tarball()))]).await;
    let sources = sources(Some(&server.base), &[]);
    let artifact = sources.artifact(Source::Apache);
    let fetched = directory.path().join("opt/fetched");
    let action = unpack(&artifact, &fetched);
    told(&executor, &action).await;
    assert_eq!(server.requests(), [PATH]);
    // It is there: neither fetched nor sent again.
    told(&executor, &action).await;
    assert_eq!(server.requests(), [PATH]);

    let cache = Cache::new(directory.path().join("cache"));
    let (source, file) = jars::fetch(&cache, &sources, None, &|_| {}).await.unwrap();
    assert_eq!(source, Source::Apache);
    executor.set_artifacts([("kafka".to_owned(), file)].into());
    let sent = directory.path().join("opt/sent");
    let without = Artifact {
        download: None,
        ..artifact
    };
    told(&executor, &unpack(&without, &sent)).await;
    let names: Vec<String> = listed(&sent)
        .keys()
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(
        names,
        [
            ".deployer-artifact",
            ".deployer-list",
            ".deployer-sums",
            "libs",
            "libs/kafka_2.13-0.0.1.jar",
            "libs/zookeeper-3.jar"
        ]
    );
    // The lists name when each file was written, here.
    let but_lists = |directory: &Path| {
        let mut files = listed(directory);
        files.remove(Path::new(".deployer-list"));
        files
    };
    assert_eq!(but_lists(&fetched), but_lists(&sent));
    let beside = std::fs::read_dir(directory.path().join("opt")).unwrap();
    assert_eq!(beside.count(), 2, "something lies beside them");
}

#[tokio::test]
async fn a_source_that_fails_leads_to_the_next_one() {
    let Some((executor, directory)) = node().await else {
        return;
    };
    let wrong = Server::start([(PATH, Answer::Body(b"a login page".to_vec()))]).await;
    let missing = Server::start([]).await;
    let banned = Server::start([(PATH, Answer::Status("403 Forbidden"))]).await;
    let refused = nobody().await;
    let good = Server::start([(PATH, Answer::Body(tarball()))]).await;
    let all = [
        missing.base.as_str(),
        &banned.base,
        &refused,
        &good.base,
        &good.base,
    ];
    let artifact = sources(Some(&wrong.base), &all).artifact(Source::Apache);
    let path = directory.path().join("opt/kafka");
    let said = told(&executor, &unpack(&artifact, &path)).await;
    assert!(
        said.contains(&format!(
            "{}{PATH}: sent something else than is pinned",
            wrong.base
        )),
        "{said}"
    );
    // That a server has it no more is nothing to worry about while another has it.
    let of_it = said.lines().filter(|line| line.contains(&missing.base));
    let of_it: Vec<&str> = of_it.collect();
    assert_eq!(
        of_it,
        [format!("fetching {}{PATH}", missing.base)],
        "{said}"
    );
    assert!(
        said.contains(&format!(
            "{}{PATH}: gives nothing to this address (HTTP 403)",
            banned.base
        )),
        "{said}"
    );
    assert!(listed(&path).contains_key(Path::new("libs/zookeeper-3.jar")));
    assert_eq!(good.requests(), [PATH]);
}

#[tokio::test]
async fn where_no_source_serves_it_is_sent() {
    let Some((executor, directory)) = node().await else {
        return;
    };
    let half = Server::start([(PATH, Answer::Half(tarball()))]).await;
    let artifact = sources(None, &[&half.base]).artifact(Source::Apache);
    let path = directory.path().join("opt/kafka");
    let said = told(&executor, &unpack(&artifact, &path)).await;
    assert!(
        said.ends_with("the node cannot fetch it itself, so it is sent"),
        "{said}"
    );
    let names: Vec<PathBuf> = listed(&path).into_keys().collect();
    assert_eq!(
        names,
        [
            ".deployer-artifact",
            ".deployer-list",
            ".deployer-sums",
            "libs",
            "libs/sent.jar"
        ]
        .map(PathBuf::from)
    );
    let beside = std::fs::read_dir(directory.path().join("opt")).unwrap();
    assert_eq!(beside.count(), 1, "something lies beside it");
}

#[test]
fn only_one_open_file_can_be_fetched() {
    let secret = sources(
        Some("https://me:secret@mirror.example"),
        &["https://apache.example/"],
    );
    let download = secret.artifact(Source::Apache).download.unwrap();
    assert_eq!(
        download.addresses,
        [format!("https://apache.example{PATH}")]
    );
    assert_eq!(secret.artifact(Source::Maven).download, None);
}
