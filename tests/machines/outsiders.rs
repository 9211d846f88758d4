//! Who is not on the box gets nothing from local machines: not while all is well, not after a reboot, and not while one of the two
//! packet filters is damaged. Whatever is damaged is named and mended.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::attempts::Machine;
use crate::deployer_command::Deployer;
use crate::support::{eventually, may_run, succeed};

const INVENTORY: &str = "\
nodes:
  vm1: { roles: [producer] }
  vm2: { roles: [zookeeper, kafka, consumer, couchdb] }
kafka: { replication: 1 }
couchdb: { distribution: pouchdb }
producer: { count: 5, interval: 100ms }
";

/// The ports on which a node listens to others than itself, of the deployment's own programs.
const PORTS: &str = "ss -Hltn | awk '$4 !~ /^(127\\.|\\[::1\\])/ { n = split($4, part, \":\"); print part[n] }' | sort -nu";

/// A neighbour in the network of this box: a namespace behind an interface of the box's own, which routes to the machines.
struct Outsider {
    namespace: String,
    link: String,
}

impl Outsider {
    fn new() -> Self {
        let number = std::process::id() % 100_000;
        let outsider = Self {
            namespace: format!("outsider-{number}"),
            link: format!("out{number}"),
        };
        let Self { namespace, link } = &outsider;
        let script = format!(
            "ip netns add {namespace}
            ip link add {link} type veth peer name eth0 netns {namespace}
            ip address add {BOX}/30 dev {link}
            ip link set {link} up
            ip -n {namespace} address add {OUTSIDER}/30 dev eth0
            ip -n {namespace} link set eth0 up
            ip -n {namespace} link set lo up
            ip -n {namespace} route add default via {BOX}"
        );
        succeed("sh", &["-ec", &script]);
        outsider
    }

    fn reaches(&self, address: &str, port: u16) -> bool {
        let connect = format!(">/dev/tcp/{address}/{port}");
        let mut attempt = self.network();
        attempt.args(["timeout", "2", "bash", "-c", &connect]);
        attempt.output().expect("ip runs").status.success()
    }

    /// What starts a program in its network.
    fn network(&self) -> Command {
        #[expect(
            clippy::disallowed_methods,
            reason = "tests run the box's own programs"
        )]
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]);
        command
    }

    /// The ports of these that let it in.
    fn gets(&self, address: &str, ports: &[u16]) -> Vec<u16> {
        let ports = ports.iter().copied();
        ports.filter(|port| self.reaches(address, *port)).collect()
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        // The link goes with it.
        succeed("ip", &["netns", "delete", &self.namespace]);
    }
}

/// A network of documentation's (RFC 5737), which no route of the box leads to.
const BOX: &str = "198.51.100.1";
const NONE: [u16; 0] = [];
const OUTSIDER: &str = "198.51.100.2";

fn box_reaches(address: &str, port: u16) -> bool {
    let to = SocketAddr::new(address.parse().expect("an address"), port);
    TcpStream::connect_timeout(&to, Duration::from_secs(2)).is_ok()
}

