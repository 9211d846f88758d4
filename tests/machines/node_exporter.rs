//! The node exporter on a real machine: it is there where the inventory says so, answers, and goes again.

use crate::deployer_command::Deployer;
use crate::sandbox;
use crate::support::may_run;

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
    let deployer = Deployer::new(&inventory("monitoring: { node_exporter: true }"));
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
        "monitoring: { node_exporter: true, node_exporter_port: 9200 }",
    ));
    deployer.run(&["up", "--yes"]).code(0);
    assert!(told("9200") > 100);
    assert_eq!(told("9100"), 0, "it still listens at its old port");
    deployer.write(&inventory(""));
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
