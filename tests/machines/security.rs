//! All servers where security is on, tried by clients that no one here wrote: kcat, Kafka's own tools, ZooKeeper's, nmap, `openssl
//! s_client`, and those for Python. Each attempt that must fail stands beside a control that succeeds, and the test prints the table.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::attempts::{self, Attempt, Machine, may, may_not};
use crate::deployer_command::{Deployer, subtest};
use crate::leaks;
use crate::real_couchdb::real_couchdb;
use crate::support::{eventually, may_run};
use crate::watch::{Documents, well};

/// With the real CouchDB where there is one, and users of all kinds.
fn inventory(couchdb: Option<&Path>, security: &str) -> String {
    let (distribution, readers) = match couchdb {
        Some(archive) => (
            format!("archive, archive: \"{}\"", archive.display()),
            ", read_documents: [orders]",
        ),
        None => ("pouchdb".to_owned(), ""),
    };
    let users = match security {
        "on" => format!(
            "users: {{ shop: {{ write: [orders] }}, grader: {{ read: [orders]{readers} }} }}\n"
        ),
        _ => String::new(),
    };
    format!(
        "{users}security: {security}\nnodes:\n  vm1: {{ count: 2, roles: [producer] }}\n  vm2: {{ roles: [zookeeper, kafka, consumer] }}\n  \
         vm3: {{ roles: [kafka, couchdb] }}\ncouchdb: {{ distribution: {distribution} }}\nproducer: {{ count: 0, interval: 200ms }}\n\
         topics: {{ extra: {{ orders: {{}} }} }}\nmonitoring: {{ node_exporter: true }}\n"
    )
}

/// What all scripts may use. `$D` is the directory of the deployment's configuration, `$B` a broker.
const WORDS: &str = r#"
D=/etc/deployer/$1
H=vm2.$1.internal
B=$H:9092
C="-X security.protocol=SASL_SSL -X sasl.mechanisms=SCRAM-SHA-512"
CA="-X ssl.ca.location=$D/consumer/authority.pem"
pass() { cat "$W/password-$1"; }
# Whoever logs in with a password: user, password, then kcat's words. It gives up after a while.
as() { user=$1 password=$2; shift 2; printf '%s\n' "sasl.username=$user" "sasl.password=$password" >"$W/login"
    timeout 20 kcat -F "$W/login" -b $B $C ${OTHER_CA-$CA} -X socket.timeout.ms=5000 "$@" 2>"$W/said"; }
write() { printf '{"tried": true}\n' | timeout 20 kcat -F "$W/login" -b $B $C $CA -X message.timeout.ms=5000 -P -t "$1" 2>"$W/said" && ! grep -q 'failed' "$W/said"; }
writes() { printf '%s\n' "sasl.username=$1" "sasl.password=$(pass $1)" >"$W/login"; write "$2"; }
reads() { as $1 "$(pass $1)" -C -t "$2" -o beginning -c 1 -e | grep -q .; }
# Kafka's own tools as an agent.
tool() { printf '%s\n' security.protocol=SASL_SSL sasl.mechanism=SCRAM-SHA-512 ssl.truststore.type=PEM \
        ssl.truststore.location=$D/consumer/authority.pem default.api.timeout.ms=8000 request.timeout.ms=5000 \
        "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"$1\" password=\"$(pass $1)\";" >"$W/tool"
    shift; run "$@"; }
run() { class=$1; shift; timeout 40 /opt/deployer/$N/bin/java -Xmx96m -XX:TieredStopAtLevel=1 -Dlog4j.configuration=file:$D/kafka/log4j.properties \
        -cp "/opt/deployer/$N/kafka/libs/*" $class --bootstrap-server ${AT-$B} --command-config "$W/tool" "$@" >"$W/said" 2>&1 && ! grep -q 'Exception' "$W/said"; }
