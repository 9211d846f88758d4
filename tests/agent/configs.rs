//! Bad configurations: each is one clear line and exit 78, before anything is opened.

use std::path::Path;

use crate::certificates::Authority;
use crate::lab::{run, secret};

pub const PRODUCER: &str = r#"client = "vm1-1"
log = "text"
[kafka]
bootstrap = "a:9092,b:9092"
topic = "utilizations1"
[source]
kind = "top"
count = 100
interval_ms = 1000
raw = false
[state]
directory = "/nonexistent/state"
[spool]
bytes = 1048576
sync = "always"
[metrics]
listen = "127.0.0.1:9441"
[kafka.tls]
ca_file = "DIRECTORY/ca/ca.pem"
certificate_file = "DIRECTORY/ca/agent.pem"
key_file = "DIRECTORY/ca/agent.key"
[kafka.sasl]
mechanism = "SCRAM-SHA-256"
user = "agent"
password_file = "DIRECTORY/password"
"#;

pub const CONSUMER: &str = r#"group = "utilization"
log = "json"
[kafka]
bootstrap = "a:9092"
[couchdb]
url = "https://vm3.utilization.internal:6984"
ca_file = "DIRECTORY/ca/ca.pem"
user = "consumer"
password_file = "DIRECTORY/password"
[batch]
documents = 500
bytes = 4000000
age_ms = 50
[[topics]]
name = "t1"
database = "t1"
epoch = "1a2b"
[[topics]]
name = "t2"
database = "t2"
epoch = "3c4d"
canary = true
[metrics]
listen = "localhost:9442"
[kafka.tls]
ca_file = "DIRECTORY/ca/ca.pem"
certificate_file = "DIRECTORY/ca/agent.pem"
key_file = "DIRECTORY/ca/agent.key"
[kafka.sasl]
mechanism = "SCRAM-SHA-256"
user = "agent"
password_file = "DIRECTORY/password"
"#;

/// Checks a configuration and returns the exit code and what is on stderr. `DIRECTORY` in it is one with the files that a
/// configuration may name, good ones and bad ones.
fn check(agent: &str, text: &[u8]) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    Authority::new(directory, "ca").issue("agent");
    secret(directory, "password", "sesame\n");
    secret(directory, "empty", "\n");
    secret(
        directory,
        "keys",
        "aws_access_key_id = A\naws_secret_access_key = s\n",
    );
    secret(directory, "lines", "sesame\nmore\n");
    std::fs::write(directory.join("open"), "geheim").unwrap();
    secret(
        directory,
        "nonsense",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    secret(
        directory,
        "encrypted",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n",
    );
    let path = directory.join("agent.toml");
    match std::str::from_utf8(text) {
        Ok(text) => {
            let here = directory.display().to_string();
            std::fs::write(&path, text.replace("DIRECTORY", &here)).unwrap();
        }
        Err(_) => std::fs::write(&path, text).unwrap(),
    }
    checked(agent, &path)
}

