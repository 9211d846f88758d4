//! Who may use Kafka, and for what: users and rights as the deployer makes them, at a real broker that lets nobody do anything
//! without.

use std::cell::RefCell;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent::admin::users::mark;
use kafka_admin::{
    Acl, Change, Operation, Pattern, Permission, Resource, alter_users, create_acls, describe_acls,
    describe_users,
};
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use serde_json::{Value, json};

use crate::certificates::Authority;
use crate::cluster::guarded::Guarded;
use crate::lab::{run, secret};

const TOPIC: &str = "t1";
const WAIT: Duration = Duration::from_secs(10);

/// The strict broker, the deployer's login, and all that was ever printed.
struct Place<'a> {
    directory: &'a Path,
    authority: Authority,
    broker: Guarded,
    login: String,
    printed: RefCell<String>,
}

impl<'a> Place<'a> {
    fn new(directory: &'a Path) -> Self {
        let authority = Authority::new(directory, "ours");
        let broker = Guarded::strict(directory, &authority, TOPIC);
        let own = authority.issue("deployer");
        let text = |path: &Path| std::fs::read_to_string(path).unwrap();
        let login = json!({"kafka": {
            "bootstrap": broker.by_certificate.to_string(),
            "ca": text(&authority.file()),
            "certificate": text(&own.certificate),
            "key": text(&own.key),
        }});
        Self {
            directory,
            authority,
            broker,
            login: login.to_string(),
            printed: RefCell::default(),
        }
    }

    /// Runs an agent's command; returns whether it succeeded, and both its outputs.
    fn run(
        &self,
        name: &str,
        config: &Path,
        words: &[&str],
        input: &str,
    ) -> (bool, String, String) {
        let output = run(name, config, words, input);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, log) = (text(output.stdout), text(output.stderr));
        write!(self.printed.borrow_mut(), "{out}{log}").unwrap();
        (output.status.success(), out, log)
    }

    /// Calls the tool by the deployer's login; the configuration itself leads to no broker.
    fn tool(&self, words: &[&str], request: &str) -> Value {
        let config = self.consumer("tool", "127.0.0.1:1", "g", "");
        let input = format!("{}\n{request}", self.login);
        let words = [&["--login"], words].concat();
        let (done, out, log) = self.run("consumer", &config, &words, &input);
        assert!(done, "{words:?}: {log}");
        serde_json::from_str(&out).unwrap()
    }

    fn prepare(&self, users: &Value, rights: &Value) -> Value {
        let topics: Vec<Value> = [TOPIC, "t2"]
            .map(|name| json!({"name": name, "partitions": 1, "replication": 1}))
            .into();
        let request = json!({"couchdb": null, "brokers": 1, "topics": topics, "users": users,
                             "rights": rights, "timeout_seconds": 30});
        self.tool(&["prepare"], &request.to_string())
    }

    fn inspect(&self) -> Value {
        self.tool(&["inspect", "--timeout", "10"], "")["kafka"].clone()
    }

    fn consumer(&self, name: &str, bootstrap: &str, group: &str, access: &str) -> PathBuf {
        let text = format!(
            "group = {group:?}\n[kafka]\nbootstrap = \"{bootstrap}\"\n{access}\
             [couchdb]\nurl = \"http://127.0.0.1:1\"\nuser = \"u\"\npassword_file = \"none\"\n\
             [[topics]]\nname = {TOPIC:?}\ndatabase = {TOPIC:?}\nepoch = \"e0\"\n"
        );
        self.write(name, &text)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The part of a configuration by which somebody logs in.
    fn access(&self, user: &str, password: &str) -> String {
        let file = secret(self.directory, "password", password);
        format!(
            "[kafka.tls]\nca_file = \"{}\"\n[kafka.sasl]\nuser = {user:?}\npassword_file = \"{}\"\n",
            self.authority.file().display(),
            file.display()
        )
    }

    /// Sends canaries as somebody; returns whether all were confirmed, and the log.
    fn sends(&self, user: &str, password: &str, topic: &str) -> (bool, String) {
        let text = format!(
            "client = \"a\"\n[kafka]\nbootstrap = \"{}\"\ntopic = {topic:?}\n{}\
             [source]\nkind = \"stdin\"\ncount = 0\n[state]\ndirectory = \"{}\"\n",
            self.broker.by_password,
            self.access(user, password),
            self.directory.join("state").display()
        );
        let config = self.write("producer", &text);
        let words = ["canaries", "--run", "a", "--count", "2", "--timeout", "10"];
        let words = [&words[..], &["--topic", topic]].concat();
        let (done, _, log) = self.run("producer", &config, &words, "");
        (done, log)
    }

    /// How many events a group has not read, as somebody sees it.
    fn lag(&self, user: &str, password: &str, group: &str) -> Value {
        let broker = self.broker.by_password.to_string();
        let config = self.consumer("reader", &broker, group, &self.access(user, password));
        let words = ["inspect", "--timeout", "5"];
        let (done, out, log) = self.run("consumer", &config, &words, "");
        assert!(done, "{log}");
        let seen: Value = serde_json::from_str(&out).unwrap();
        // Who has no login of the deployer's is told nothing of others.
        assert!(seen["kafka"].get("users").is_none(), "{seen}");
        seen["kafka"]["topics"][0]["lag"].clone()
    }

    /// A client of somebody who may do anything, or of a user.
    fn client(&self, login: Option<(&str, &str)>) -> AdminClient<DefaultClientContext> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker.open.to_string());
        if let Some((user, password)) = login {
            config
                .set("bootstrap.servers", self.broker.by_password.to_string())
                .set("security.protocol", "sasl_ssl")
                .set("ssl.ca.location", self.authority.file().to_str().unwrap())
                .set("sasl.mechanisms", "SCRAM-SHA-512")
                .set("sasl.username", user)
                .set("sasl.password", password);
        }
        config.create().unwrap()
    }
}

