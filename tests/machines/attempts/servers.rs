//! What others try at the servers of a deployment by kcat, Kafka's own tools, ZooKeeper's, nmap and `openssl s_client`, on a member as
//! root, who may read each agent's password.

use serde_json::Value;

use super::{Attempt, Machine, file, may, may_not, on_machine};

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
# A shell that came from the box is in none of the machine's groups of processes: Java must not look for its own.
run() { class=$1; shift; timeout 40 /opt/deployer/$N/bin/java -XX:-UseContainerSupport -Xmx96m -XX:TieredStopAtLevel=1 -Dlog4j.configuration=file:$D/kafka/log4j.properties \
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
        END { if (seen != count) print seen " of " count }' "$W/said" | sort | xargs -r; }
"#;

/// No znode is left out.
const CLOSED: Attempt = may(
    "kafka",
    "alone changes any znode",
    "open_znodes >\"$W/open\" && cat \"$W/open\" && [ ! -s \"$W/open\" ]",
);

/// Where security is off, the znodes that nobody but ZooKeeper's unit closes become as a deployment of older versions has them.
const OPEN: Attempt = may(
    "anybody",
    "opens znodes where security is off",
    "printf 'setAcl %s world:anyone:cdrwa\\n' / /consumers /zookeeper /zookeeper/quota | TLS= zk '' && \
     rm /var/lib/deployer/$N/zookeeper/.closed && TLS= zk '' getAcl /consumers && grep cdrwa \"$W/said\"",
);

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
    CLOSED,
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

/// Tries all of them on `vm2`, with the deployer's certificate beside. `ports`: those of `vm3` that are open to members.
pub(crate) fn at_servers(name: &str, secrets: &Value, vm2: &Machine, ports: &str) {
    let mut words = format!("PORTS='{ports}'\n{WORDS}");
    let mut give = |name: &str, secret: &Value| {
        words.push_str(&file(name, secret.as_str().expect("a secret")));
    };
    give("operator.pem", &secrets["authority"]["deployer"]);
    for user in ["consumer", "producer-vm1-1"] {
        give(&format!("password-{user}"), &secrets["passwords"][user]);
    }
    words.push_str(
        "grep -q elsewhere.example /etc/hosts || sed -n \"s/ $H.*/ elsewhere.example/p\" /etc/hosts >>/etc/hosts\n\
         trap 'rm -r \"$W\"; sed -i /elsewhere.example/d /etc/hosts' EXIT\n\
         command -v kcat >/dev/null && command -v nmap >/dev/null || apt-get install -qq -y kcat nmap >/dev/null\n",
    );
    on_machine(vm2, name, &words, ATTEMPTS);
}

/// Opens what older versions left open, where security is off.
pub(crate) fn open_znodes(name: &str, vm2: &Machine) {
    on_machine(vm2, name, WORDS, &[OPEN]);
}

/// Looks whether all of it is closed again.
pub(crate) fn znodes_are_closed(name: &str, vm2: &Machine) {
    on_machine(vm2, name, WORDS, &[CLOSED]);
}
