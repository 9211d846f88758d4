//! Apache's own package of CouchDB on a minimal host, from a test Internet: `auto` finds it by the repository and the key that
//! the inventory names.

use serde_json::Value;

use super::hosts::Hosts;
use super::product::Product;
use super::section;
use crate::internet::{Internet, Key, Page};
use crate::real_couchdb::{real_couchdb, release};
use crate::support::{eventually, may_run};

/// As few programs as a minimal system has.
const PURGE: &str = "DEBIAN_FRONTEND=noninteractive apt-get -q -y purge curl wget gnupg >/dev/null 2>&1; \
                     ! command -v curl && ! command -v wget && ! command -v gpg";

#[tokio::test(flavor = "multi_thread")]
async fn auto_becomes_apaches_package_and_leaves_as_it_should() {
    if !may_run("existing: auto_becomes_apaches_package_and_leaves_as_it_should") {
        return;
    }
    let cases = "D1, D4, D5, D6, D8 with Apache's package on a host";
    let Some(package) = real_couchdb(".deb", cases) else {
        return;
    };
    let hosts = Hosts::boot(&["all"]).await;
    let (internet, key, other) = (Internet::new(), Key::new(), Key::new());
    let suite = hosts.root("all", ". /etc/os-release; echo $VERSION_CODENAME");
    let good = internet.put_repository("good", &suite, &key, &[&package]);
    let stranger = internet.put_repository("stranger", &suite, &other, &[&package]);
    hosts.root("all", PURGE);
    let inventory = |couchdb: &str, more: &str| {
        format!(
            "name: real\ncloud: existing\nnodes:\n  all: {{ roles: [zookeeper, kafka, couchdb, consumer, producer] }}\n\
             zookeeper: {{ heap_mib: 64 }}\nkafka: {{ heap_mib: 256, replication: 1 }}\ncouchdb: {{ {couchdb} }}\n\
             producer: {{ count: 10, interval: 50ms }}\n{more}{}",
            section(&hosts, &[("all", "all")])
        )
    };
    let by = |repository: &str| {
        let key = key.file();
        format!(
            "repository: \"{repository}\", repository_key: \"{}\"",
            key.display()
        )
    };
    let user = Product::new(&inventory(&by(&good), ""));
    asks_for_the_hosts_own_suite(&user, &internet, &suite, |repository| {
        inventory(&by(repository), "")
    });
    // An install that fails decides nothing.
    user.set_inventory(&inventory(&by(&stranger), ""));
    user.expect(1, &["up", "--yes"])
        .says(&["is not signed by the key that it should be"]);
    assert!(!choice(&user), "a failed install was recorded");
    let other = release("another distribution after a failed install").expect("an archive");
    user.set_inventory(&inventory(&other, ""));
    user.expect(2, &["plan"]);

    user.set_inventory(&inventory(&by(&good), ""));
    let up = user.expect(0, &["up", "--wait", "--yes"]);
    assert!(up.out.contains("0 twice"), "{}", up.out);
    assert!(choice(&user), "the choice is not recorded");
    user.expect(0, &["up"]).says(&["nothing to do"]);
    let status = user.expect(0, &["status", "--json"]);
    assert!(status.out.contains("CouchDB 3."), "{}", status.out);
    assert_eq!(user.documents("utilizations1"), 10);
    let rotated = user.expect(0, &["secrets", "rotate", "--yes"]);
    assert!(rotated.out.contains("proven"), "{}", rotated.out);
    user.expect(0, &["plan"]);
    a_changed_password_is_named(&hosts, &user, |more| inventory(&by(&good), more));
    a_tunnel_ends_with_its_command(&user);

    user.expect(0, &["teardown", "--yes"]);
    assert_eq!(hosts.root("all", "stat -c %U /opt/couchdb/etc"), "couchdb");
    // What stays is in the way of nothing.
    user.set_inventory(&inventory(&by(&good), ""));
    user.expect(2, &["plan"]);
}

