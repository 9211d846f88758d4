//! Rows of a real MariaDB where security is on, seen by Debian's own client: each event is one, once, whatever is killed; and what
//! others try.

mod doors;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::TcpStream;
use std::time::Duration;

use crate::attempts;
use crate::deployer_command::{Deployer, subtest};
use crate::leaks::{self, patterns};
use crate::sandbox::units_are_closed_in;
use crate::support::{eventually, may_run, within};
use crate::watch::{restarted, units, well};
use doors::{AT_PAGES, AT_SERVER, BESIDE, BESIDE_PAGES, BROWSER, CLIENT, WITH_OLD};

const INVENTORY: &str = "\
nodes:
  vm1: { roles: [zookeeper, kafka, mariadb] }
  vm2: { roles: [consumer, producer] }
kafka: { replication: 1 }
producer: { source: trucks, count: 1000, interval: 0s, topic: trucks }
topics: { extra: { numbers: { partitions: 2 } } }
sinks:
  trucks:
    from: trucks
    mariadb:
      columns:
        at: { type: datetime, from: truck.timestamp }
        fuel: { type: double, from: truck.fuel_consumed }
        sequence: { type: integer }
  numbers: { from: numbers, mariadb: { columns: { n: { type: integer, from: event.n } } } }
";

const PATIENCE: Duration = Duration::from_mins(1);
/// How many numbers there are more at each turn.
const NUMBERS: u64 = 20_000;

#[test]
fn rows_of_mariadb() {
    if !may_run("rows_of_mariadb") {
        return;
    }
    let site = Site(Deployer::new(INVENTORY));
    let deployer = &site.0;
    let up = deployer.run(&["up", "--yes", "--wait"]).code(0);
    up.says(&["deployer open mariadb"]).says(&[
        "canaries sent",
        "came to the sink numbers, 0 twice",
        "came to the sink trucks, 0 twice",
    ]);
    let canaries =
        "SELECT (SELECT COUNT(*) FROM canaries.trucks) + (SELECT COUNT(*) FROM canaries.numbers)";
    assert_eq!(site.ask(canaries), "0", "none is left");
    subtest("each event is one row", || {
        let counted = "SELECT COUNT(*), COUNT(DISTINCT sequence), MAX(sequence), COUNT(at), COUNT(fuel) FROM trucks";
        assert_eq!(site.ask(counted), "1000\t1000\t1000\t1000\t1000");
        let status = well(deployer);
        let sink = &status["topics"]["trucks"]["sinks"]["trucks"];
        assert_eq!(sink["records"], 1000, "{sink}");
        assert_eq!(sink["dead_letters"], 0, "{sink}");
    });
    subtest("nothing is to do, and nothing is started", || {
        let before = units(deployer);
        deployer.run(&["up"]).code(0).says(&["nothing to do"]);
        assert_eq!(restarted(&before, &units(deployer)), BTreeSet::new());
    });
    units_are_closed_in(deployer);
    subtest("killed consumer and server: none lost, none twice", || {
        site.send(1, NUMBERS);
        site.systemctl("vm1", "kill --signal=KILL", "mariadb");
        site.send(NUMBERS + 1, 2 * NUMBERS);
        site.systemctl("vm2", "kill --signal=KILL", "consumer");
        site.send(2 * NUMBERS + 1, 3 * NUMBERS);
        site.await_numbers(3 * NUMBERS);
        for (node, role) in [("vm1", "mariadb"), ("vm2", "consumer")] {
            let restarts = site.systemctl(node, "show -P NRestarts", role);
            assert_eq!(restarts.trim(), "1", "{role}");
        }
    });
    subtest("what cannot be a row is kept", || {
        let bad = "{\"n\": \"seven\"}\n";
        deployer.reading(&["send", "numbers", "-"], bad).code(0);
        eventually("a dead letter", || {
            let letters = site.ask("SELECT COUNT(*) FROM numbers_dead_letters");
            (letters == "1").then_some(()).ok_or(letters)
        });
        let told = deployer.run(&["dead-letters"]).code(0);
        told.says(&["`event.n` is \"seven\": no whole number"]);
        site.ask("DELETE FROM numbers_dead_letters");
    });
    subtest("a server that is away is named", || site.is_away());
    let wider = INVENTORY
        .replace(
            "        sequence:",
            "        distance: { type: double, from: truck.distance_covered }\n        sequence:",
        )
        .replace("count: 1000", "count: 1100");
    subtest("one more column", || {
        deployer.write(&wider);
        let planned = deployer.run(&["plan"]).code(2);
        planned.says(&["+columns", "distance double truck.distance_covered"]);
        deployer.run(&["up", "--yes", "--wait"]).code(0);
        let counted = "SELECT COUNT(*), COUNT(distance) FROM trucks";
        eventually("the new run's rows", || {
            let rows = site.ask(counted);
            (rows == "2100\t1100").then_some(()).ok_or(rows)
        });
    });
    subtest("a column of another type is refused", || {
        deployer.write(&INVENTORY.replace("fuel: { type: double", "fuel: { type: text"));
        for command in [&["plan"][..], &["up", "--yes"]] {
            let refused = deployer.run(command).code(64);
            refused.says(&[
                "nothing was changed",
                "the column `fuel` of the table `trucks` is double and should be text",
            ]);
        }
        assert_eq!(site.ask("SELECT COUNT(fuel) FROM trucks"), "2100");
        deployer.write(&wider);
        deployer.run(&["up"]).code(0).says(&["nothing to do"]);
    });
    subtest("each attempt, and its control", || site.attempts());
    subtest("a tunnel", || site.tunnel());
    subtest("other passwords", || site.rotates());
    subtest("a full disk: the sink says so and waits", || {
        site.disk_full(3 * NUMBERS + 200);
    });
    well(deployer);
    // Of tables that are left behind no column stands in the way.
    let moved = INVENTORY
        .replace("fuel: { type: double", "fuel: { type: text")
        .replace(", mariadb]", "]")
        .replace("[consumer", "[mariadb, consumer");
    deployer.write(&moved);
    let refused = deployer.run(&["up", "--yes"]).code(64);
    refused.says(&["--destroy-data vm1"]);
    deployer.teardown();
}