#[test]
fn who_is_not_on_the_box_reaches_no_machine() {
    if !may_run("who_is_not_on_the_box_reaches_no_machine") {
        return;
    }
    let outsider = Outsider::new();
    let deployer = Deployer::new(INVENTORY);
    deployer.run(&["up", "--yes"]).code(0);
    let address = |node: &str| {
        let networks = &deployer.receipt()["machines"][node]["machine"]["networks"];
        let addresses = networks.as_object().expect("networks").values();
        let mut addresses = addresses.filter_map(|address| address.as_str());
        addresses.next().expect("an address").to_owned()
    };
    let (vm1, vm2) = (address("vm1"), address("vm2"));
    let listening = || -> Vec<u16> {
        let ports = deployer.on("vm2", &["sh", "-c", PORTS]);
        ports.lines().filter_map(|port| port.parse().ok()).collect()
    };
    let ports = listening();
    assert!(ports.contains(&22) && ports.len() >= 4, "{ports:?}");
    let members_only: Vec<u16> = ports.iter().copied().filter(|port| *port != 22).collect();

    // An outsider gets nothing; the box and a member get in; and answers come back to who asked.
    assert_eq!(outsider.gets(&vm2, &ports), NONE);
    assert_eq!(outsider.gets(&vm1, &[22]), NONE);
    let member = |port: u16| {
        let connect = format!("timeout 3 bash -c '>/dev/tcp/{vm2}/{port}' && echo in || true");
        deployer.on("vm1", &["sh", "-c", &connect]).trim() == "in"
    };
    for port in &ports {
        assert!(box_reaches(&vm2, *port), "the box is kept from {port}");
        assert!(member(*port), "a member is kept from {port}");
    }
    let refused = format!("timeout 3 bash -c '>/dev/tcp/{OUTSIDER}/9'; echo $?");
    assert_eq!(deployer.on("vm2", &["sh", "-c", &refused]).trim(), "1");

    // The box's filter is gone: the machine's own is left, also after a reboot.
    let table = format!("dp-{}", deployer.id());
    succeed("nft", &["flush", "chain", "ip", &table, "forward"]);
    assert_eq!(outsider.gets(&vm2, &ports), [22], "the way leads there");
    let boot = || deployer.on("vm2", &["cat", "/proc/sys/kernel/random/boot_id"]);
    let last = boot();
    deployer
        .start(&["ssh", "vm2", "--", "systemctl", "reboot"])
        .finish();
    deployer.hang_up();
    eventually("all of it runs again", || {
        let said = deployer.run(&["ssh", "vm2", "--", "cat", "/proc/sys/kernel/random/boot_id"]);
        let again = said.code == Some(0) && said.out != last && listening() == ports;
        again.then_some(()).ok_or(said.all())
    });
    assert_eq!(outsider.gets(&vm2, &ports), [22]);

    // Both are: named, and mended.
    let own = format!("deployer-{}", deployer.name);
    deployer.on("vm2", &["nft", "flush", "chain", "inet", &own, "input"]);
    assert_eq!(outsider.gets(&vm2, &ports), ports);
    let damaged = "the loaded rules are not those of its file";
    deployer.run(&["status"]).code(1).says(&[damaged]);
    let plan = deployer.run(&["plan"]).code(2);
    plan.says(&["and close it to all but this box", damaged]);
    deployer.run(&["up", "--yes"]).code(0);
    assert_eq!(outsider.gets(&vm2, &ports), NONE);
    for port in &members_only {
        assert!(box_reaches(&vm2, *port) && member(*port), "{port}");
    }
    deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
    nmap_sees_what_the_guide_names(&outsider, &deployer, &vm2);
    who_takes_a_nodes_place_is_refused(&deployer);
    deployer.teardown();
}

/// From a member, and from outside of the box, of all 65,535.
fn nmap_sees_what_the_guide_names(outsider: &Outsider, deployer: &Deployer, address: &str) {
    deployer.on("vm1", &["apt-get install -qq -y nmap >/dev/null"]);
    let member = Machine::of(&deployer.id(), "vm1");
    let networks: [(_, &dyn Fn() -> Command, _); 2] = [
        ("member", &|| member.network(), "22 2181 5984 9092 9093"),
        ("outsider", &|| outsider.network(), ""),
    ];
    for (who, from, ports) in networks {
        let open = member.nmap(from, address, ports);
        println!("nmap | {who} | {open}");
        assert_eq!(open, ports, "{who}");
    }
}

/// Nothing is said to a machine that shows another host key than at the last run, whoever it is.
fn who_takes_a_nodes_place_is_refused(deployer: &Deployer) {
    let machine = Machine::of(&deployer.id(), "vm1");
    machine.swap_host_key();
    deployer.hang_up();
    for words in [&["up", "--yes"][..], &["plan"], &["status"], &["verify"]] {
        deployer
            .run(words)
            .code(1)
            .says(&["vm1: the host key of", "is not the expected one"]);
    }
    deployer.run(&["up", "--yes"]).code(1).says(&[
        "next: vm1: make sure it is the machine you mean",
        "something else answers in its place",
    ]);
    machine.swap_host_key();
    deployer
        .run(&["up", "--yes"])
        .code(0)
        .says(&["nothing to do"]);
}