/// Whether the receipt says that it is Apache's package.
fn choice(user: &Product) -> bool {
    let receipt = user.state().join("real-existing/receipt.json");
    let receipt = std::fs::read(receipt).expect("a receipt");
    let receipt: Value = serde_json::from_slice(&receipt).expect("JSON");
    receipt["choices"]["couchdb"]["distribution"] == "apache"
}

/// Nothing but a signed Release of the host's suite is an answer; all else is said before anything is changed.
fn asks_for_the_hosts_own_suite(
    user: &Product,
    internet: &Internet,
    suite: &str,
    inventory: impl Fn(&str) -> String,
) {
    let page = Page::Body(b"<!doctype html><title>Reactivate your server</title>".to_vec());
    internet.put("/page", page);
    let at = |place: &str| format!("{}/{place}", internet.base);
    let path = format!("/away/dists/{suite}/InRelease");
    internet.put(path, Page::Moved(at("page")));
    for (place, why) in [("away", "no signed Release"), ("nothing", "answered 404")] {
        user.set_inventory(&inventory(&at(place)));
        let check = user.expect(1, &["check"]);
        assert!(check.out.contains(why), "{place}: {}", check.out);
        user.expect(1, &["up", "--yes"]).says(&[why]);
    }
    let asked = internet.asked(&format!("/dists/{suite}/InRelease"));
    assert_eq!(asked, 4, "another suite was asked for");
}

/// Every command that needs the administrator says whose password it is, where ours lies, and what to do.
fn a_changed_password_is_named(hosts: &Hosts, user: &Product, inventory: impl Fn(&str) -> String) {
    let secrets = user.state().join("real-existing/secrets.json");
    let text = std::fs::read_to_string(&secrets).expect("secrets");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let old = value["couchdb"]["admin_password"]
        .as_str()
        .expect("a password");
    let change = format!(
        "curl -fsS -u admin:{old} -X PUT http://127.0.0.1:5984/_node/_local/_config/admins/admin -d '\"changed\"'"
    );
    hosts.root("all", &change);
    user.expect(0, &["status"]);
    let (place, file) = (
        secrets.display().to_string(),
        user.state().join("documents.gz"),
    );
    let file = file.to_str().expect("a plain path");
    let words = [
        "user `admin` was changed",
        "`admin_password` of `couchdb`",
        place.as_str(),
    ];
    user.expect(1, &["export", file]).says(&words);
    user.expect(1, &["teardown", "--yes", "--export", file])
        .says(&words);
    user.set_inventory(&inventory("topics: { extra: { more: {} } }\n"));
    user.expect(1, &["up", "--yes"]).says(&words);
    std::fs::write(&secrets, text.replace(old, "changed")).expect("secrets");
    user.expect(0, &["up", "--yes"]);
    user.expect(0, &["export", file]);
    // What was changed there counts more than what is written here: a new password is no new one before that is gone.
    let rotate = ["secrets", "rotate", "couchdb-admin", "--yes"];
    let words = ["user `admin` was changed", "in `[admins]` of its own"];
    user.expect(1, &rotate).says(&words);
    user.expect(0, &["secrets"])
        .says(&["not in use everywhere yet"]);
    user.expect(1, &["up", "--yes"]).says(&words);
    hosts.root(
        "all",
        "sed -i '/^admin = /d' /var/lib/deployer/real/couchdb/couchdb.ini && systemctl restart couchdb; echo",
    );
    user.expect(0, &["up", "--yes"]);
    user.expect(0, &["plan"]);
    user.expect(0, &["export", &format!("{file}.new")]);
}

/// SIGTERM ends the tunnel, too.
fn a_tunnel_ends_with_its_command(user: &Product) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("its address");
    drop(free);
    let port = address.port().to_string();
    let tunnel = user.start(&["open", "couchdb", "--port", &port]);
    let connects = || std::net::TcpStream::connect(address).map(|_| ());
    eventually("the tunnel", || {
        connects().map_err(|error| error.to_string())
    });
    tunnel.terminate();
    eventually("the end of the tunnel", || match connects() {
        Ok(()) => Err("it is open".into()),
        Err(_) => Ok(()),
    });
}
