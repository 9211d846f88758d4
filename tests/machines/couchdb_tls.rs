//! A real CouchDB where security is on, seen by clients that no one here wrote: curl and `openssl s_client`. Each row is an attempt
//! that fails beside a control that succeeds, and the test prints the table.

#![expect(
    clippy::disallowed_methods,
    reason = "tests run the box's own programs"
)]

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::deployer_command::{Deployer, subtest};
use crate::real_couchdb::real_couchdb;
use crate::support::{eventually, may_run};
use crate::watch::{Documents, address, restarted, units, well, whole_run};

const PLAIN: u16 = 5984;
const TLS: u16 = 6984;

/// What a client on the box knows of CouchDB.
struct Outsider {
    directory: PathBuf,
    host: String,
    address: IpAddr,
}

impl Outsider {
    fn new(deployer: &Deployer) -> Self {
        let secrets = deployer.secrets();
        let secret = |of: &str, key: &str| secrets[of][key].as_str().expect("a secret").to_owned();
        let outsider = Self {
            directory: deployer.directory.path().to_owned(),
            host: format!("vm1.{}.internal", deployer.name),
            address: address(deployer, "vm1"),
        };
        std::fs::write(outsider.ca(), secret("authority", "certificate")).expect("written");
        for (user, key) in [("admin", "admin_password"), ("consumer", "user_password")] {
            let password = secret("couchdb", key);
            let line = format!(
                "machine {} login {user} password {password}\n",
                outsider.host
            );
            std::fs::write(outsider.login(user), line).expect("written");
        }
        let line = format!(
            "machine {} login grader password {}\n",
            outsider.host,
            secret("passwords", "grader")
        );
        std::fs::write(outsider.login("grader"), line).expect("written");
        let wrong = format!("machine {} login consumer password wrong\n", outsider.host);
        std::fs::write(outsider.login("wrong"), wrong).expect("written");
        outsider
    }

    fn ca(&self) -> PathBuf {
        self.directory.join("authority.pem")
    }

    fn login(&self, user: &str) -> PathBuf {
        self.directory.join(format!("netrc-{user}"))
    }

    /// The status that curl gets as a user, with the deployment's authority; `None`: there is no answer.
    fn status(&self, user: Option<&str>, method: &str, path: &str, body: &str) -> Option<u16> {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "15"]);
        curl.arg("--cacert").arg(self.ca());
        curl.args([
            "--resolve",
            &format!("{}:{TLS}:{}", self.host, self.address),
        ]);
        curl.args(["-X", method, "-H", "content-type: application/json"]);
        if !body.is_empty() {
            curl.args(["-d", body]);
        }
        if let Some(user) = user {
            curl.arg("--netrc-file").arg(self.login(user));
        }
        curl.arg(format!("https://{}:{TLS}/{path}", self.host));
        let said = curl.output().expect("curl runs").stdout;
        let status = String::from_utf8(said)
            .expect("text")
            .parse()
            .expect("a status");
        (status != 0).then_some(status)
    }

    /// What `openssl s_client` says of a connection, with more options.
    fn openssl(&self, options: &[&str]) -> Output {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-verify_return_error", "-connect"]);
        openssl.arg(format!("{}:{TLS}", self.address)).args(options);
        openssl.stdin(Stdio::null()).output().expect("openssl runs")
    }
}

/// Whether something listens at a port, seen from the box.
fn is_open(address: IpAddr, port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::new(address, port), Duration::from_secs(3)).is_ok()
}

fn inventory(archive: &Path, security: &str) -> String {
    let users = match security {
        "on" => "users: { grader: { read_documents: [utilizations2] } }\n",
        _ => "",
    };
    format!(
        "{users}security: {security}\nnodes:\n  vm1: {{ roles: [zookeeper, kafka, couchdb] }}\n  vm2: {{ roles: [consumer, producer] }}\ntopics: {{ extra: {{ utilizations2: {{}} }} }}\n\
         kafka: {{ replication: 1 }}\ncouchdb: {{ distribution: archive, archive: \"{}\" }}\n\
         producer: {{ count: 200, interval: 20ms }}\n",
        archive.display()
    )
}

