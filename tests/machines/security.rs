//! Brokers and ZooKeeper where security is on, tried by clients that no one here wrote: kcat, Kafka's own tools, ZooKeeper's, and
//! `openssl s_client`. Each attempt that must fail stands beside a control that succeeds, and the test prints the table.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::attempts::{self, Attempt, may, may_not};
use crate::deployer_command::{Deployer, subtest};
use crate::support::{eventually, may_run};
use crate::watch::{Documents, well};

fn inventory(security: &str) -> String {
    format!(
        "security: {security}\nnodes:\n  vm1: {{ count: 2, roles: [producer] }}\n  vm2: {{ roles: [zookeeper, kafka, consumer] }}\n  \
         vm3: {{ roles: [kafka, couchdb] }}\ncouchdb: {{ distribution: pouchdb }}\nproducer: {{ count: 0, interval: 200ms }}\n"
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
        "has closed what it made",
        "zk $KAFKA getAcl /config/topics/utilizations1 && grep -A1 sasl,.kafka $W/said | grep -qx ': cdrwa' && grep -A1 world,.anyone $W/said | grep -qx ': r'",
    ),
    may_not(
        "outsider",
        "asks ZooKeeper by four-letter words",
        "timeout 5 bash -c 'exec 3<>/dev/tcp/'$H'/2181; printf srvr >&3; grep -q . <&3'",
    ),
];

/// Tries all of them on a member, by root, who may read each agent's password, and with the deployer's certificate beside.
fn table(deployer: &Deployer) {
    let secrets = deployer.secrets();
    let mut words = WORDS.to_owned();
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
    deployer.on(
        "vm2",
        &["command -v kcat >/dev/null || apt-get install -qq -y kcat >/dev/null"],
    );
    attempts::on_member(deployer, "vm2", &words, ATTEMPTS);
}

/// No event is lost on any of these ways; those sent meanwhile come later.
#[test]
fn who_has_no_right_gets_nothing() {
    if !may_run("who_has_no_right_gets_nothing") {
        return;
    }
    let deployer = Deployer::new(&inventory("on"));
    let up = deployer
        .run(&["up", "--yes"])
        .code(0)
        .says(&["proven"])
        .all();
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    subtest("each attempt, and its control", || table(&deployer));
    subtest("no secret lies where others look", || {
        secrets_are_kept(&deployer, &up);
    });
    // What was tried is no drift: nothing of it came about.
    assert_eq!(deployer.run(&["plan"]).code(0).out, "nothing to do\n");
    subtest("security goes off and on again", || {
        goes_off_and_on(&deployer);
    });
    subtest("brokers ask each other at another port", || {
        brokers_move(&deployer);
    });
    subtest("a lost authority is made anew", || {
        an_authority_is_lost(&deployer);
    });
    well(&deployer);
    deployer.teardown();
}

/// Says where on a node one of the secrets is that it reads: `journal`, `processes`, or a file that everybody may read. And how many of
/// the service's own files hold one, so that it is known to find them.
const SEARCH: &str = r#"
set -uf
umask 077
P=/run/security-search; cat >$P
journalctl --no-pager -o cat | grep -q -F -f $P && echo journal
set +f
cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -q -F -f $P && echo processes
find / -xdev -path /proc -prune -o -path /sys -prune -o -type f -perm -o+r -size -4M -print0 2>/dev/null |
    xargs -0 grep -l -F -f $P 2>/dev/null
echo "held $(grep -rl -F -f $P /etc/deployer | wc -l)"
rm $P
"#;

/// The lines of a deployment's secrets that are nobody else's, former ones too.
pub(crate) fn patterns(secrets: &Value) -> BTreeSet<String> {
    let mut patterns = BTreeSet::new();
    for (of, own) in secrets.as_object().expect("a mapping") {
        for (key, secret) in own.as_object().into_iter().flatten() {
            // Certificates are for everybody, and a server's id is no secret.
            let text = secret.as_str().expect("a text");
            let private = text
                .split("-----BEGIN CERTIFICATE")
                .next()
                .unwrap_or_default();
            let lines = private
                .lines()
                .filter(|line| line.len() > 20 && !line.starts_with("-----"));
            let known = of == "couchdb" && key == "uuid";
            patterns.extend(lines.filter(|_| !known).map(str::to_owned));
        }
    }
    patterns
}

/// No secret is in a journal, in the arguments or the environment of a process, in a file that everybody may read, in the receipt, or in
/// what `up`, `plan` and `status` say.
pub(crate) fn secrets_are_kept(deployer: &Deployer, up: &str) {
    are_kept(deployer, &patterns(&deployer.secrets()), up);
}

/// The same of some secrets, whether they count any more or not.
pub(crate) fn are_kept(deployer: &Deployer, patterns: &BTreeSet<String>, up: &str) {
    assert!(patterns.len() > 10, "{} secrets", patterns.len());
    let lines: Vec<&str> = patterns.iter().map(String::as_str).collect();
    for node in ["vm1-1", "vm2", "vm3"] {
        let path = "/run/security-search.sh";
        deployer
            .reading(
                &[
                    "ssh",
                    node,
                    "--",
                    "sh",
                    "-c",
                    "cat >/run/security-search.sh",
                ],
                SEARCH,
            )
            .code(0);
        let said = deployer.reading(&["ssh", node, "--", "sh", path], &(lines.join("\n") + "\n"));
        let said = said.code(0).out;
        let held = said.trim().strip_prefix("held ");
        let held = held.unwrap_or_else(|| panic!("{node}: a secret lies open: {said}"));
        assert_ne!(held, "0", "{node}: the services have theirs");
    }
    let told = [
        up.to_owned(),
        deployer.run(&["plan"]).all(),
        deployer.run(&["status", "--json"]).all(),
        std::fs::read_to_string(deployer.receipt_path()).expect("a receipt"),
    ];
    for (pattern, text) in lines
        .iter()
        .flat_map(|line| told.iter().map(move |text| (line, text)))
    {
        assert!(!text.contains(pattern), "a secret is told: {text}");
    }
}

fn goes_off_and_on(deployer: &Deployer) {
    deployer.write(&inventory("off"));
    all_restart_at_once(deployer);
    // As older deployers left it, to whom an inventory that says nothing of it meant `off`. Nobody changed it since.
    let silent = |text: &str| text.replacen("security: off\n", "", 1);
    deployer.write(&silent(&inventory("off")));
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
fn brokers_move(deployer: &Deployer) {
    deployer.write(&format!(
        "{}kafka: {{ brokers_port: 9094 }}\n",
        inventory("on")
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