fn checked(agent: &str, path: &Path) -> (i32, String) {
    let output = run(agent, path, &["--check"], "");
    assert!(output.stdout.is_empty());
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn assert_refused(agent: &str, good: &str, cases: &[(&str, &str, &[&str])]) {
    assert_eq!(check(agent, good.as_bytes()), (0, String::new()));
    for (old, new, words) in cases {
        assert!(good.contains(old), "{old:?} is not in the good one");
        let (code, message) = check(agent, good.replacen(old, new, 1).as_bytes());
        assert_eq!(code, 78, "{new:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{new:?}: {message}");
        for word in *words {
            assert!(
                message.contains(word),
                "{new:?}: {message:?} lacks {word:?}"
            );
        }
    }
}

#[test]
fn a_bad_producer_configuration_is_one_clear_line() {
    let long = format!("topic = \"{}\"", "x".repeat(250));
    assert_refused(
        "producer",
        PRODUCER,
        &[
            ("client = \"vm1-1\"\n", "", &["client"]),
            ("\"vm1-1\"", "\"\"", &["client", "empty"]),
            ("\"vm1-1\"", "\"vm 1\"", &["client", "' '"]),
            ("\"vm1-1\"", "\"_vm\"", &["client", "'_'"]),
            ("\"vm1-1\"", "7", &[":1", "string"]),
            ("log = \"text\"", "log = \"xml\"", &[":2", "xml", "text"]),
            (
                "bootstrap = \"a:9092,b:9092\"",
                "bootstrap = \"\"",
                &["kafka.bootstrap", "empty"],
            ),
            (
                "a:9092,b:9092",
                "a:9092,b",
                &["kafka.bootstrap", "\"b\"", "HOST:PORT"],
            ),
            ("a:9092,b:9092", "a:0", &["HOST:PORT"]),
            ("a:9092,b:9092", "a:99999", &["HOST:PORT"]),
            ("a:9092,b:9092", ":9092", &["HOST:PORT"]),
            ("\"utilizations1\"", "\"\"", &["kafka.topic", "empty"]),
            ("\"utilizations1\"", "\"a b\"", &["kafka.topic", "' '"]),
            ("\"utilizations1\"", "\"..\"", &["kafka.topic"]),
            ("topic = \"utilizations1\"", &long, &["kafka.topic", "249"]),
            ("kind = \"top\"", "kind = \"vmstat\"", &["vmstat", "stdin"]),
            (
                "kind = \"top\"",
                "kind = \"file\"",
                &["source", "interval_ms", "path"],
            ),
            (
                "\"top\"\ncount = 100\ninterval_ms = 1000\nraw = false",
                "\"file\"",
                &["source", "path"],
            ),
            (
                "\"top\"\ncount = 100\ninterval_ms = 1000\nraw = false",
                "\"file\"\npath = \"log\"",
                &["source.path", "absolute"],
            ),
            (
                "\"top\"\ncount = 100\ninterval_ms = 1000\nraw = false",
                "\"file\"\npath = \"DIRECTORY\"",
                &["source.path", "directory"],
            ),
            (
                "raw = false",
                "path = \"/log\"",
                &["source", "`path`", "raw"],
            ),
            (
                "\"top\"\ncount = 100\ninterval_ms = 1000\nraw = false",
                "\"trucks\"\ninterval_ms = 86400001",
                &["source.interval_ms", "a day"],
            ),
            (
                "\"top\"\ncount = 100\ninterval_ms = 1000\nraw = false",
                "\"logs\"\nraw = true",
                &["source", "`raw`", "seed"],
            ),
            (
                "\"top\"\ncount = 100\ninterval_ms = 1000\nraw = false",
                "\"stdin\"\nschedule = \"0 * * * *\"",
                &["source.schedule", "make their events themselves"],
            ),
            (
                "count = 100",
                "count = 0\nschedule = \"0 * * * *\"",
                &["source.schedule", "source.count"],
            ),
            (
                "count = 100",
                "schedule = \"60 * * * *\"",
                &["source.schedule", "bounds"],
            ),
            ("count = 100", "count = -1", &[":8", "-1"]),
            (
                "interval_ms = 1000",
                "interval_ms = 0",
                &["source.interval_ms", "at least 1"],
            ),
            (
                "interval_ms",
                "intervall_ms",
                &["source", "intervall_ms", "interval_ms"],
            ),
            (
                "/nonexistent/state",
                "state",
                &["state.directory", "absolute"],
            ),
            (
                "[state]\ndirectory = \"/nonexistent/state\"\n",
                "",
                &["state"],
            ),
            ("[kafka]", "[kafka", &[":3"]),
            ("1048576", "1000", &["spool.bytes", "1048576"]),
            ("\"always\"", "\"never\"", &["never", "always", "os"]),
            (
                "127.0.0.1:9441",
                "0.0.0.0:9441",
                &["metrics.listen", "private"],
            ),
            ("127.0.0.1:9441", "localhost", &["metrics.listen", "port"]),
        ],
    );
}

#[test]
fn what_is_wrong_with_certificates_and_passwords_is_one_clear_line() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("ca_file", "ca_fle", &["ca_fle", "ca_file"]),
        (
            "ca_file = \"DIRECTORY/ca/ca.pem\"\ncertificate",
            "certificate",
            &["ca_file"],
        ),
        (
            "ca/ca.pem\"\ncertificate",
            "none\"\ncertificate",
            &[
                "kafka.tls.ca_file",
                "/none",
                "cannot be read",
                "No such file",
            ],
        ),
        (
            "ca/ca.pem\"\ncertificate",
            "\"\ncertificate",
            &["kafka.tls.ca_file", "cannot be read"],
        ),
        (
            "ca/ca.pem\"\ncertificate",
            "password\"\ncertificate",
            &["kafka.tls.ca_file", "no certificate"],
        ),
        (
            "ca/ca.pem\"\ncertificate",
            "nonsense\"\ncertificate",
            &["kafka.tls.ca_file", "cannot be read"],
        ),
        (
            "certificate_file = \"DIRECTORY/ca/agent.pem\"\n",
            "",
            &["kafka.tls.certificate_file", "key_file"],
        ),
        (
            "key_file = \"DIRECTORY/ca/agent.key\"\n",
            "",
            &["kafka.tls.key_file", "certificate_file"],
        ),
        (
            "ca/agent.pem",
            "ca/agent.key",
            &["kafka.tls.certificate_file", "no certificate"],
        ),
        (
            "ca/agent.key",
            "ca/agent.pem",
            &["kafka.tls.key_file", "open to everybody", "chmod"],
        ),
        (
            "ca/agent.key",
            "password",
            &["kafka.tls.key_file", "no private key"],
        ),
        (
            "ca/agent.key",
            "encrypted",
            &["kafka.tls.key_file", "encrypted"],
        ),
        (
            "SCRAM-SHA-256",
            "PLAIN",
            &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        ),
        (
            "user = \"agent\"",
            "user = \"\"",
            &["kafka.sasl.user", "empty"],
        ),
        ("user = \"agent\"\n", "", &["user"]),
        (
            "user = \"agent\"",
            "user = \"agent\"\npassword = \"geheim\"",
            &["password", "password_file"],
        ),
    ];
    let files: &[(&str, &[&str])] = &[
        ("none", &["cannot be read", "No such file"]),
        ("empty", &["is empty"]),
        ("lines", &["more than one line"]),
        ("open", &["open to everybody", "0644", "chmod"]),
        ("ca", &["open to everybody"]),
    ];
    for (agent, good) in [("producer", PRODUCER), ("consumer", CONSUMER)] {
        assert_refused(agent, good, cases);
        for (file, words) in files {
            let bad = format!("user = \"agent\"\npassword_file = \"DIRECTORY/{file}\"");
            let words = [&["kafka.sasl.password_file", file], *words].concat();
            let old = "user = \"agent\"\npassword_file = \"DIRECTORY/password\"";
            assert_refused(agent, good, &[(old, &bad, &words)]);
        }
    }
    let consumers: &[(&str, &str, &[&str])] = &[
        (
            "consumer\"\npassword_file = \"DIRECTORY/password",
            "consumer\"\npassword_file = \"DIRECTORY/open",
            &["couchdb.password_file", "open to everybody"],
        ),
        (
            "ca/ca.pem\"\nuser",
            "none\"\nuser",
            &["couchdb.ca_file", "cannot be read"],
        ),
        (
            "ca/ca.pem\"\nuser",
            "password\"\nuser",
            &["couchdb.ca_file", "no certificate"],
        ),
        ("https://", "http://", &["couchdb.ca_file", "https"]),
    ];
    assert_refused("consumer", CONSUMER, consumers);
}