#[test]
fn a_real_couchdb_behind_tls() {
    if !may_run("a_real_couchdb_behind_tls") {
        return;
    }
    let Some(archive) = real_couchdb(".tar.gz", "CouchDB's TLS and rights") else {
        return;
    };
    let deployer = Deployer::new(&inventory(&archive, "on"));
    deployer
        .run(&["up", "--wait"])
        .code(0)
        .says(&["proven", "deployer open couchdb"]);
    well(&deployer);
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
    let outsider = Outsider::new(&deployer);
    subtest("behind TLS: ports", || ports(&deployer, &outsider));
    subtest("behind TLS: certificates", || certificates(&outsider));
    subtest("behind TLS: rights", || rights(&outsider));
    subtest("behind TLS: the agents' side", || {
        agents(&deployer, &outsider);
    });
    subtest("behind TLS: readers", || readers(&outsider));
    subtest("behind TLS: a reader that somebody deleted", || {
        a_reader_is_deleted(&deployer, &outsider);
    });
    subtest("behind TLS: the deployer's own verbs", || verbs(&deployer));
    subtest("behind TLS: off and on again loses nothing", || {
        for security in ["off", "on"] {
            deployer.write(&inventory(&archive, security));
            let before = units(&deployer);
            deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
            let again = restarted(&before, &units(&deployer));
            assert!(
                again.contains("vm1 couchdb") && again.contains("vm2 consumer"),
                "{again:?}"
            );
            assert_eq!(is_open(outsider.address, PLAIN), security == "off");
            assert_eq!(is_open(outsider.address, TLS), security == "on");
        }
        deployer.run(&["verify"]).code(0);
        whole_run(
            &Documents::new(&deployer, "vm1"),
            "utilizations1",
            "vm2",
            200,
            1,
        );
        well(&deployer);
    });
    subtest("behind TLS: at another port", || {
        let elsewhere = inventory(&archive, "on").replace("archive:", "tls_port: 7984, archive:");
        deployer.write(&elsewhere);
        let plan = deployer.run(&["plan"]).code(2);
        plan.says(&[
            "-url = \"https://",
            ":6984\"",
            ":7984\"",
            "wait for port 7984",
        ]);
        deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
        deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
        assert!(!is_open(outsider.address, TLS) && is_open(outsider.address, 7984));
    });
    deployer.teardown();
}

/// Plain text is for its own node alone.
fn ports(deployer: &Deployer, outsider: &Outsider) {
    let sockets = deployer.on(
        "vm1",
        &["ss -Hltnp | grep beam.smp | awk '{print $4}' | sort"],
    );
    assert_eq!(sockets, format!("*:{TLS}\n127.0.0.1:{PLAIN}\n"));
    assert!(!is_open(outsider.address, PLAIN) && is_open(outsider.address, TLS));
    let from = |node: &str, host: &str, port: u16| {
        let connects = format!(
            "timeout 5 bash -c '</dev/tcp/{host}/{port}' 2>/dev/null && echo open || echo closed"
        );
        deployer.on(node, &[&connects]).trim() == "open"
    };
    assert!(!from("vm2", &outsider.host, PLAIN) && from("vm2", &outsider.host, TLS));
    assert!(from("vm1", "127.0.0.1", PLAIN), "its own node");
    let url = format!("http://{}:{TLS}/_up", outsider.address);
    let plain = Command::new("curl").args(["-s", "-m", "10", &url]).status();
    assert!(!plain.expect("curl runs").success(), "plain text to TLS");
    // A tunnel ends at the port of plain text: a browser takes it without a word.
    let port = TcpStream::connect((outsider.address, TLS))
        .expect("open")
        .local_addr();
    let port = port.expect("an address").port().to_string();
    let tunnel = deployer.start(&["open", "couchdb", "--port", &port]);
    eventually("the tunnel is open", || {
        let url = format!("http://127.0.0.1:{port}/_up");
        let up = Command::new("curl").args(["-sf", "-m", "5", &url]).output();
        let up = up.expect("curl runs");
        up.status
            .success()
            .then_some(())
            .ok_or_else(|| "no answer".to_owned())
    });
    tunnel.interrupt();
    tunnel.finish();
}

/// The certificate holds against the deployment's authority and its node's name, and nothing else does.
fn certificates(outsider: &Outsider) {
    let ca = outsider.ca().display().to_string();
    let right = ["-CAfile", &ca, "-verify_hostname", &outsider.host];
    let with = |more: &[&'static str]| [&right[..], more].concat();
    for (what, options, good) in [
        ("the authority and the name", with(&[]), true),
        ("TLS 1.3", with(&["-tls1_3"]), true),
        ("TLS 1.2", with(&["-tls1_2"]), true),
        (
            "TLS 1.1",
            with(&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]),
            false,
        ),
        ("no authority", vec!["-CAfile", "/dev/null"], false),
        (
            "the system's authorities",
            vec!["-verify_hostname", &outsider.host],
            false,
        ),
        (
            "another name",
            vec!["-CAfile", &ca, "-verify_hostname", "vm2.other.internal"],
            false,
        ),
        ("its day after", with(&["-attime", "4102444800"]), false),
    ] {
        let said = outsider.openssl(&options);
        println!(
            "certificate | {what} | {}",
            if good { "taken" } else { "refused" }
        );
        assert_eq!(said.status.success(), good, "{what}: {said:?}");
    }
}

