//! Reads `nft -j list ruleset`.

use std::net::IpAddr;

use serde_json::Value as Json;

use super::{Chain, Condition, Field, Filters, Rule, Value, Verdict};

/// Reads it; what is no such text has no chains.
pub(super) fn read(text: &str) -> Filters {
    let mut filters = Filters::default();
    let json: Json = serde_json::from_str(text).unwrap_or_default();
    let objects = json["nftables"].as_array();
    for object in objects.into_iter().flatten() {
        if let Some(chain) = object.get("chain") {
            filters.chains.push(Chain {
                family: word(&chain["family"]),
                table: word(&chain["table"]),
                name: word(&chain["name"]),
                // Only chains of this type decide whether a packet passes; of the others this one's rules do, too.
                hook: chain["hook"].as_str().map(str::to_owned),
                drops: chain["policy"] == "drop",
                rules: Vec::new(),
            });
        } else if let Some(set) = object.get("set") {
            let name = format!("@{}", word(&set["name"]));
            let elements = set["elem"].as_array();
            let elements = elements.into_iter().flatten().map(value).collect();
            filters.sets.insert(name, Value::List(elements));
        } else if let Some(rule) = object.get("rule") {
            let chain = filters.chains.iter_mut().find(|chain| {
                rule["family"] == chain.family
                    && rule["table"] == chain.table
                    && rule["chain"] == chain.name
            });
            if let Some(chain) = chain {
                chain.rules.push(self::rule(rule));
            }
        }
    }
    filters
}

fn word(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn rule(json: &Json) -> Rule {
    let mut rule = Rule {
        conditions: Vec::new(),
        verdict: Verdict::Next,
        comment: word(&json["comment"]),
        handle: json["handle"].as_u64(),
    };
    for part in json["expr"].as_array().into_iter().flatten() {
        let Some((kind, content)) = part.as_object().and_then(|part| part.iter().next()) else {
            continue;
        };
        match kind.as_str() {
            "match" => rule.conditions.push(Condition {
                field: field(&content["left"]),
                value: value(&content["right"]),
                inverted: content["op"] == "!=",
            }),
            "counter" | "log" | "mangle" | "set" | "ct helper" => {}
            "vmap" => {
                let entries = content["data"]["set"].as_array();
                let entries = entries.into_iter().flatten().map(|entry| {
                    let verdict = entry[1].as_object().and_then(|entry| entry.iter().next());
                    let verdict = verdict.and_then(|(kind, content)| verdict_of(kind, content));
                    (value(&entry[0]), verdict.unwrap_or(Verdict::Unknown))
                });
                let entries: Vec<_> = entries.collect();
                rule.verdict = if entries.is_empty() {
                    Verdict::Unknown
                } else {
                    Verdict::Map(field(&content["key"]), entries)
                };
            }
            kind => match verdict_of(kind, content) {
                Some(verdict) => rule.verdict = verdict,
                // A limit, or an extension of iptables.
                None => rule.conditions.push(Condition {
                    field: Field::Unknown,
                    value: Value::Unknown,
                    inverted: false,
                }),
            },
        }
    }
    rule
}

fn verdict_of(kind: &str, content: &Json) -> Option<Verdict> {
    let target = || word(&content["target"]);
    Some(match kind {
        "accept" => Verdict::Accept,
        "drop" | "reject" => Verdict::Drop,
        "return" => Verdict::Return,
        "continue" => Verdict::Next,
        "jump" => Verdict::Jump(target()),
        "goto" => Verdict::Goto(target()),
        "queue" => Verdict::Unknown,
        _ => return None,
    })
}

fn field(json: &Json) -> Field {
    let text = |group: &str, key: &str| json[group][key].as_str().unwrap_or_default();
    match (text("payload", "protocol"), text("payload", "field")) {
        ("tcp" | "th", "dport") => return Field::Port,
        (family @ ("ip" | "ip6"), "saddr") => return Field::Source(family == "ip"),
        ("ip", "protocol") | ("ip6", "nexthdr") => return Field::Protocol,
        ("udp" | "udplite" | "sctp" | "dccp" | "icmp" | "icmpv6" | "igmp", _) => {
            return Field::OtherProtocol;
        }
        _ => {}
    }
    match (text("meta", "key"), text("ct", "key")) {
        ("iifname" | "iif", _) => Field::Input,
        ("oifname" | "oif", _) => Field::Output,
        ("l4proto", _) => Field::Protocol,
        (_, "state") => Field::State,
        _ => Field::Unknown,
    }
}

fn value(json: &Json) -> Value {
    let list = |items: &Vec<Json>| Value::List(items.iter().map(value).collect());
    match json {
        Json::String(text) => match text.parse::<IpAddr>() {
            Ok(address) => Value::Network(address, if address.is_ipv4() { 32 } else { 128 }),
            Err(_) => Value::Word(text.clone()),
        },
        Json::Number(number) => number.as_u64().map_or(Value::Unknown, Value::Number),
        Json::Array(items) => list(items),
        Json::Object(object) => {
            if let Some(items) = object.get("set").and_then(Json::as_array) {
                return list(items);
            }
            if let Some(element) = object.get("elem") {
                return value(&element["val"]);
            }
            if let Some(range) = object.get("range") {
                return match (range[0].as_u64(), range[1].as_u64()) {
                    (Some(from), Some(to)) => Value::Range(from, to),
                    _ => Value::Unknown,
                };
            }
            let prefix = object.get("prefix");
            let network = prefix.and_then(|prefix| {
                let address = prefix["addr"].as_str()?.parse().ok()?;
                let length = u8::try_from(prefix["len"].as_u64()?).ok()?;
                Some(Value::Network(address, length))
            });
            network.unwrap_or(Value::Unknown)
        }
        Json::Null | Json::Bool(_) => Value::Unknown,
    }
}
