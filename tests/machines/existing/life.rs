//! The whole life of a pipeline on plain hosts.

use std::net::{TcpListener, TcpStream};

use super::hosts::Hosts;
use super::product::Product;
use super::section;
use crate::attempts;
use crate::leaks;
use crate::real_couchdb::release;
use crate::support::{eventually, may_run};

const NODES: [&str; 4] = ["vm1-1", "vm1-2", "vm2", "vm3"];

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_comes_works_and_goes() {
    if !may_run("existing: a_pipeline_comes_works_and_goes") {
        return;
    }
    let Some(couchdb) = release("the whole life of a pipeline on hosts") else {
        return;
    };
    let hosts = Hosts::boot(&["vm1-1", "vm1-2", "vm2", "vm3", "stranger"]).await;
    let places = NODES.map(|node| (node, node));
    let inventory = format!(
        "name: class\ncloud: existing\nnodes:\n  vm1: {{ count: 2, roles: [producer] }}\n  \
         vm2: {{ roles: [zookeeper, kafka, consumer] }}\n  vm3: {{ roles: [kafka, couchdb] }}\n\
         couchdb: {{ {} }}\nproducer: {{ count: 10, interval: 100ms }}\ntopics: {{ extra: {{ orders: {{}} }} }}\n\
         users: {{ shop: {{ write: [orders] }}, grader: {{ read: [orders], read_documents: [orders] }} }}\n{}",
        couchdb,
        section(&hosts, &places)
    );
    let user = Product::new(&inventory);
    comes(&hosts, &user);
    is_for_members_only(&hosts, &user);
    outlives_a_reboot(&hosts, &user);
    keeps_its_data(&hosts, &user);
    who_has_no_right_gets_nothing(&hosts, &user);
    belongs_to_nobody_else(&hosts, &inventory);
    goes_without_its_receipt(&hosts, &user);
}

/// Takes away what the image of this box may have and a fresh system has not.
const PURGE: &str = "DEBIAN_FRONTEND=noninteractive apt-get -q -y purge openjdk-17-jre-headless nodejs nftables >/dev/null 2>&1; \
                     ! command -v java";

fn comes(hosts: &Hosts, user: &Product) {
    for node in NODES {
        hosts.root(node, PURGE);
    }
    assert_eq!(user.expect(0, &["check"]).out.lines().count(), 3 + 4);
    user.expect(2, &["plan"]);
    let up = user.expect(0, &["up"]);
    assert!(
        up.out
            .contains("40 canaries sent, 40 are documents, 0 twice"),
        "{}",
        up.out
    );
    // Its login is not root's, and Java was not there before.
    up.says(&["installing", "openjdk-17-jre-headless"]);
    // Not those of the producers: they end when they have sent all.
    let servers = ["vm2", "vm3"];
    let processes =
        || servers.map(|node| hosts.root(node, "systemctl show -p MainPID 'class-*' | sort"));
    let before = processes();
    let second = user.expect(0, &["up", "--wait"]);
    second.says(&["4 nodes, nothing to do"]);
    assert_eq!(processes(), before);
    user.expect(0, &["plan"]);
    assert_eq!(user.documents("utilizations1"), 10);
    assert_eq!(user.documents("utilizations2"), 10);
    user.expect(0, &["status"]);
}

fn is_for_members_only(hosts: &Hosts, user: &Product) {
    let ports = [
        ("vm2", 2181),
        ("vm2", 9092),
        ("vm2", 9093),
        ("vm3", 9092),
        ("vm3", 9093),
        ("vm3", 6984),
    ];
    for (host, port) in ports {
        assert!(hosts.reaches("vm1-1", host, port), "{host}:{port}");
        assert!(!hosts.reaches("stranger", host, port), "{host}:{port}");
        assert!(!hosts.box_reaches(host, port), "{host}:{port}");
    }
    // What is not ours stays as open as it was, and plain text is for its own node alone: nmap sees no other port.
    hosts.root(
        "stranger",
        "DEBIAN_FRONTEND=noninteractive apt-get -q -y install nmap >/dev/null 2>&1; command -v nmap",
    );
    let tools = hosts.machine("stranger");
    for (from, host, ports) in [
        ("vm1-1", "vm2", "22 2181 9092 9093"),
        ("vm1-1", "vm3", "22 6984 9092 9093"),
        ("stranger", "vm2", "22"),
        ("stranger", "vm3", "22"),
    ] {
        let network = || hosts.machine(from).network();
        let open = tools.nmap(network, hosts.address(host), ports);
        println!("nmap | from {from} | {host} | {open}");
        assert_eq!(open, ports, "{host} from {from}");
    }
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("its number").port();
    drop(free);
    let tunnel = user.start(&["open", "couchdb", "--port", &port.to_string()]);
    eventually("the tunnel", || {
        TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())
    });
    drop(tunnel);
}