/// What only the client itself finds: it is made before any broker is asked.
#[test]
fn a_key_that_does_not_fit_its_certificate_is_a_configuration_error() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let authority = Authority::new(directory, "ca");
    let (one, other) = (authority.issue("one"), authority.issue("other"));
    let text = format!(
        "client = \"c\"\n[kafka]\nbootstrap = \"127.0.0.1:1\"\ntopic = \"t\"\n[kafka.tls]\nca_file = \"{}\"\n\
         certificate_file = \"{}\"\nkey_file = \"{}\"\n[state]\ndirectory = \"{}\"\n",
        authority.file().display(),
        one.certificate.display(),
        other.key.display(),
        directory.join("state").display()
    );
    let path = directory.join("agent.toml");
    std::fs::write(&path, text).unwrap();
    let output = run("producer", &path, &[], "");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{message}");
    assert!(message.contains("ssl.key.location"), "{message}");
}

#[test]
fn a_bad_bucket_is_one_clear_line() {
    let good = PRODUCER.replace(
        "kind = \"top\"\ncount = 100\ninterval_ms = 1000\nraw = false\n",
        "kind = \"bucket\"\ncount = 0\nname = \"logs\"\nendpoint = \"https://s3.example.org\"\nregion = \"eu-north-1\"\n\
         prefix = \"in/\"\ncredentials_file = \"DIRECTORY/keys\"\ninterval_ms = 5000\nsettled_ms = 60000\n",
    );
    let endpoint = "\"https://s3.example.org\"";
    let keys = "credentials_file = \"DIRECTORY/keys\"";
    assert_refused(
        "producer",
        &good,
        &[
            ("\"logs\"", "\"Logs\"", &["source.name", "a-z"]),
            ("\"logs\"", "\"lo\"", &["source.name", "3 to 63"]),
            (
                endpoint,
                "\"s3.example.org\"",
                &["source.endpoint", "https://HOST"],
            ),
            (endpoint, "\"ftp://x\"", &["source.endpoint"]),
            (endpoint, "\"https://k:geheim@x\"", &["source.endpoint"]),
            (endpoint, "\"https://x/logs\"", &["source.endpoint"]),
            (
                "\"eu-north-1\"",
                "\"EU (Stockholm)\"",
                &["source.region", "eu-north-1"],
            ),
            (
                "endpoint = \"https://s3.example.org\"\nregion = \"eu-north-1\"\n",
                "",
                &["source.region", "endpoint"],
            ),
            (keys, "", &["source.credentials_file", "instance_profile"]),
            (
                keys,
                "credentials_file = \"DIRECTORY/keys\"\ninstance_profile = true",
                &["source.credentials_file", "not both"],
            ),
            (
                keys,
                "credentials_file = \"DIRECTORY/none\"",
                &["source.credentials_file", "cannot be read"],
            ),
            (
                keys,
                "credentials_file = \"DIRECTORY/open\"",
                &["source.credentials_file", "open to everybody"],
            ),
            (
                keys,
                "credentials_file = \"DIRECTORY/password\"",
                &["source.credentials_file", "KEY = VALUE"],
            ),
            (
                "interval_ms = 5000",
                "interval_ms = 1",
                &["source.interval_ms", "100"],
            ),
            (
                "settled_ms = 60000",
                "settled_ms = 1",
                &["source.settled_ms", "100"],
            ),
            ("prefix = \"in/\"", "folder = \"in/\"", &["folder"]),
            (
                "count = 0",
                "count = 0\nschedule = \"0 0 * * *\"",
                &["source.schedule"],
            ),
        ],
    );
}