/// The agents' user has its databases and no more; what it may not, the administrator may.
fn rights(outsider: &Outsider) {
    let status = |user, method, path, body| outsider.status(user, method, path, body);
    let admin = Some("admin");
    for database in ["other", "other/document"] {
        assert_eq!(
            status(admin, "PUT", database, "{}"),
            Some(201),
            "{database}"
        );
    }
    let user = r#"{"name":"new","password":"x","roles":[],"type":"user"}"#;
    let security = r#"{"admins":{"names":["consumer"],"roles":[]},"members":{"names":["consumer"],"roles":[]}}"#;
    // The last is what the administrator gets; none: where that would change what the others need.
    for (method, path, body, control) in [
        ("GET", "_all_dbs", "", Some(200)),
        ("GET", "_dbs_info", "", Some(200)),
        ("GET", "_active_tasks", "", Some(200)),
        ("GET", "_node/_local/_config", "", Some(200)),
        ("GET", "_node/_local/_config/admins", "", Some(200)),
        ("GET", "_node/_local/_stats", "", Some(200)),
        ("GET", "_node/_local/_prometheus", "", Some(200)),
        (
            "PUT",
            "_node/_local/_config/log/level",
            "\"warning\"",
            Some(200),
        ),
        ("GET", "_users", "", Some(200)),
        ("GET", "_users/_all_docs", "", Some(200)),
        ("GET", "_users/org.couchdb.user:consumer", "", Some(200)),
        ("PUT", "_users/org.couchdb.user:new", user, Some(201)),
        ("PUT", "_users/_security", security, None),
        ("GET", "_replicator", "", Some(200)),
        ("GET", "_replicator/_all_docs", "", Some(200)),
        ("PUT", "_replicator/_security", security, None),
        (
            "POST",
            "_replicate",
            r#"{"source":"utilizations1","target":"other"}"#,
            None,
        ),
        ("GET", "other", "", Some(200)),
        ("GET", "other/_all_docs", "", Some(200)),
        ("GET", "other/document", "", Some(200)),
        ("PUT", "other/theirs", "{}", Some(201)),
        ("PUT", "new", "", Some(201)),
        ("DELETE", "new", "", Some(200)),
        ("PUT", "deployer-canaries/_design/theirs", "{}", Some(201)),
        ("PUT", "utilizations1/_security", security, None),
        ("PUT", "utilizations1/_revs_limit", "5", None),
        ("POST", "utilizations1/_compact", "", Some(202)),
        ("DELETE", "utilizations1", "", None),
    ] {
        let theirs = status(Some("consumer"), method, path, body);
        let nobodys = status(None, method, path, body);
        let ours = control.map(|_| status(admin, method, path, body));
        println!(
            "right | {method} {path} | consumer {theirs:?} | nobody {nobodys:?} | admin {ours:?}"
        );
        // CouchDB says 500 to a member who would change these two, and changes nothing.
        let refused = match path {
            "utilizations1/_security" | "utilizations1/_revs_limit" => &[500][..],
            _ => &[401, 403],
        };
        assert!(
            theirs.is_some_and(|status| refused.contains(&status)),
            "{method} {path}: {theirs:?}"
        );
        assert_eq!(nobodys, Some(401), "{method} {path}");
        assert_eq!(ours, control.map(Some), "{method} {path}");
    }
    for (user, path, expected) in [
        (Some("consumer"), "utilizations1", 200),
        (Some("consumer"), "utilizations1/_all_docs", 200),
        (Some("wrong"), "utilizations1", 401),
        (None, "utilizations1", 401),
        (None, "_up", 200),
    ] {
        println!("right | GET {path} | {user:?} {expected}");
        assert_eq!(
            status(user, "GET", path, ""),
            Some(expected),
            "{user:?} {path}"
        );
    }
    let note = "utilizations1/_local/theirs";
    assert_eq!(status(Some("consumer"), "PUT", note, "{}"), Some(201));
    assert_eq!(status(admin, "DELETE", "other", ""), Some(200));
}

