//! Rule sets as machines have them, and what they do with what we send.

use super::{Filters, Packet};

fn to(port: u16, from: &str) -> Packet<'static> {
    Packet {
        port: Some(port),
        from: Some(from.parse().expect("an address")),
        input: None,
        output: None,
        new: true,
    }
}

/// Text of `nft -j`: the base chain `input` of `inet host`, its policy, and its rules' expressions.
fn nft(policy: &str, rules: &[&str]) -> String {
    let rules: String = rules
        .iter()
        .map(|rule| format!(r#",{{"rule":{{"family":"inet","table":"host","chain":"input","handle":4,"expr":[{rule}]}}}}"#))
        .collect();
    format!(
        r#"{{"nftables":[{{"metainfo":{{"version":"1.0.6"}}}},
        {{"set":{{"family":"inet","table":"host","name":"known","elem":[{{"prefix":{{"addr":"10.1.0.0","len":16}}}},"10.0.0.9"]}}}},
        {{"chain":{{"family":"inet","table":"host","name":"input","type":"filter","hook":"input","prio":0,"policy":"{policy}"}}}},
        {{"chain":{{"family":"inet","table":"host","name":"more"}}}},
        {{"rule":{{"family":"inet","table":"host","chain":"more","handle":9,"expr":[{PORTS},{{"accept":null}}]}}}}{rules}]}}"#
    )
}

const LO: &str =
    r#"{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"lo"}},{"accept":null}"#;
const ESTABLISHED: &str = r#"{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}},{"accept":null}"#;
const STATES: &str = r#"{"vmap":{"key":{"ct":{"key":"state"}},"data":{"set":[["established",{"accept":null}],["invalid",{"drop":null}]]}}}"#;
const SSH: &str = r#"{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":22}},{"counter":{"packets":1,"bytes":2}},{"accept":null}"#;
const PORTS: &str = r#"{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[22,{"range":[9000,9999]}]}}}"#;
const UDP: &str = r#"{"match":{"op":"==","left":{"payload":{"protocol":"udp","field":"dport"}},"right":9092}},{"accept":null}"#;
const KNOWN: &str = r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"@known"}},{"accept":null}"#;
const LIMITED: &str = r#"{"limit":{"rate":3,"per":"second"}},{"accept":null}"#;
const NOT_NEAR: &str = r#"{"match":{"op":"!=","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":{"prefix":{"addr":"10.0.0.0","len":24}}}},{"drop":null}"#;
const JUMP: &str = r#"{"jump":{"target":"more"}}"#;
const REJECT: &str = r#"{"reject":{"type":"icmpx","expr":"admin-prohibited"}}"#;

#[test]
fn nftables_rules_are_walked() {
    let dropped = |policy: &str, rules: &[&str], from: &str| {
        let filters = Filters::read(&nft(policy, rules), "", "");
        let chains = filters.dropping("input", to(9092, from));
        chains
            .iter()
            .map(|chain| chain.words())
            .collect::<Vec<_>>()
            .concat()
    };
    let host = "table inet host, chain input";
    // N3 as it was seen.
    assert_eq!(dropped("drop", &[LO, ESTABLISHED, SSH], "10.0.0.2"), host);
    assert_eq!(dropped("drop", &[LO, STATES, SSH, UDP], "10.0.0.2"), host);
    assert_eq!(
        dropped("accept", &[LO, ESTABLISHED, SSH, REJECT], "10.0.0.2"),
        host
    );
    assert_eq!(dropped("drop", &[KNOWN], "10.0.0.2"), host);
    assert_eq!(dropped("drop", &[KNOWN], "fd77::12"), host);
    assert_eq!(dropped("accept", &[NOT_NEAR], "10.9.0.2"), host);
    // What is let in, or may be.
    for rules in [&[JUMP][..], &[LIMITED]] {
        assert_eq!(dropped("drop", rules, "10.0.0.2"), "", "{rules:?}");
    }
    for from in ["10.1.2.3", "10.0.0.9"] {
        assert_eq!(dropped("drop", &[KNOWN], from), "");
    }
    assert_eq!(dropped("accept", &[NOT_NEAR], "10.0.0.2"), "");
    assert_eq!(dropped("accept", &[NOT_NEAR], "fd77::2"), "");
    assert_eq!(dropped("accept", &[], "10.0.0.2"), "");
    assert_eq!(Filters::read("", "", ""), Filters::default());
    assert_eq!(Filters::read("nft: no", "x", "-Z"), Filters::default());
}

const UFW: &str = "\
-P INPUT DROP
-P FORWARD DROP
-P OUTPUT ACCEPT
-N ufw-before-input
-N ufw-not-local
-N ufw-user-input
-A INPUT -j ufw-before-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix \"[UFW BLOCK] \"
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
";

#[test]
fn iptables_rules_are_walked() {
    let dropped = |more: &str| {
        let filters = Filters::read("", &format!("{UFW}{more}"), "");
        !filters.dropping("input", to(9092, "10.0.0.2")).is_empty()
    };
    assert!(dropped(""));
    assert!(!dropped(
        "-A ufw-user-input -s 10.0.0.0/24 -p tcp -m multiport --dports 2181,9092:9094 -j ACCEPT\n"
    ));
    assert!(dropped(
        "-A ufw-user-input -s 10.3.0.0/24 -p tcp -m tcp --dport 9092 -j ACCEPT\n"
    ));
    assert!(!dropped("-A ufw-user-input ! -s 10.3.0.0/24 -j ACCEPT\n"));
    assert!(
        !dropped("-A ufw-user-input -m set --match-set friends src -j ACCEPT\n"),
        "not understood"
    );
    // Another family's rules are another's business.
    let six = Filters::read("", UFW, "-P INPUT ACCEPT\n");
    assert!(six.dropping("input", to(9092, "fd77::2")).is_empty());
}

#[test]
fn a_bridge_is_admitted_by_marked_rules() {
    let docker = "\
-P INPUT ACCEPT
-P FORWARD DROP
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
";
    let doubtful = |more: &str| {
        let filters = Filters::read("", &format!("{docker}{more}"), "");
        let way = |input, output, new| Packet {
            port: None,
            from: None,
            input,
            output,
            new,
        };
        let ways = [
            way(Some("dp-1"), None, true),
            way(None, Some("dp-1"), false),
        ];
        ways.map(|packet| !filters.doubtful("forward", packet).is_empty())
    };
    assert_eq!(doubtful(""), [true, true]);
    let inward = "-A DOCKER-USER -o dp-1 -m comment --comment \"deployer 1\" -j ACCEPT\n";
    let outward = "-A DOCKER-USER -i dp-1 -m comment --comment \"deployer 1\" -j ACCEPT\n";
    assert_eq!(doubtful(inward), [true, false]);
    assert_eq!(doubtful(&format!("{inward}{outward}")), [false, false]);
    assert_eq!(
        doubtful("-A DOCKER-USER -i dp-2 -j ACCEPT\n-A DOCKER-USER -o dp-2 -j ACCEPT\n"),
        [true, true]
    );
    let filters = Filters::read("", &format!("{docker}{inward}"), "");
    let marked = filters
        .chains
        .iter()
        .filter(|chain| chain.has("deployer 1"));
    assert_eq!(
        marked.map(|chain| chain.name.as_str()).collect::<Vec<_>>(),
        ["DOCKER-USER"]
    );
}
