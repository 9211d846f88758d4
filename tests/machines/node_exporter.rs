//! The node exporter on a real machine: it is there where the inventory says so, answers, and goes again.

use crate::attempts::{self, Attempt, may, may_not};
use crate::deployer_command::Deployer;
use crate::sandbox;
use crate::support::may_run;
use crate::watch::address;

/// What it says of the machine, asked at a port of the machine's own; `000`: nobody answers.
const ASK: &str = "bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0 && printf \"GET /metrics HTTP/1.0\\r\\n\\r\\n\" >&3 && grep -c ^node_ <&3'";

fn inventory(monitoring: &str) -> String {
    format!("nodes: {{ vm1: {{}} }}\n{monitoring}\n")
}

#[test]
fn a_node_exporter_tells_how_its_machine_is() {
    if !may_run("a_node_exporter_tells_how_its_machine_is") {
        return;
    }
    let deployer = Deployer::new(&inventory(
        "security: off\nmonitoring: { node_exporter: true }",
    ));
    deployer.run(&["up", "--yes"]).code(0);
    let told = |port: &str| {
        let words = ASK.replace("$0", port);
        let count = deployer.on("vm1", &["sh", "-c", &format!("{words} || true")]);
        count.trim().parse::<usize>().unwrap_or(0)
    };
    assert!(told("9100") > 100, "it says nothing of the machine");
    let unit = "prometheus-node-exporter.service";
    let question = sandbox::question(unit);
    sandbox::is_closed_in(unit, &deployer.on("vm1", &["sh", "-c", &question]));
    deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
    deployer
        .run(&["status", "--json"])
        .code(0)
        .says(&["prometheus-node-exporter.service"]);

    // Another port, and then none at all; the package stays and does not run.
    deployer.write(&inventory(
        "security: off\nmonitoring: { node_exporter: true, node_exporter_port: 9200 }",
    ));
    deployer.run(&["up", "--yes"]).code(0);
    assert!(told("9200") > 100);
    assert_eq!(told("9100"), 0, "it still listens at its old port");
    deployer.write(&inventory("security: off"));
    deployer
        .run(&["plan"])
        .code(2)
        .says(&["stop prometheus-node-exporter.service"]);
    deployer.run(&["up", "--yes"]).code(0);
    assert_eq!(told("9200"), 0, "it still runs");
    let enabled = "systemctl is-enabled prometheus-node-exporter.service || true";
    assert_eq!(
        deployer.on("vm1", &["sh", "-c", enabled]).trim(),
        "disabled"
    );
    deployer.teardown();
    deployer.assert_gone();
}

/// `ask` asks the exporter by its name, with the authority and the login in the files that stand in `$CA` and `$LOGIN`.
const WORDS: &str = r#"
H=vm1.$1.internal
A=$(cat "$W/address")
for login in right wrong; do
    echo "default login monitor password $(cat "$W/$login")" >"$W/login-$login"
done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -subj /CN=$H -days 1 >"$W/other.pem" 2>/dev/null
ask() { curl -sS -m 15 --resolve "*:9100:$A" --cacert "$W/${CA-authority.pem}" ${LOGIN---netrc-file "$W/login-right"} "$@" >"$W/said" &&
    grep -q '^node_load1 ' "$W/said"; }
shown() { openssl s_client -connect $A:9100 -CAfile "$W/authority.pem" -verify_return_error "$@"; }
"#;

const ATTEMPTS: &[Attempt] = &[
    may(
        "monitor",
        "reads the figures",
        "ask https://$H:9100/metrics",
    ),
    may_not(
        "monitor",
        "has a wrong password",
        "LOGIN=\"--netrc-file $W/login-wrong\" ask https://$H:9100/metrics",
    ),
    may_not("outsider", "has none", "LOGIN= ask https://$H:9100/metrics"),
    may_not(
        "monitor",
        "speaks plain text to TLS",
        "ask http://$H:9100/metrics",
    ),
    may_not(
        "monitor",
        "trusts another authority",
        "CA=other.pem ask https://$H:9100/metrics",
    ),
    may_not(
        "monitor",
        "asks by another name",
        "ask https://elsewhere.example:9100/metrics",
    ),
    may(
        "openssl",
        "sees the certificate of that node",
        "shown -verify_hostname $H",
    ),
    may_not(
        "openssl",
        "takes it for another's",
        "shown -verify_hostname vm2.$1.internal",
    ),
    may_not(
        "openssl",
        "takes it when it has expired",
        "shown -verify_hostname $H -attime 4102444800",
    ),
    may_not(
        "openssl",
        "speaks TLS 1.1",
        "shown -tls1_1 -cipher ALL:@SECLEVEL=0",
    ),
];

#[test]
fn a_node_exporter_answers_those_who_know_its_password() {
    if !may_run("a_node_exporter_answers_those_who_know_its_password") {
        return;
    }
    let monitored = |security: &str| {
        inventory(&format!(
            "security: {security}\nmonitoring: {{ node_exporter: true }}"
        ))
    };
    let deployer = Deployer::new(&monitored("on"));
    deployer.run(&["up", "--yes"]).code(0);
    let secrets = deployer.secrets();
    let secret = |of: &str, key: &str| secrets[of][key].as_str().expect("a secret").to_owned();
    let words = [
        attempts::file("address", &address(&deployer, "vm1").to_string()),
        attempts::file("authority.pem", &secret("authority", "certificate")),
        attempts::file("right", &secret("node-exporter", "password")),
        attempts::file("wrong", &secret("couchdb", "user_password")),
        WORDS.to_owned(),
    ];
    attempts::on_the_box(&deployer, &words.concat(), ATTEMPTS);
    deployer.run(&["plan"]).code(0).says(&["nothing to do"]);

    // Only the service reads its key and its user's hash; the password itself is on no node.
    let files = format!("/etc/deployer/{}/node-exporter", deployer.name);
    let list = format!("cd {files} && stat -c '%n %U:%G:%a' *");
    let rights = "certificate.pem root:prometheus:640\nweb.yml root:prometheus:640\n";
    assert_eq!(deployer.on("vm1", &["sh", "-c", &list]), rights);
    let held = format!(
        "grep -rl {} /etc || true",
        secret("node-exporter", "password")
    );
    assert_eq!(deployer.on("vm1", &["sh", "-c", &held]), "");

    // Off, everybody is answered in plain text, and nothing of it is left.
    deployer.write(&monitored("off"));
    deployer.run(&["up", "--yes"]).code(0);
    let told = format!("{} || true", ASK.replace("$0", "9100"));
    let told = deployer.on("vm1", &["sh", "-c", &told]);
    assert!(
        told.trim().parse::<usize>().is_ok_and(|count| count > 100),
        "{told}"
    );
    assert_eq!(
        deployer.on(
            "vm1",
            &["sh", "-c", &format!("ls {files} 2>/dev/null || true")]
        ),
        ""
    );
    deployer.run(&["plan"]).code(0).says(&["nothing to do"]);
    deployer.teardown();
}