/// A user of the inventory reads the documents of its topic, and writes none.
fn readers(outsider: &Outsider) {
    const GUARD: &str = "utilizations2/_design/deployer-readers";
    let status = |user, method, path, body| outsider.status(Some(user), method, path, body);
    let deleted = r#"{"_deleted":true}"#;
    for (user, method, path, body, expected) in [
        ("grader", "GET", "utilizations2", "", 200),
        ("grader", "GET", "utilizations2/_all_docs", "", 200),
        ("grader", "PUT", "utilizations2/theirs", deleted, 403),
        ("grader", "POST", "utilizations2", "{}", 403),
        ("consumer", "PUT", "utilizations2/theirs", deleted, 200),
        ("grader", "PUT", "utilizations2/_design/theirs", "{}", 403),
        ("grader", "PUT", GUARD, "{}", 409),
        ("consumer", "PUT", GUARD, "{}", 409),
    ] {
        let got = status(user, method, path, body);
        println!("reader | {user} | {method} {path} | {got:?}");
        assert_eq!(got, Some(expected), "{user} {method} {path}");
    }
}

/// Rules let somebody in who is no user any more: that is seen, said and mended.
fn a_reader_is_deleted(deployer: &Deployer, outsider: &Outsider) {
    let (documents, user) = (
        Documents::new(deployer, "vm1"),
        "_users/org.couchdb.user:grader",
    );
    let (_, there) = documents.get(user, Some("admin"));
    let revision = there["_rev"].as_str().expect("a revision");
    let path = format!("{user}?rev={revision}");
    assert_eq!(documents.change(Method::DELETE, &path, &Value::Null), 200);
    let words = ["utilizations2", "grader may not read it"];
    deployer.run(&["plan"]).code(2).says(&words);
    deployer.run(&["status"]).code(1).says(&words);
    deployer.run(&["up", "--yes"]).code(0);
    let reads = outsider.status(Some("grader"), "GET", "utilizations2", "");
    assert_eq!(reads, Some(200));
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
}

/// The key is CouchDB's alone, and an agent with another authority, or at another name, gets no answer.
fn agents(deployer: &Deployer, outsider: &Outsider) {
    let name = &deployer.name;
    let etc = format!("/etc/deployer/{name}");
    let certificate = format!("{etc}/couchdb/certificate.pem");
    let rights = deployer.on("vm1", &["stat", "-c", "%U:%G:%a", &certificate]);
    assert_eq!(rights.trim(), format!("root:{name}-couchdb:640"));
    for (user, reads) in [
        ("nobody", "no"),
        (&*format!("{name}-kafka"), "no"),
        (&*format!("{name}-couchdb"), "yes"),
    ] {
        let read = format!(
            "runuser -u {user} -- head -c 1 {certificate} >/dev/null 2>&1 && echo yes || echo no"
        );
        assert_eq!(deployer.on("vm1", &[&read]).trim(), reads, "{user}");
    }
    let keys = "grep -rlsE 'BEGIN.*PRIVATE KEY' /etc/deployer/*/consumer /var/lib/deployer || true";
    assert_eq!(deployer.on("vm2", &[keys]), "");
    let config = format!("{etc}/consumer/consumer.toml");
    let other = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -subj /CN=other -days 1";
    let other = Command::new("sh")
        .args(["-c", other])
        .output()
        .expect("openssl runs");
    let other = String::from_utf8(other.stdout).expect("PEM");
    deployer.on("vm2", &[&format!("printf '%s' '{other}' >/root/other.pem")]);
    for (change, words) in [
        (
            "s#^ca_file = \"[^\"]*authority.pem\"#ca_file = \"/root/other.pem\"#".to_owned(),
            "no certificate in couchdb.ca_file has signed",
        ),
        (
            format!("s#^url = .*#url = \"https://{}:{TLS}\"#", outsider.address),
            "is for other names",
        ),
        (String::new(), "\"reachable\":true"),
    ] {
        let ask = format!(
            "sed '/^\\[couchdb\\]/,/^$/{{{change};}}' {config} >/root/consumer.toml && \
             /opt/deployer/{name}/bin/consumer --config /root/consumer.toml inspect --timeout 5"
        );
        let said: Value = serde_json::from_str(&deployer.on("vm2", &[&ask])).expect("JSON");
        let couchdb = said["couchdb"].to_string();
        println!("agent | {words}");
        assert!(couchdb.contains(words), "{couchdb}");
    }
    deployer.on("vm2", &["rm /root/other.pem /root/consumer.toml"]);
}

fn verbs(deployer: &Deployer) {
    let documents = deployer.run(&["docs", "-n", "3"]).code(0).out;
    assert!(documents.contains("\"sequence\""), "{documents}");
    deployer.run(&["dead-letters"]).code(0);
    let kept = deployer.directory.path().join("kept.gz");
    let kept = kept.to_str().expect("a plain path");
    deployer.run(&["export", kept]).code(0);
    deployer.run(&["import", kept]).code(0);
}