#[test]
#[ignore = "builds a base image with PHP: minutes"]
fn a_browser_sees_tables_of_mariadb() {
    if !may_run("a_browser_sees_tables_of_mariadb") {
        return;
    }
    let inventory = INVENTORY.replace("producer: {", "mariadb: { phpmyadmin: true }\nproducer: {");
    let site = Site(Deployer::new(&inventory));
    let deployer = &site.0;
    let up = deployer.run(&["up", "--yes", "--wait"]).code(0);
    up.says(&["deployer open phpmyadmin"]);
    deployer.run(&["up"]).code(0).says(&["nothing to do"]);
    units_are_closed_in(deployer);
    attempts::on_member(deployer, "vm1", "D=/etc/deployer/$1\n", BESIDE_PAGES);
    site.pages();
    well(deployer);
    deployer.teardown();
}

/// The deployment, and what happens in it.
struct Site(Deployer);

impl Site {
    fn on(&self, node: &str, script: &str) -> String {
        self.0.on(node, &["sh", "-c", script])
    }

    fn systemctl(&self, node: &str, words: &str, role: &str) -> String {
        let unit = format!("{}-{role}.service", self.0.name);
        self.on(node, &format!("systemctl {words} {unit}"))
    }

    /// Asks as root of its node, as soon as it answers: Debian's client, at the socket.
    fn ask(&self, question: &str) -> String {
        let data = format!("/var/lib/deployer/{}/mariadb", self.0.name);
        let client = format!("mariadb --no-defaults --socket={data}/mariadb.sock events -N -B");
        let script = format!("{client} -e \"{question}\"");
        eventually("MariaDB answers", || {
            let said = self.0.run(&["ssh", "vm1", "--", "sh", "-c", &script]);
            let answer = said.out.trim_end().to_owned();
            (said.code == Some(0))
                .then_some(answer)
                .ok_or_else(|| said.all())
        })
    }

    fn send(&self, first: u64, last: u64) {
        let lines: String = (first..=last)
            .map(|n| format!("{{\"n\": {n}}}\n"))
            .collect();
        self.0.reading(&["send", "numbers", "-"], &lines).code(0);
    }

    /// Waits until each of the first numbers is a row, and sees that none is there twice.
    fn await_numbers(&self, count: u64) {
        let counted = "SELECT COUNT(*), COUNT(DISTINCT n), MIN(n), MAX(n) FROM numbers";
        let wanted = format!("{count}\t{count}\t1\t{count}");
        within(PATIENCE, "all numbers", || {
            let rows = self.ask(counted);
            (rows == wanted).then_some(()).ok_or(rows)
        });
    }

    fn is_away(&self) {
        self.systemctl("vm1", "stop", "mariadb");
        self.send(3 * NUMBERS + 1, 3 * NUMBERS + 100);
        eventually("status names it", || {
            let said = self.0.run(&["status"]);
            let parts = ["mariadb.service is stopped", "sink numbers: MariaDB"];
            let names_it = parts.iter().all(|part| said.all().contains(part));
            names_it.then_some(()).ok_or_else(|| said.all())
        });
        self.systemctl("vm1", "start", "mariadb");
        self.await_numbers(3 * NUMBERS + 100);
        well(&self.0);
        self.0
            .run(&["logs", "mariadb"])
            .code(0)
            .says(&["ready for connections"]);
        self.0.run(&["check"]).code(0);
    }

