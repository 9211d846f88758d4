//! Alerts of an inventory: what is refused before anything is made, what the agent is told, and when they are proven.

use deployer::component::Component as _;
use deployer::component::consumer::Consumer;
use serde_json::Value;

use crate::topologies::{assert_refused, read};

const GOOD: &str = "\
name: x
nodes:
  vm1: { roles: [zookeeper, kafka, consumer] }
  vm2: { roles: [spark] }
kafka: { replication: 1 }
topics: { extra: { logs: {} } }
sinks: { all: { from: logs, files: {} } }
streams:
  counts:
    from: logs
    parse: { regex: (a) (b), columns: [time, level] }
    sql: SELECT 1 AS key, struct(window, level, count(*) AS n) AS value FROM logs GROUP BY window(time, '1 minute'), level
    to: log-counts
alerts:
  errors:
    stream: counts
    when: { level: ERROR, n: \"> 1\" }
    to: [ops@example.org]
    subject: Errors
mail: { relay: mail.example.org, from: x@example.org, user: u, password_file: p }
";

#[test]
fn what_could_never_be_sent_is_refused_with_its_line() {
    let cases = [
        (
            "n: \"> 1\"",
            "total: \"> 1\"",
            "alerts.errors.when.total: `total` is no column of the stream `counts`",
        ),
        (
            "n: \"> 1\"",
            "m: 2",
            "alerts.errors.when.m: `m` is no column of the stream `counts`",
        ),
        (
            "n: \"> 1\"",
            "n: \"> one\"",
            "alerts.errors.when.n: `> one` compares with `one`, which is no number",
        ),
        (
            "n: \"> 1\"",
            "n: \">\"",
            "alerts.errors.when.n: `>` compares with nothing",
        ),
        (
            "stream: counts",
            "stream: count",
            "t.yaml:16:13: alerts.errors.stream: `count` is no stream of the inventory; name one of `counts`",
        ),
        (
            "stream: counts",
            "stream: counts\n    report: hour",
            "alerts.errors.report: `hour` is no column of the stream `counts`",
        ),
        (
            "relay: mail.example.org, ",
            "",
            "t.yaml:20:1: mail: says no `relay`",
        ),
        ("from: x@example.org, ", "", "mail: says no `from`"),
        (
            "mail: { relay: mail.example.org, from: x@example.org, user: u, password_file: p }\n",
            "",
            "t.yaml:15:3: alerts.errors: nobody sends its mail: the inventory has no `mail`",
        ),
        (
            "ops@example.org",
            "\"ops@example.org\\nBcc: a@example.org\"",
            "t.yaml:18:10: alerts.errors.to[0]: ",
        ),
        ("ops@example.org", "ops", "is no address of mail, such as"),
        (
            "subject: Errors",
            "subject: \"a\\nBcc: b\"",
            "alerts.errors.subject: ",
        ),
        (
            "[ops@example.org]",
            "[]",
            "alerts.errors.to: must name an address at least",
        ),
        (
            "{ level: ERROR, n: \"> 1\" }",
            "{}",
            "alerts.errors.when: must have one condition",
        ),
        (", password_file: p", "", "mail.user: has no password"),
        ("user: u, ", "", "mail.password_file: is nobody's"),
        (
            "user: u",
            "tls: off, user: u",
            "mail.tls: `off` would send the password in plain text",
        ),
        ("all:", "errors:", "alerts.errors: has the name of a sink"),
        (
            "subject: Errors",
            "subject: Errors\n    cooldown: 30d",
            "alerts.errors.cooldown: must be between 0ms and 7d, is 30d",
        ),
    ];
    assert_refused(GOOD, &cases);
}

#[test]
fn the_first_consumer_alone_sends_and_is_proven_by_the_mail_of_trial() {
    let text = GOOD.replace("[spark]", "[spark, consumer]");
    let topology = read(&text).expect("good");
    let said_in = |node: &str| Consumer.said_in(&topology.nodes[node], &topology);
    assert_eq!(
        said_in("vm1"),
        ["/var/lib/deployer/x/consumer/errors/state.json"]
    );
    assert_eq!(said_in("vm2"), [""; 0]);
    let behind = |said: &str| {
        let behind = Consumer.behind(&topology, said, 7).expect("alerts");
        let words = behind
            .into_iter()
            .map(|(part, one)| format!("{part} {}", one.how));
        words.collect::<Vec<_>>()
    };
    let bare = "the alert errors could not send its mail marked TEST";
    assert_eq!(behind(""), [bare]);
    let other = r#"{"title":"errors of x","tested":"another","last_error":"no relay"}"#;
    assert_eq!(behind(other), [format!("{bare}: no relay")]);
    let half: Value = serde_json::json!({"title": "errors of y"});
    assert_eq!(behind(&half.to_string()), [bare]);
}
