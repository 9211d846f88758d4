//! Walks `clients.tsv`: who tries what by clients for Python, in the network of a member. Where a client cannot be had, or there is no
//! server for it, its rows are *not run*.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use deployer::authority::{self, OPERATOR_PLACE, Services};
use deployer::receipt::Secrets;
use deployer::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Machine, results};
use crate::python::environment;
use crate::skip::leave_out;

const ROWS: &str = include_str!("clients.tsv");
/// How long all of them may take, in seconds: three minutes more than on an idle box.
const LIMIT: &str = "240";

/// What one client does, who tries it, and who may.
struct Row {
    client: &'static str,
    deed: &'static str,
    who: Vec<&'static str>,
    may: Vec<&'static str>,
}

impl Row {
    /// The client and the first word of the deed.
    fn verb(&self) -> (&'static str, &'static str) {
        let verb = self.deed.split(' ').next().unwrap_or_default();
        (self.client, verb)
    }

    fn line(&self, done: &str, refused: &str) -> String {
        format!(
            "{:<15} | {:<30} | done by {done} | refused to {refused}",
            self.client, self.deed
        )
    }
}

fn rows() -> Vec<Row> {
    let mut groups = BTreeMap::new();
    let mut rows = Vec::new();
    for line in ROWS.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        match cells[..] {
            ["=", name, ref who @ ..] => {
                groups.insert(name, who.to_vec());
            }
            [client, deed, who, may] => rows.push(Row {
                client,
                deed,
                who: groups[who].clone(),
                may: may.split(' ').collect(),
            }),
            _ => panic!("no row: {line}"),
        }
    }
    rows
}

#[test]
fn each_deed_of_a_client_has_a_control() {
    for row in rows() {
        let (client, verb) = row.verb();
        let strangers = row.may.iter().find(|who| !row.who.contains(who));
        assert_eq!(strangers, None, "{client} {}", row.deed);
        assert!(!row.may.is_empty(), "{client} {verb}: nobody may");
        let all = row.may.len() == row.who.len();
        assert!(!all, "{client} {}: nobody is refused", row.deed);
    }
}

/// Tries all of them from a member. `secrets` are those of a deployment whose broker is on `vm2` and whose CouchDB is on `vm3`; with the
/// stand-in for CouchDB there is no client for it.
pub(crate) fn by_clients_for_python(
    name: &str,
    secrets: &Value,
    from: &Machine,
    real_couchdb: bool,
) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/machines/attempts");
    let python = environment("clients", &folder.join("requirements.txt"));
    let (run, left): (Vec<Row>, Vec<Row>) = rows()
        .into_iter()
        .partition(|row| python.is_ok() && (real_couchdb || row.client != "couchdb-python"));
    for row in &left {
        println!("{}", row.line("(not run)", "(not run)"));
    }
    let python = match python {
        Ok(python) => python,
        Err(why) => {
            return leave_out(&format!(
                "{} attempts by clients for Python: {why}",
                left.len()
            ));
        }
    };
    let told = told(name, secrets, &run);
    let said = ask(&python, &folder, from, &told);
    look(&run, &said);
}

/// What the clients are told.
fn told(name: &str, secrets: &Value, rows: &[Row]) -> Value {
    let mut first = 0;
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let deed = row.deed.replace("$N", name);
            let mut words = deed.split(' ');
            let (verb, begin) = (words.next(), first);
            first += row.who.len();
            let arguments: Vec<&str> = words.collect();
            json!({"client": row.client, "deed": verb, "arguments": arguments, "who": row.who, "first": begin})
        })
        .collect();
    let passwords = &secrets["passwords"];
    let login = |user: &str, password: &Value| json!({"user": user, "password": password});
    let own = |user: &str| login(user, &passwords[user]);
    let shown = |pem: &str| json!({"certificate": pem});
    let of = |of: &str, key: &str| secrets[of][key].as_str().expect("a secret").to_owned();
    json!({
        "clients": format!("vm2.{name}.internal:9092"),
        "brokers": format!("vm2.{name}.internal:9093"),
        "documents": format!("vm3.{name}.internal:6984"),
        "authority": of("authority", "certificate"),
        "kafka": {
            "neighbour": login("consumer", &json!("wrong")),
            "producer": own("producer-vm1-1"), "consumer": own("consumer"), "shop": own("shop"), "grader": own("grader"),
            "none": {},
            "other": shown(&operator(&Secrets::default(), name, Timestamp::now())),
            "expired": shown(&expired(secrets, name)),
            "zookeeper": shown(&of("certificates", "vm2/zookeeper")),
            "deployer": shown(&of("authority", "deployer")),
        },
        // Kafka's users are no users there, but for one who reads documents.
        "couchdb": {
            "producer": own("producer-vm1-1"), "shop": own("shop"), "grader": own("grader"),
            "consumer": login("consumer", &secrets["couchdb"]["user_password"]),
            "deployer": login("admin", &secrets["couchdb"]["admin_password"]),
        },
        "rows": rows,
    })
}

/// A certificate of the deployer's, signed by the deployment's own authority, that counted until a year ago.
fn expired(secrets: &Value, name: &str) -> String {
    let mut own = Secrets::default();
    for key in ["certificate", "key"] {
        let text = secrets["authority"][key].as_str().expect("a secret");
        own.set("authority", key, Secret::new(text));
    }
    let then = Timestamp::now() - SignedDuration::from_hours(3 * 365 * 24);
    operator(&own, name, then)
}

fn operator(secrets: &Secrets, name: &str, now: Timestamp) -> String {
    let made = authority::complete(secrets, name, &Services::new(), now);
    let (of, key) = OPERATOR_PLACE;
    made.expect("a certificate").get(of, key).to_owned()
}

/// What they said: by programs of this box, in the network and with the names of the member. The names are there for these alone.
fn ask(python: &Path, folder: &Path, from: &Machine, told: &Value) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let hosts: PathBuf = directory.path().join("hosts");
    std::fs::write(&hosts, from.hosts()).expect("written");
    let call = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let mut clients = from.network();
    clients
        .args(["unshare", "--mount", "sh", "-c", call])
        .arg(&hosts);
    clients
        .args(["timeout", "--kill-after=5", LIMIT])
        .arg(python);
    clients.arg(folder.join("clients.py"));
    clients
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut clients = clients.spawn().expect("nsenter runs");
    let mut input = clients.stdin.take().expect("its input");
    input
        .write_all(told.to_string().as_bytes())
        .expect("it reads");
    drop(input);
    let said = clients.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let errors = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{:?}: {errors}\n{text}", said.status);
    text
}

/// Prints the table, and names what did not end as it must.
fn look(rows: &[Row], said: &str) {
    let results = results(said);
    let mut wrong = Vec::new();
    let mut number = 0;
    for row in rows {
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for who in &row.who {
            let result = results.get(&number);
            let (status, detail) = result.unwrap_or_else(|| panic!("{number}: {said}"));
            let succeeds = *status == "0";
            let list = if succeeds { &mut done } else { &mut refused };
            list.push(*who);
            if succeeds != row.may.contains(who) || !["0", "1"].contains(status) {
                wrong.push(format!("{} {}: {who}: {detail}", row.client, row.deed));
            }
            number += 1;
        }
        println!("{}", row.line(&done.join(", "), &refused.join(", ")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