#[test]
fn a_bad_consumer_configuration_is_one_clear_line() {
    assert_refused(
        "consumer",
        CONSUMER,
        &[
            ("\"utilization\"", "\" \"", &["group", "empty"]),
            (
                "https://vm3.utilization.internal:6984",
                "vm3:5984",
                &["couchdb.url"],
            ),
            (
                "https://vm3.utilization.internal:6984",
                "ftp://vm3",
                &["couchdb.url"],
            ),
            (
                "https://vm3.utilization.internal:6984",
                "http://vm3:5984/db",
                &["couchdb.url", "port"],
            ),
            (
                "https://vm3.utilization.internal:6984",
                "http://u:geheim@vm3:5984",
                &["couchdb.url", "password"],
            ),
            (
                "user = \"consumer\"",
                "user = \"a:b\"",
                &["couchdb.user", "':'"],
            ),
            (
                "user = \"consumer\"",
                "user = \"consumer\"\npassword = \"geheim\"",
                &["password", "password_file"],
            ),
            (
                "consumer\"\npassword_file = \"DIRECTORY/password\"",
                "consumer\"\npassword_file = \"\"",
                &["couchdb.password_file", "empty"],
            ),
            (
                "documents = 500",
                "documents = 0",
                &["batch.documents", "between"],
            ),
            (
                "documents = 500",
                "documents = 20000",
                &["batch.documents", "10000"],
            ),
            ("bytes = 4000000", "bytes = 1", &["batch.bytes", "between"]),
            ("age_ms = 50", "age_ms = 60001", &["batch.age_ms"]),
            (
                "name = \"t2\"",
                "name = \"t1\"",
                &["topics[1].name", "twice"],
            ),
            (
                "database = \"t2\"",
                "database = \"t1\"",
                &["topics[1].database", "twice"],
            ),
            (
                "database = \"t2\"",
                "database = \"t1-dead-letters\"",
                &["topics[1].database", "twice"],
            ),
            (
                "database = \"t2\"",
                "database = \"T2\"",
                &["topics[1].database", "a-z"],
            ),
            (
                "database = \"t2\"",
                "database = \"_users\"",
                &["topics[1].database"],
            ),
            ("epoch = \"3c4d\"", "epoch = \"\"", &["topics[1].epoch"]),
            ("epoch = \"3c4d\"", "epoch = \"3-4\"", &["topics[1].epoch"]),
            (
                "epoch = \"1a2b\"",
                "epoch = \"1a2b\"\ncanary = true",
                &["topics", "canaries"],
            ),
            ("epoch = \"3c4d\"\n", "", &["epoch"]),
        ],
    );
    let none = CONSUMER.split("[[topics]]").next().unwrap();
    let (code, message) = check("consumer", none.as_bytes());
    assert!(code == 78 && message.contains("topics"), "{message}");
}

#[test]
fn no_secret_of_a_bad_configuration_is_shown() {
    let (_, message) = check(
        "consumer",
        CONSUMER
            .replace("https://vm3", "https://u:geheim@vm3")
            .as_bytes(),
    );
    assert!(!message.contains("geheim"), "{message}");
}

#[test]
fn a_file_that_cannot_be_read_is_one_clear_line() {
    for agent in ["producer", "consumer"] {
        let (code, message) = checked(agent, Path::new("/nonexistent/agent.toml"));
        assert!(
            code == 78
                && message.lines().count() == 1
                && message.contains("/nonexistent/agent.toml"),
            "{message}"
        );
        let (code, message) = check(agent, b"client = \"\xff\"");
        assert!(code == 78 && message.lines().count() == 1, "{message}");
    }
}

#[test]
fn a_missing_password_file_is_a_configuration_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.toml");
    let text = CONSUMER.split("[kafka.tls]").next().unwrap();
    let text = text.replace("ca_file = \"DIRECTORY/ca/ca.pem\"\n", "");
    std::fs::write(&path, text.replace("DIRECTORY", "/nonexistent")).unwrap();
    let output = run("consumer", &path, &[], "");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{message}");
    assert!(message.contains("/nonexistent/password"), "{message}");
}