fn outlives_a_reboot(hosts: &Hosts, user: &Product) {
    hosts.reboot("vm3");
    eventually("CouchDB is back", || {
        let back = hosts.reaches("vm2", "vm3", 6984);
        back.then_some(()).ok_or_else(|| "not reached".to_owned())
    });
    assert!(!hosts.reaches("stranger", "vm3", 6984));
    assert!(!hosts.box_reaches("vm3", 6984));
    eventually("all is well", || {
        let status = user.run(&["status"]);
        (status.code == 0).then_some(()).ok_or(status.out)
    });
    user.expect(0, &["up"]).says(&["nothing to do"]);
}

fn keeps_its_data(hosts: &Hosts, user: &Product) {
    let down = user.expect(0, &["teardown", "--keep-data", "--yes"]);
    down.says(&[
        "class is gone but for its data on vm2, vm3",
        "vm3: /var/lib/deployer/class/couchdb stays with the data in it",
    ]);
    assert_eq!(hosts.traces("vm1-1", "class"), "");
    let traces = hosts.traces("vm3", "class");
    for gone in [
        "/opt/",
        "/etc/systemd",
        "/etc/hosts",
        "table inet",
        ".service",
    ] {
        assert!(!traces.contains(gone), "{gone}: {traces}");
    }
    let up = user.expect(0, &["up", "--wait"]);
    assert!(up.out.contains("0 twice"), "{}", up.out);
    // Those of before and those of the new run.
    assert_eq!(user.documents("utilizations1"), 20);
}

/// The events that are written here come after all that is counted.
fn who_has_no_right_gets_nothing(hosts: &Hosts, user: &Product) {
    let receipt = user.state().join("class-existing/receipt.json");
    let secrets = std::fs::read(receipt.with_file_name("secrets.json")).expect("secrets");
    let secrets = serde_json::from_slice(&secrets).expect("JSON");
    if std::env::var_os("DEPLOYER_TEST_FULL").is_some() {
        attempts::at_servers(
            "class",
            &secrets,
            &hosts.machine("vm2"),
            "22 6984 9092 9093",
        );
    }
    attempts::by_clients_for_python("class", &secrets, &hosts.machine("vm1-1"), true);
    let patterns = leaks::patterns(&secrets);
    let mut told = vec![std::fs::read_to_string(receipt).expect("a receipt")];
    for words in [&["plan"][..], &["status", "--json"]] {
        let said = user.run(words);
        told.extend([said.out, said.err]);
    }
    leaks::are_told(&patterns, &told);
    leaks::lie_open(&patterns, hosts.id(), &NODES, &user.inventory());
}

fn belongs_to_nobody_else(hosts: &Hosts, inventory: &str) {
    let other = Product::new(inventory);
    let manifest = || hosts.root("vm2", "sha256sum /etc/deployer/class/manifest.json");
    let before = manifest();
    other.expect(1, &["up", "--yes"]).says(&[
        "another deployment named class lies here",
        "nothing was changed",
    ]);
    assert_eq!(manifest(), before);
}

fn goes_without_its_receipt(hosts: &Hosts, user: &Product) {
    std::fs::remove_dir_all(user.state()).expect("the state is lost");
    let down = user.expect(0, &["teardown", "--yes"]);
    down.says(&[
        "nothing is left",
        "came with the deployment and stay",
        "openjdk-17",
    ]);
    for node in NODES {
        assert_eq!(hosts.traces(node, "class"), "", "{node}");
    }
    hosts.root("vm2", "command -v java");
    user.expect(1, &["teardown", "--yes"])
        .says(&["none of the hosts has anything of a deployment called class"]);
}
