//! Several nodes with Spark share the work of streams: what they remember stays where one becomes two and two become one, and nothing
//! is lost and nothing counted twice where a worker, or the master with the driver, is killed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::attempts::{self, Attempt, may, may_not};
use crate::deployer_command::{Deployer, say, subtest};
use crate::streams::{PATIENCE, Site};
use crate::support::{may_run, within};
use crate::watch::{units, well};

const INVENTORY: &str = "\
nodes:
  vm1: { roles: [zookeeper, kafka, consumer, couchdb] }
  vm2: { roles: [spark] }
  vm3: { roles: [] }
clouds: { local: { memory_mib: 3072 } }
kafka: { replication: 1 }
couchdb: { distribution: pouchdb }
topics: { extra: { numbers: { partitions: 4 } } }
sinks:
  doubled: { from: doubles, couchdb: { replace: true } }
  summed: { from: sums, couchdb: { replace: true } }
streams:
  doubles:
    from: numbers
    parse: { regex: \"^number ([0-9]+)$\", columns: [n] }
    sql: SELECT n AS key, struct(2 * int(n) AS doubled) AS value FROM numbers
    to: doubles
    every: 1s
  sums:
    from: numbers
    parse: { regex: \"^number ([0-9]+)$\", columns: [n] }
    sql: |
      SELECT string(int(n) % 10) AS key, struct(count(*) AS numbers, sum(int(n)) AS sum) AS value
      FROM numbers GROUP BY int(n) % 10
    to: sums
    every: 1s
";

#[test]
#[ignore = "long: Spark begins six times"]
fn several_nodes_share_the_work() {
    if !may_run("several_nodes_share_the_work") {
        return;
    }
    let site = Site(Deployer::new(INVENTORY));
    let deployer = &site.0;
    let proven = "passed by the stream doubles, the stream sums";
    deployer.run(&["up", "--yes"]).code(0).says(&[proven]);
    site.send_numbers(1, 100);
    site.await_doubles(100);
    await_sums(&site, 100);
    let queries = queries(&site);
    let shared = INVENTORY.replace("vm3: { roles: [] }", "vm3: { roles: [spark] }");
    subtest("one node becomes two, and streams go on", || {
        deployer.write(&shared);
        deployer.run(&["up", "--yes"]).code(0).says(&[proven]);
        site.send_numbers(101, 200);
        site.await_doubles(200);
        await_sums(&site, 200);
        assert_eq!(self::queries(&site), queries);
        await_workers(&site, 2);
        well(deployer);
    });
    subtest("a killed worker loses nothing", || {
        site.kill_under_numbers("vm3", "spark", 201, 300);
        site.await_doubles(300);
        await_sums(&site, 300);
        await_workers(&site, 2);
    });
    subtest("a killed master, with the driver, loses nothing", || {
        site.kill_under_numbers("vm2", "spark", 301, 400);
        site.await_doubles(400);
        await_sums(&site, 400);
        await_workers(&site, 2);
    });
    well(deployer);
    deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
    subtest("two nodes become one, and streams go on", || {
        deployer.write(INVENTORY);
        deployer.run(&["up", "--yes", "--prune"]).code(0);
        site.send_numbers(401, 500);
        site.await_doubles(500);
        await_sums(&site, 500);
        assert_eq!(self::queries(&site), queries);
        assert!(!units(deployer).contains_key("vm3 spark"));
    });
    subtest(
        "a full disk under what streams remember is said, and costs nothing",
        || {
            full_disk(&site, 501, 600);
            assert_eq!(self::queries(&site), queries);
        },
    );
    well(deployer);
    deployer.teardown();
}

/// Fills a small disk under the checkpoints while numbers come, and gives it room again.
fn full_disk(site: &Site, first: u64, last: u64) {
    let data = site.data();
    let spark = |verb: &str| {
        site.on(
            "vm2",
            &format!("systemctl {verb} {}-spark.service", site.0.name),
        );
    };
    spark("stop");
    let mount = format!(
        "mv {data} {data}-disk && mkdir {data} && mount -t tmpfs -o size=16m small {data} && cp -a {data}-disk/. {data} && \
         chown --reference={data}-disk {data} && chmod --reference={data}-disk {data} && rm -r {data}-disk"
    );
    site.on("vm2", &mount);
    spark("start");
    let half = u64::midpoint(first, last);
    site.send_numbers(first, half);
    site.await_doubles(half);
    await_sums(site, half);
    site.on(
        "vm2",
        &format!("cat /dev/zero >{data}/filling 2>&1 || true"),
    );
    site.send_numbers(half + 1, last);
    within(PATIENCE, "logs say that there is no room", || {
        let said = site.0.run(&["logs", "spark", "--lines", "400"]).code(0).out;
        let is_said = said.contains("No space left on device");
        is_said.then_some(()).ok_or(said)
    });
    let words = format!("vm2: the disk at {data} is full: 0 of 16 MiB are free");
    site.0.run(&["status"]).code(1).says(&[&words]);
    site.on("vm2", &format!("rm {data}/filling"));
    site.await_doubles(last);
    await_sums(site, last);
    well(&site.0);
    spark("stop");
    let back = format!(
        "cp -a {data} {data}-disk && umount {data} && rmdir {data} && mv {data}-disk {data}"
    );
    site.on("vm2", &back);
    spark("start");
}

/// How long one node, and two, take for the same number of events that were there before: `cargo test --test machines \
/// figures_of_one_node_and_of_two -- --ignored --nocapture`.
#[test]
#[ignore = "figures: alone on the box"]
fn figures_of_one_node_and_of_two() {
    const EVENTS: u64 = 200_000;
    if !may_run("figures_of_one_node_and_of_two") {
        return;
    }
    let inventory = INVENTORY.replace(
        "  doubled: { from: doubles, couchdb: { replace: true } }\n",
        "",
    );
    let site = Site(Deployer::new(&inventory));
    let deployer = &site.0;
    deployer.run(&["up", "--yes"]).code(0);
    let one = catch_up(&site, &["vm2"], 1, EVENTS);
    deployer.write(&inventory.replace("vm3: { roles: [] }", "vm3: { roles: [spark] }"));
    deployer.run(&["up", "--yes"]).code(0);
    let two = catch_up(&site, &["vm2", "vm3"], EVENTS + 1, 2 * EVENTS);
    say(&format!(
        "{EVENTS} events, from the start of Spark to the last sum: one node {:.1} s, two {:.1} s",
        one.as_secs_f64(),
        two.as_secs_f64()
    ));
    deployer.teardown();
}

/// Sends numbers while Spark is away, and begins it again; how long until all are in the sums.
fn catch_up(site: &Site, nodes: &[&str], first: u64, last: u64) -> Duration {
    let systemctl = |verb: &str| {
        for node in nodes {
            site.on(
                node,
                &format!("systemctl {verb} {}-spark.service", site.0.name),
            );
        }
    };
    systemctl("stop");
    site.send_numbers(first, last);
    let started = Instant::now();
    systemctl("start");
    await_sums(site, last);
    started.elapsed()
}

/// Waits until the sums by the last digit are those of the first numbers.
fn await_sums(site: &Site, last: u64) {
    let mut wanted: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for n in 1..=last {
        let (numbers, sum) = wanted.entry((n % 10).to_string()).or_default();
        *numbers += 1;
        *sum += n;
    }
    within(PATIENCE, &format!("the sums of {last} numbers"), || {
        let documents = site.documents("sums");
        let found: BTreeMap<String, (u64, u64)> = documents
            .iter()
            .map(|document| {
                let id = document["_id"].as_str().expect("an id").to_owned();
                let of = |key: &str| document[key].as_u64().expect("a number");
                (id, (of("numbers"), of("sum")))
            })
            .collect();
        (found == wanted)
            .then_some(())
            .ok_or_else(|| format!("{found:?}"))
    });
}

/// Waits until so many nodes work for the driver.
pub(crate) fn await_workers(site: &Site, count: usize) {
    let state = format!("cat {}/state.json", site.data());
    within(PATIENCE, &format!("{count} workers"), || {
        let said = site.on("vm2", &state);
        said.contains(&format!("\"workers\":{count}"))
            .then_some(())
            .ok_or(said)
    });
}

/// What the checkpoints of queries are known by: they are the same as long as nothing began anew.
fn queries(site: &Site) -> String {
    site.on(
        "vm2",
        &format!("cat {}/checkpoints/*/*/metadata", site.data()),
    )
}

/// What processes of somebody else's can do at a master on vm2, from vm3, where one works for it.
pub(crate) fn at_master(deployer: &Deployer) {
    let name = &deployer.name;
    let words = format!(
        "D=/etc/deployer/{name}/spark\nS=/opt/deployer/{name}\nH=vm3.{name}.internal\nM=spark://vm2.{name}.internal:7077\n{WORKER}"
    );
    attempts::on_member(deployer, "vm3", &words, AT_MASTER);
}

/// `works`: a worker of somebody else's, with a secret, is taken by the master.
const WORKER: &str = r#"
works() {
    sed "s/^\(spark.authenticate.secret=\).*/\1$1/" $D/cluster.properties > $W/properties
    sed 's/^rootLogger.level.*/rootLogger.level = info/' $D/log4j2.properties > $W/log4j2.properties
    grep -v -e '^-Dspark' -e '^-Xmx' -e '^-Dlog4j2' $D/java.options > $W/options
    SPARK_LOCAL_IP=127.0.0.1 $S/bin/java @$W/options -Xmx128m -Dlog4j2.configurationFile=file:$W/log4j2.properties \
        org.apache.spark.deploy.worker.Worker --host $H --port 0 --webui-port 0 --cores 1 --memory 1m \
        --work-dir $W/work --properties-file $W/properties $M >$W/said 2>&1 &
    P=$!
    for i in $(seq 60); do
        grep -q -e 'Successfully registered' -e 'Failed to connect to master' $W/said && break
        sleep 1
    done
    kill $P; wait $P
    grep -q 'Successfully registered' $W/said
}
SECRET=$(sed -n 's/^spark.authenticate.secret=//p' $D/cluster.properties)
"#;

const AT_MASTER: &[Attempt] = &[
    may("member", "works with the secret", "works $SECRET"),
    may_not(
        "outsider",
        "works with another secret",
        "works 0123456789abcdef",
    ),
    may_not(
        "neighbour",
        "reads the secret",
        "runuser -u nobody -- cat $D/cluster.properties",
    ),
    may_not(
        "neighbour",
        "sees the secret in a command line",
        "ps -eww -o args | grep -v grep | grep -q $SECRET",
    ),
    may_not(
        "outsider",
        "hands in a program by REST",
        "ss -Hltn | grep -q :6066",
    ),
];
