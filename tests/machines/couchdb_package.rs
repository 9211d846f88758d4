//! CouchDB's Debian package from a package repository: what stands in the way is said, and what is there already is left alone.
//! On a machine without curl, wget and gnupg, with a small package that behaves like Apache's.

use std::collections::BTreeMap;
use std::time::Duration;

use deployer::component::couchdb::package::{OLDEST, PACKAGE};
use deployer::host::{Command, Connector, Host, Input};
use deployer::machine::Machine;
use deployer::run::Executor as _;
use deployer::run::apply::HostExecutor;
use deployer::signing_key::SigningKey;
use deployer::step::{Action, Content, FromRepository};

use crate::internet::{Internet, Key, Page, stand_in_package};
use crate::support::{Deployment, may_run};

/// What the package is answered that nobody else may know.
const COOKIE: &str = "erlangs-own-word";

/// A machine with an open shell.
struct Node {
    executor: HostExecutor,
    /// The key that repositories should be signed by.
    key: String,
}

impl Node {
    async fn connect(
        deployment: &Deployment,
        machines: &BTreeMap<String, Machine>,
        key: &Key,
    ) -> Self {
        let directory = deployment.directory();
        let connector = Connector::new(machines, directory, None, directory).expect("prepared");
        let connected = connector.connect(&machines["vm"], Duration::from_mins(1), &|_| {});
        let host: Box<dyn Host> = connected.await.expect("connected");
        Self {
            executor: HostExecutor::new([("vm".to_owned(), host)].into()),
            key: SigningKey::read(&key.public()).expect("a key").armoured(),
        }
    }

    /// Does an action; the error's words.
    async fn act(&self, action: Action) -> Result<(), String> {
        let done = self.executor.apply("vm", &action, &|_| {}).await;
        done.map_err(|error| error.to_string())
    }

    async fn install(&self, repository: &str) -> Result<(), String> {
        self.act(Action::InstallFromRepository(self.wanted(repository)))
            .await
    }

    fn wanted(&self, repository: &str) -> FromRepository {
        let answers = format!(
            "couchdb couchdb/mode select none\ncouchdb couchdb/mode seen true\n\
             couchdb couchdb/cookie string {COOKIE}\ncouchdb couchdb/cookie seen true\n"
        );
        FromRepository {
            software: "CouchDB".into(),
            package: PACKAGE.into(),
            place: "/opt/couchdb".into(),
            oldest: OLDEST.into(),
            because: "does not know our kind of password".into(),
            other_key: "couchdb: { repository_key: FILE }".into(),
            repository: repository.into(),
            key: Content::open(self.key.clone()),
            answers: Content::secret(answers),
            forgotten: vec!["couchdb/cookie".into()],
        }
    }

    /// Where the repository is written down.
    fn sources(&self) -> String {
        self.wanted("").sources()
    }