#[test]
fn users_and_rights_are_exactly_those_that_are_wanted_and_no_secret_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new(directory.path());
    let users = json!([
        {"name": "producer-a", "password": "sesame-producer"},
        {"name": "consumer", "password": "sesame-consumer"},
    ]);
    let rights = json!([
        {"user": "consumer", "topic": "t", "prefix": true, "may": ["read"]},
        {"user": "consumer", "group": "g", "may": ["read"]},
        {"user": "producer-a", "topic": TOPIC, "may": ["write"]},
    ]);
    let nothing =
        json!({"users": {"set": [], "removed": []}, "rights": {"given": [], "taken": []}});
    let changed = |report: &Value| json!({"users": report["users"], "rights": report["rights"]});

    let made = place.prepare(&users, &rights);
    assert_eq!(made["users"]["set"], json!(["consumer", "producer-a"]));
    assert_eq!(made["rights"]["given"].as_array().unwrap().len(), 3);
    assert_eq!(changed(&place.prepare(&users, &rights)), nothing);
    let seen = place.inspect();
    let marks = json!({
        "consumer": mark("consumer", "sesame-consumer"),
        "producer-a": mark("producer-a", "sesame-producer"),
    });
    assert_eq!((&seen["users"], &seen["error"]), (&marks, &Value::Null));
    let told = |seen: &Value| {
        let mut told = seen["rights"].as_array().unwrap().clone();
        told.sort_by_key(ToString::to_string);
        json!(told)
    };
    let mut sorted = rights.as_array().unwrap().clone();
    sorted.sort_by_key(ToString::to_string);
    assert_eq!(told(&seen), json!(sorted));

    // Each may do what its right says, and nothing else.
    let (sent, log) = place.sends("producer-a", "sesame-producer", TOPIC);
    assert!(sent, "{log}");
    let (sent, log) = place.sends("producer-a", "sesame-producer", "t2");
    assert!(!sent && log.contains("authorization failed"), "{log}");
    let (sent, log) = place.sends("producer-a", "sesame-consumer", TOPIC);
    assert!(!sent && log.contains("invalid credentials"), "{log}");
    let (sent, log) = place.sends("consumer", "sesame-consumer", TOPIC);
    assert!(!sent && log.contains("authorization failed"), "{log}");
    assert_eq!(place.lag("consumer", "sesame-consumer", "g"), json!(2));
    assert_eq!(
        place.lag("consumer", "sesame-consumer", "other"),
        Value::Null
    );
    // Who may not ask is told so, or sees none.
    let user = place.client(Some(("consumer", "sesame-consumer")));
    let refused = describe_users(&user, WAIT).unwrap_err();
    assert_eq!(refused.code(), RDKafkaErrorCode::ClusterAuthorizationFailed);
    assert_eq!(describe_acls(&user, WAIT).unwrap(), []);

    // What others changed is seen, told and taken back.
    let by_hand = place.client(None);
    let set = |user, iterations| Change::Set {
        user,
        password: "sesame-other",
        iterations,
    };
    alter_users(
        &by_hand,
        &[set("producer-a", 4096), set("mallory", 4096)],
        WAIT,
    )
    .unwrap();
    let acl = Acl {
        principal: "User:*".into(),
        host: "10.0.0.1".into(),
        resource: Resource::Cluster,
        name: "kafka-cluster".into(),
        pattern: Pattern::Literal,
        operation: Operation::Alter,
        permission: Permission::Allow,
    };
    create_acls(&by_hand, &[acl], WAIT).unwrap();
    let (sent, _) = place.sends("producer-a", "sesame-producer", TOPIC);
    assert!(!sent);
    let seen = place.inspect();
    assert_eq!(
        (&seen["users"]["producer-a"], &seen["users"]["mallory"]),
        (&json!(4096), &json!(4096))
    );
    let additional =
        json!({"user": "*", "cluster": "kafka-cluster", "may": ["alter"], "host": "10.0.0.1"});
    assert!(
        seen["rights"].as_array().unwrap().contains(&additional),
        "{seen}"
    );
    let healed = place.prepare(&users, &rights);
    assert_eq!(
        changed(&healed),
        json!({"users": {"set": ["producer-a"], "removed": ["mallory"]},
               "rights": {"given": [], "taken": [additional]}})
    );
    assert_eq!(place.inspect()["users"], marks);
    let (sent, log) = place.sends("producer-a", "sesame-producer", TOPIC);
    assert!(sent, "{log}");
    // A request that says nothing of them leaves them alone.
    let silent = place.prepare(&Value::Null, &Value::Null);
    assert!(
        silent.get("users").is_none() && silent.get("rights").is_none(),
        "{silent}"
    );
    assert_eq!(changed(&place.prepare(&users, &rights)), nothing);

    // A login that cannot be used is named by its part.
    let config = place.consumer("tool", "127.0.0.1:1", "g", "");
    for (login, said) in [
        (String::new(), "is missing"),
        ("\"sesame-line\"\n".to_owned(), "not understood"),
        (place.login.replace("PRIVATE KEY", "SESAME"), "kafka.key"),
    ] {
        let (done, _, log) = place.run("consumer", &config, &["--login", "inspect"], &login);
        assert!(
            !done && log.contains("standard input") && log.contains(said),
            "{log}"
        );
    }
    let printed = place.printed.borrow();
    let key: Value = serde_json::from_str(&place.login).unwrap();
    let key = key["kafka"]["key"]
        .as_str()
        .unwrap()
        .lines()
        .nth(1)
        .unwrap();
    assert!(
        !printed.contains("sesame") && !printed.contains(key),
        "{printed}"
    );
}