T=org.apache.kafka.tools.TopicCommand
N=$1
# With a certificate, where brokers ask each other.
shown() { printf '%s\n' security.protocol=SSL ssl.truststore.type=PEM ssl.truststore.location=$D/consumer/authority.pem \
        default.api.timeout.ms=8000 request.timeout.ms=5000 >"$W/tool"
    if [ -n "$1" ]; then printf '%s\n' ssl.keystore.type=PEM "ssl.keystore.location=$1" >>"$W/tool"; fi; shift; AT=$H:9093 run "$@"; }
zk() { login=$1; shift; timeout 30 /opt/deployer/$N/bin/java -Xmx64m -XX:TieredStopAtLevel=1 $login -Dlog4j.configuration=file:$D/kafka/log4j.properties \
        -cp "/opt/deployer/$N/kafka/libs/*" $TLS org.apache.zookeeper.ZooKeeperMain -server $H:2181 "$@" >"$W/said" 2>&1; }
TLS="-Dzookeeper.client.secure=true -Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty
    -Dzookeeper.ssl.trustStore.type=PEM -Dzookeeper.ssl.trustStore.location=$D/kafka/authority.pem"
KAFKA=-Djava.security.auth.login.config=$D/kafka/login.conf
# The znodes that others than brokers may change.
open_znodes() { zk $KAFKA ls -R / && grep '^/' "$W/said" >"$W/znodes" && sed 's/^/getAcl -s /' "$W/znodes" | zk $KAFKA &&
    awk -v list="$W/znodes" 'BEGIN { seen = 0; while ((getline line <list) > 0) znodes[count++] = line }
        /^.world,/ { getline; if ($0 != ": r") open = 1 }
        /^numChildren/ { if (open) print znodes[seen]; seen++; open = 0 }
        END { if (seen != count) print seen " of " count }' "$W/said" | sort | xargs; }
"#;

const ATTEMPTS: &[Attempt] = &[
    may(
        "producer-vm1-1",
        "writes its own topic",
        "writes producer-vm1-1 utilizations1",
    ),
    may(
        "producer-vm1-1",
        "writes the canaries' topic",
        "writes producer-vm1-1 deployer-canaries",
    ),
    may_not(
        "producer-vm1-1",
        "writes another's topic",
        "writes producer-vm1-1 utilizations2",
    ),
    may_not(
        "producer-vm1-1",
        "reads its own topic",
        "reads producer-vm1-1 utilizations1",
    ),
    may_not(
        "consumer",
        "writes a topic",
        "writes consumer utilizations1",
    ),
    may("consumer", "reads a topic", "reads consumer utilizations1"),
    may_not(
        "outsider",
        "speaks plain text to clients' port",
        "timeout 10 kcat -b $B -L -m 5",
    ),
    may_not(
        "outsider",
        "speaks TLS without a login",
        "timeout 15 kcat -b $B -X security.protocol=SSL $CA -L -m 8",
    ),
    may_not(
        "outsider",
        "has a wrong password",
        "as consumer wrong -L -m 8",
    ),
    may_not("nobody", "is no user", "as nobody wrong -L -m 8"),
    may(
        "consumer",
        "has the right one",
        "as consumer \"$(pass consumer)\" -L -m 8",
    ),
    may_not(
        "consumer",
        "trusts another authority",
        "OTHER_CA='-X ssl.ca.location=/etc/ssl/certs/ca-certificates.crt' as consumer \"$(pass consumer)\" -L -m 8",
    ),
    may_not(
        "consumer",
        "asks by a name that is not the broker's",
        "B=elsewhere.example:9092 as consumer \"$(pass consumer)\" -L -m 8",
    ),
    may(
        "openssl",
        "sees the broker's certificate",
        "openssl s_client -connect $B -CAfile $D/consumer/authority.pem -verify_return_error -verify_hostname $H </dev/null",
    ),
    may_not(
        "openssl",
        "takes it for another's",
        "openssl s_client -connect $B -CAfile $D/consumer/authority.pem -verify_return_error -verify_hostname vm3.$N.internal </dev/null",
    ),
    may_not(
        "openssl",
        "speaks TLS 1.1",
        "openssl s_client -tls1_1 -connect $B -CAfile $D/consumer/authority.pem </dev/null",
    ),
    may_not(
        "producer-vm1-1",
        "makes a topic",
        "tool producer-vm1-1 $T --create --topic made --partitions 1 --replication-factor 1",
    ),
    may_not(
        "producer-vm1-1",
        "deletes its topic",
        "tool producer-vm1-1 $T --delete --topic utilizations1",
    ),
    may_not(
        "producer-vm1-1",
        "changes its topic",
        "tool producer-vm1-1 kafka.admin.ConfigCommand --alter --entity-type topics --entity-name utilizations1 --add-config retention.ms=1000",
    ),
    may_not(
        "producer-vm1-1",
        "takes more rights",
        "tool producer-vm1-1 kafka.admin.AclCommand --add --force --allow-principal User:producer-vm1-1 --operation Read --topic utilizations2",
    ),
    may(
        "consumer",
        "sees its group",
        "tool consumer org.apache.kafka.tools.consumer.group.ConsumerGroupCommand --describe --group $N",
    ),
    may_not(
        "consumer",
        "removes another's group",
        "tool consumer org.apache.kafka.tools.consumer.group.ConsumerGroupCommand --delete --group other",
    ),
    may_not(
        "outsider",
        "has no certificate where brokers ask each other",
        "shown '' $T --list",
    ),
    may_not(
        "zookeeper",
        "shows ZooKeeper's certificate there, and makes a topic",
        "shown $D/zookeeper/certificate.pem $T --create --topic made --partitions 1 --replication-factor 1",
    ),
    may(
        "deployer",
        "makes a topic",
        "shown $W/operator.pem $T --create --topic made --partitions 1 --replication-factor 1",
    ),
    may(
        "deployer",
        "deletes it",
        "shown $W/operator.pem $T --delete --topic made",
    ),
    may_not(
        "outsider",
        "asks ZooKeeper in plain text",
        "TLS= zk '' ls /",
    ),
    may_not(
        "outsider",
        "asks ZooKeeper without a password",
        "zk '' ls /",
    ),
    may("kafka", "asks ZooKeeper with it", "zk $KAFKA ls /"),
    may(
        "kafka",
        "has closed all znodes in which something lies",
        "[ \"$(open_znodes)\" = '/ /consumers /zookeeper /zookeeper/quota' ]",
    ),
    may_not(
        "outsider",
        "asks ZooKeeper by four-letter words",
        "timeout 5 bash -c 'exec 3<>/dev/tcp/'$H'/2181; printf srvr >&3; grep -q . <&3'",
    ),
    may_not(
        "openssl",
        "takes the broker's certificate when it has expired",
        "openssl s_client -connect $B -CAfile $D/consumer/authority.pem -verify_return_error -verify_hostname $H -attime 4102444800 </dev/null",
    ),
    may(
        "its own node",
        "reads the consumer's figures",
        "timeout 5 bash -c 'exec 3<>/dev/tcp/localhost/9442; printf \"GET /metrics HTTP/1.0\\r\\n\\r\\n\" >&3; grep -q consumer_ <&3'",
    ),
    may_not(
        "its own node",
        "reads them at the address that others know",
        "timeout 5 bash -c '</dev/tcp/'$H'/9442'",
    ),
    may_not(
        "another node",
        "reads a producer's figures",
        "timeout 5 bash -c '</dev/tcp/vm1-1.'$N'.internal/9441'",
    ),
    may(
        "consumer",
        "reads the file of its own password",
        "runuser -u $N-consumer -- cat $D/consumer/kafka-password",
    ),
    may_not(
        "neighbour",
        "reads it",
        "runuser -u nobody -- cat $D/consumer/kafka-password",
    ),
    may(
        "kafka",
        "reads the file of its own key",
        "runuser -u $N-kafka -- cat $D/kafka/certificate.pem",
    ),
    may_not(
        "consumer",
        "reads the broker's key",
        "runuser -u $N-consumer -- cat $D/kafka/certificate.pem",
    ),
    may_not(
        "neighbour",
        "reads the brokers' password for ZooKeeper",
        "runuser -u nobody -- cat $D/kafka/login.conf",
    ),
    may(
        "nmap",
        "finds open on another member what the guide names, and no more",
        // Those that are expected once more, slowly: of the many questions a busy box loses some.
        "for how in '-p- -T4 --max-retries 2' \"-p $(echo $PORTS | tr ' ' ,) --max-retries 10\"; do \
         nmap -n -Pn $how -oG - vm3.$N.internal; done | \
         grep -o '[0-9]*/open/tcp' | cut -d/ -f1 | sort -nu | xargs >\"$W/said\"; [ \"$(cat \"$W/said\")\" = \"$PORTS\" ]",
    ),
];

/// Tries all of them on a member, by root, who may read each agent's password, and with the deployer's certificate beside. Then what
/// clients for Python try.
fn table(deployer: &Deployer, real_couchdb: bool) {
    let secrets = deployer.secrets();
    let couchdb = if real_couchdb { 6984 } else { 5984 };
    let mut words = format!("PORTS='22 {couchdb} 9092 9093 9100'\n{WORDS}");
    let mut give = |name: &str, secret: &Value| {
        words.push_str(&attempts::file(name, secret.as_str().expect("a secret")));
    };
    give("operator.pem", &secrets["authority"]["deployer"]);
    for user in ["consumer", "producer-vm1-1"] {
        give(&format!("password-{user}"), &secrets["passwords"][user]);
    }
    words.push_str(
        "grep -q elsewhere.example /etc/hosts || sed -n \"s/ $H.*/ elsewhere.example/p\" /etc/hosts >>/etc/hosts\n\
         trap 'rm -r \"$W\"; sed -i /elsewhere.example/d /etc/hosts' EXIT\n",
    );
    let install = "command -v kcat >/dev/null && command -v nmap >/dev/null || apt-get install -qq -y kcat nmap >/dev/null";
    deployer.on("vm2", &[install]);
    attempts::on_member(deployer, "vm2", &words, ATTEMPTS);
    let member = Machine::of(&deployer.id(), "vm1-1");
    attempts::by_clients_for_python(&deployer.name, &secrets, &member, real_couchdb);
}

/// No event is lost on any of these ways; those sent meanwhile come later. Here on `local` it is the whole table; on `existing`
/// (`existing::life`) it is what clients for Python try, the ports that answer, and the search for secrets.
#[test]
fn who_has_no_right_gets_nothing() {
    if !may_run("who_has_no_right_gets_nothing") {
        return;
    }
    let couchdb = real_couchdb(".tar.gz", "what others try with CouchDB, by couchdb-python");
    let couchdb = couchdb.as_deref();
    let deployer = Deployer::new(&inventory(couchdb, "on"));
    let up = deployer
        .run(&["up", "--yes"])
        .code(0)
        .says(&["proven"])
        .all();
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    subtest("each attempt, and its control", || {
        table(&deployer, couchdb.is_some());
    });
    subtest("no secret lies where others look", || {
        leaks::none_of(&leaks::patterns(&deployer.secrets()), &deployer, &up);
    });
    // What was tried is no drift: nothing of it came about.
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    subtest("security goes off and on again", || {
        goes_off_and_on(&deployer, couchdb);
    });
    subtest("brokers ask each other at another port", || {
        brokers_move(&deployer, couchdb);
    });
    subtest("a lost authority is made anew", || {
        an_authority_is_lost(&deployer);
    });
    well(&deployer);
    deployer.teardown();
}

fn goes_off_and_on(deployer: &Deployer, couchdb: Option<&Path>) {
    deployer.write(&inventory(couchdb, "off"));
    all_restart_at_once(deployer);
    // As older deployers left it, to whom an inventory that says nothing of it meant `off`. Nobody changed it since.
    let silent = |text: &str| text.replacen("security: off\n", "", 1);
    deployer.write(&silent(&inventory(couchdb, "off")));
    let mut receipt = deployer.receipt();
    receipt["inventory"] = silent(receipt["inventory"].as_str().expect("a text")).into();
    let fields = receipt.as_object_mut().expect("a mapping");
    fields.remove("secure_by_default").expect("it was there");
    std::fs::write(deployer.receipt_path(), receipt.to_string()).expect("written");
    let words = [
        "security goes on",
        "nothing is taken in for 10 to 60 seconds",
        "`security: off` in the inventory leaves all as it is",
    ];
    deployer.run(&["plan"]).code(2).says(&words);
    let asks = deployer.run(&["up"]).code(64);
    asks.says(&words).says(&["say --yes"]);
    all_restart_at_once(deployer);
}

/// The deployer itself asks them there, too: where it will be answered.
fn brokers_move(deployer: &Deployer, couchdb: Option<&Path>) {
    deployer.write(&format!(
        "{}kafka: {{ brokers_port: 9094 }}\n",
        inventory(couchdb, "on")
    ));
    deployer
        .run(&["plan"])
        .code(2)
        .says(&["wait for port 9094"]);
    all_restart_at_once(deployer);
    for node in ["vm2", "vm3"] {
        let listens = deployer.on(node, &["ss -Hltn | grep -o ':909[0-9]' | sort"]);
        assert_eq!(listens, ":9092\n:9094\n", "{node}");
    }
}

fn an_authority_is_lost(deployer: &Deployer) {
    let mut secrets = deployer.secrets();
    secrets
        .as_object_mut()
        .expect("a mapping")
        .remove("authority");
    std::fs::write(deployer.secrets_path(), secrets.to_string()).expect("written");
    all_restart_at_once(deployer);
}

/// The plan says so, and then no event is missing.
fn all_restart_at_once(deployer: &Deployer) {
    let plan = deployer.run(&["plan"]).code(2);
    assert!(
        plan.out.contains("all brokers restart at once"),
        "{}",
        plan.all()
    );
    deployer.run(&["up", "--yes"]).code(0).says(&["proven"]);
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    arrive(deployer);
}

/// New events become documents, of both clients, and none is missing in between.
fn arrive(deployer: &Deployer) {
    let documents = Documents::new(deployer, "vm3");
    for number in 1..=2 {
        let newest = || newest_run(&documents, number);
        let before = newest().len();
        eventually(&format!("more events of vm1-{number}"), || {
            let now = newest();
            if now.len() < before + 5 {
                return Err(format!("{before}, then {}", now.len()));
            }
            let last = u32::try_from(now.len()).expect("a number");
            // The last ones may come in any order.
            let settled = now.len() - 5;
            let whole = now[..settled].iter().copied().eq(1..=last - 5);
            if whole {
                Ok(())
            } else {
                Err(format!("a gap in {now:?}"))
            }
        });
    }
}

/// The numbers of the newest run of a client, in order.
fn newest_run(documents: &Documents, number: u32) -> Vec<u32> {
    let (status, answer) = documents.get(&format!("utilizations{number}/_all_docs"), Some("admin"));
    assert_eq!(status, 200, "{answer}");
    let ids = answer["rows"].as_array().expect("rows").iter();
    let mut runs = BTreeMap::<&str, Vec<u32>>::new();
    for id in ids.filter_map(|row| row["id"].as_str()) {
        if let Some((run, sequence)) = id
            .strip_prefix(&format!("vm1-{number}-"))
            .and_then(|rest| rest.rsplit_once('-'))
        {
            runs.entry(run)
                .or_default()
                .push(sequence.parse().expect("a number"));
        }
    }
    let mut newest = runs
        .pop_last()
        .map(|(_, numbers)| numbers)
        .unwrap_or_default();
    newest.sort_unstable();
    newest
}