    /// What a script prints; it has to succeed.
    async fn says(&self, script: &str) -> String {
        let command = Command {
            program: "sh".into(),
            arguments: vec!["-c".into(), format!("exec 2>&1; {script}")],
            input: Input::Nothing,
            timeout: Duration::from_mins(2),
            root: true,
        };
        let output = self.executor.host("vm").expect("a host").run(&command);
        let output = output.await.expect("run");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert_eq!(output.status, 0, "{script}: {text}");
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_installed_from_a_repository_that_is_what_it_should_be() {
    if !may_run("a_package_is_installed_from_a_repository_that_is_what_it_should_be") {
        return;
    }
    let files = tempfile::tempdir().expect("a directory");
    let (internet, key, other) = (Internet::new(), Key::new(), Key::new());
    let new = stand_in_package(files.path(), "3.5.0~test");
    let old = stand_in_package(files.path(), "3.3.3~test");
    let mut deployment = Deployment::new(&["vm"]);
    deployment.wanted.packages.clear();
    let node = Node::connect(&deployment, &deployment.up().await, &key).await;
    let suite = node.says(". /etc/os-release; echo $VERSION_CODENAME").await;
    let good = internet.put_repository("good", &suite, &key, &[&new]);
    node.says("DEBIAN_FRONTEND=noninteractive apt-get -q -y purge curl wget gnupg")
        .await;
    node.says("! command -v curl && ! command -v wget && ! command -v gpg")
        .await;
    refuses_wrong_answers(&node, &internet, &key, &other, &suite, &old).await;
    takes_the_hosts_own_source(&node, &key, &good, &suite).await;
    installs(&node, &good, &suite).await;
    keeps_the_packages_user(&node).await;
    node.executor.close(false).await.expect("closed");
    deployment.down().await;
}

/// Each wrong answer has its words, and leaves apt as it was.
async fn refuses_wrong_answers(
    node: &Node,
    internet: &Internet,
    key: &Key,
    other: &Key,
    suite: &str,
    old: &std::path::Path,
) {
    let at = |place: &str| format!("{}/{place}", internet.base);
    let page = Page::Body(b"<!doctype html><title>Reactivate your server</title>".to_vec());
    internet.put("/page", page.clone());
    for file in ["InRelease", "Release"] {
        let path = format!("/away/dists/{suite}/{file}");
        internet.put(path, Page::Moved(at("page")));
    }
    let unsigned = format!("Origin: test\nSuite: {suite}\nCodename: {suite}\n");
    internet.put(
        format!("/unsigned/dists/{suite}/Release"),
        Page::Body(unsigned.into_bytes()),
    );
    let stranger = internet.put_repository("stranger", suite, other, &[]);
    let empty = internet.put_repository("empty", suite, key, &[]);
    let outdated = internet.put_repository("old", suite, key, &[old]);
    for (repository, why) in [
        (at("away"), "sends no signed Release"),
        (at("unsigned"), "sends no signed Release"),
        (at("nothing"), "has no packages for"),
        (
            stranger,
            "`couchdb: { repository_key: FILE }` names its own",
        ),
        (empty, "has no package couchdb"),
        (outdated, "offers CouchDB 3.3.3~test"),
        ("http://127.0.0.1:9".to_owned(), "cannot be read from here"),
    ] {
        let refused = node.install(&repository).await.expect_err(&repository);
        assert!(
            refused.contains(why),
            "{repository}: `{why}` is not in\n{refused}"
        );
        node.says(&format!("! test -e {}", node.sources())).await;
        node.says("apt-get indextargets >/dev/null").await;
    }
    node.says("! dpkg-query -W -f '${Status}' couchdb 2>/dev/null | grep -q ' installed'")
        .await;
}

/// As the official documents say: another keyring for the same address.
async fn takes_the_hosts_own_source(node: &Node, key: &Key, good: &str, suite: &str) {
    let public = String::from_utf8(key.public()).expect("armour");
    let keyring = "/usr/share/keyrings/couchdb-archive-keyring.asc";
    for (name, source) in [
        (
            "couchdb.list",
            format!("deb [signed-by={keyring}] {good}/ {suite} main"),
        ),
        (
            "couchdb.sources",
            format!(
                "Types: deb\nURIs: {good}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring}"
            ),
        ),
    ] {
        let path = format!("/etc/apt/sources.list.d/{name}");
        node.says(&format!(
            "printf '%s' '{public}' >{keyring}; printf '{source}\\n' >{path}"
        ))
        .await;
        node.install(good)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let ours = node.says(&format!("cat {}", node.sources())).await;
        assert!(ours.contains(&path) && !ours.contains("\ndeb"), "{ours}");
        // apt of the whole host goes on.
        node.says("apt-get -q update").await;
        node.says(&format!(
            "systemctl unmask --runtime couchdb.service; DEBIAN_FRONTEND=noninteractive apt-get -q -y purge couchdb; rm -f {path} {}",
            node.sources()
        ))
        .await;
    }
}

async fn installs(node: &Node, good: &str, suite: &str) {
    node.install(good).await.expect("installed");
    let ours = node.says(&format!("cat {}", node.sources())).await;
    let wanted = format!(
        "# Written by deployer for {good}\ndeb [signed-by={}] {good} {suite} main",
        node.wanted("").keyring()
    );
    assert_eq!(ours, wanted);
    // Neither was it asked anything, nor did it start before our settings are there.
    node.says("! systemctl is-active -q couchdb.service").await;
    node.says("systemctl unmask --runtime couchdb.service && systemctl start couchdb.service")
        .await;
    // Nor does debconf, whose files everybody may read, know what is secret; the rest of its answers count at an upgrade.
    node.says(&format!("! grep -r {COOKIE} /var/cache/debconf"))
        .await;
    node.says("debconf-show couchdb | grep -q 'couchdb/mode: none'")
        .await;
    // Again, because the source is gone: what runs is not masked.
    node.says(&format!("rm -f {}", node.sources())).await;
    node.install(good).await.expect("installed again");
    assert_eq!(
        node.says("systemctl show -p LoadState --value couchdb.service")
            .await,
        "loaded"
    );
    node.says("systemctl is-active -q couchdb.service").await;
}

/// The package stays after a teardown, and so does who owns its files; a user whose package is gone goes.
async fn keeps_the_packages_user(node: &Node) {
    let user = || Action::RemoveUser {
        user: "couchdb".into(),
    };
    node.says("systemctl stop couchdb.service").await;
    node.act(user()).await.expect("done");
    let owner = "stat -c %U /opt/couchdb/etc";
    assert_eq!(node.says(owner).await, "couchdb");
    node.says("useradd --system next").await;
    assert_eq!(node.says(owner).await, "couchdb");
    node.says("DEBIAN_FRONTEND=noninteractive apt-get -q -y purge couchdb")
        .await;
    node.act(user()).await.expect("done");
    node.says("! getent passwd couchdb").await;
}