    /// Fills a small disk under the tables, and gives it room again: what came meanwhile is there then, once.
    fn disk_full(&self, mut sent: u64) {
        let data = format!("/var/lib/deployer/{}/mariadb", self.0.name);
        self.systemctl("vm1", "stop", "mariadb");
        // All blocks of what is there are taken: what can lack room is what is added.
        let mount = format!(
            "mv {data} {data}-disk && mkdir {data} && size=$(du -sm --apparent-size {data}-disk | cut -f 1) && \
             mount -t tmpfs -o size=$((size + 64))m small {data} && cp -a --sparse=never {data}-disk/. {data} && \
             chown --reference={data}-disk {data} && chmod --reference={data}-disk {data} && rm -r {data}-disk"
        );
        self.on("vm1", &mount);
        self.systemctl("vm1", "start", "mariadb");
        self.await_numbers(sent);
        self.on(
            "vm1",
            &format!("cat /dev/zero >{data}/filling 2>&1 || true"),
        );
        within(PATIENCE, "status says that there is no room", || {
            self.send(sent + 1, sent + NUMBERS);
            sent += NUMBERS;
            let said = self.0.run(&["status"]).all();
            said.contains("The table 'numbers' is full")
                .then_some(())
                .ok_or(said)
        });
        let logs = self.0.run(&["logs", "consumer"]).code(0);
        logs.says(&["the sink takes nothing", "The table 'numbers' is full"]);
        self.on("vm1", &format!("rm {data}/filling"));
        self.await_numbers(sent);
        well(&self.0);
        self.systemctl("vm1", "stop", "mariadb");
        let back = format!(
            "cp -a {data} {data}-disk && umount {data} && rmdir {data} && mv {data}-disk {data}"
        );
        self.on("vm1", &back);
        self.systemctl("vm1", "start", "mariadb");
        self.await_numbers(sent);
    }

    /// A browser logs in to phpMyAdmin through a tunnel, with the administrator's password and no other.
    fn pages(&self) {
        let port = free_port();
        let tunnel = self
            .0
            .start(&["open", "phpmyadmin", "--port", &port.to_string()]);
        let secrets = self.0.secrets();
        let password = secrets["mariadb"]["admin_password"]
            .as_str()
            .expect("a password");
        let files = [("right", password), ("wrong", "wrong")];
        let files = files
            .map(|(name, text)| attempts::file(name, text))
            .concat();
        eventually("the tunnel is open", || {
            let open = TcpStream::connect(("127.0.0.1", port));
            open.map(drop).map_err(|error| error.to_string())
        });
        attempts::on_the_box(&self.0, &format!("{files}P={port}\n{BROWSER}"), AT_PAGES);
        tunnel.interrupt();
        tunnel
            .finish()
            .says(&["phpMyAdmin: http://127.0.0.1:", "login:    admin"]);
    }

    /// The port at this box's end of a tunnel is MariaDB's: it greets with its version.
    fn tunnel(&self) {
        let port = free_port();
        let tunnel = self
            .0
            .start(&["open", "mariadb", "--port", &port.to_string()]);
        eventually("MariaDB greets", || {
            let mut greeting = [0; 64];
            let read = TcpStream::connect(("127.0.0.1", port)).and_then(|mut server| {
                server.set_read_timeout(Some(Duration::from_secs(5)))?;
                server.read(&mut greeting)
            });
            let said = String::from_utf8_lossy(&greeting);
            let greets = read.is_ok() && said.contains("MariaDB");
            greets
                .then_some(())
                .ok_or_else(|| format!("{read:?}: {said}"))
        });
        tunnel.interrupt();
        tunnel.finish().says(&["--user admin", "events"]);
    }

    /// Others in the places of its secrets: the old ones open nothing, and the new ones are nowhere but where they belong.
    fn rotates(&self) {
        let before = self.0.secrets();
        let old = before["mariadb"]["user_password"]
            .as_str()
            .expect("a password");
        let names = ["mariadb-consumer", "mariadb-admin"];
        let words = [&["secrets", "rotate", "--yes"][..], &names].concat();
        let said = self.0.run(&words).code(0);
        let mut known = patterns(&before);
        known.extend(patterns(&self.0.secrets()));
        leaks::none_of(&known, &self.0, &said.all());
        self.send(3 * NUMBERS + 101, 3 * NUMBERS + 200);
        self.await_numbers(3 * NUMBERS + 200);
        let words = format!(
            "{}{}",
            attempts::file("old", &login("consumer", old)),
            CLIENT
        );
        attempts::on_member(&self.0, "vm1", &words, WITH_OLD);
        self.0.run(&["plan"]).code(0).says(&["nothing to do"]);
    }

    /// What passwords open, and what is closed to everybody.
    fn attempts(&self) {
        let secrets = self.0.secrets();
        let password = |key: &str| secrets["mariadb"][key].as_str().expect("a password");
        let files = [
            ("consumer", login("consumer", password("user_password"))),
            ("admin", login("admin", password("admin_password"))),
            ("wrong", login("consumer", "wrong")),
        ];
        let files = files
            .map(|(name, text)| attempts::file(name, &text))
            .concat();
        attempts::on_member(&self.0, "vm1", &format!("{files}{CLIENT}"), AT_SERVER);
        attempts::on_member(&self.0, "vm2", CLIENT, BESIDE);
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn login(user: &str, password: &str) -> String {
    format!("[client]\nuser={user}\npassword={password}\n")
}
