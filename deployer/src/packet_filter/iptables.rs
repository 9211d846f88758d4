//! Reads `iptables -S` and `ip6tables -S`.

use std::net::IpAddr;

use super::{Chain, Condition, Field, Rule, Value, Verdict};

/// Reads the chains of the filter table; none where nothing was said.
pub(super) fn read(family: &str, said: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    for line in said.lines() {
        let words = words(line);
        let [verb, name, rest @ ..] = &words[..] else {
            continue;
        };
        match verb.as_str() {
            "-P" | "-N" => chains.push(Chain {
                family: family.into(),
                table: "filter".into(),
                name: name.clone(),
                hook: (verb == "-P").then(|| name.to_lowercase()),
                drops: rest.first().is_some_and(|policy| policy == "DROP"),
                rules: Vec::new(),
            }),
            "-A" => {
                if let Some(chain) = chains.iter_mut().find(|chain| chain.name == *name) {
                    chain.rules.push(rule(family, rest));
                }
            }
            _ => {}
        }
    }
    chains
}

/// The rules with a comment, each as what `iptables -D` takes: its chain and its words.
pub fn marked(said: &str, comment: &str) -> Vec<Vec<String>> {
    let rules = said.lines().filter_map(|line| line.strip_prefix("-A "));
    let rules = rules.map(words);
    rules
        .filter(|words| {
            words
                .windows(2)
                .any(|pair| pair[0] == "--comment" && pair[1] == comment)
        })
        .collect()
}

/// Splits a line; what is in quotes stays together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for sign in line.chars() {
        match sign {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            sign => words
                .last_mut()
                .into_iter()
                .for_each(|word| word.push(sign)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn rule(family: &str, words: &[String]) -> Rule {
    let mut rule = Rule {
        conditions: Vec::new(),
        verdict: Verdict::Next,
        comment: String::new(),
        handle: None,
    };
    let mut inverted = false;
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        if word == "!" {
            inverted = true;
            continue;
        }
        let mut take = || words.next().unwrap_or_default();
        let known = match word {
            "-m" => {
                take();
                continue;
            }
            "--comment" => {
                take().clone_into(&mut rule.comment);
                continue;
            }
            "-j" | "-g" => {
                let target = take().to_owned();
                rule.verdict = match target.as_str() {
                    "ACCEPT" => Verdict::Accept,
                    "DROP" | "REJECT" => Verdict::Drop,
                    "RETURN" => Verdict::Return,
                    "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "TRACE" | "AUDIT" => Verdict::Next,
                    _ if word == "-g" => Verdict::Goto(target),
                    _ => Verdict::Jump(target),
                };
                // What follows are options of the target.
                break;
            }
            "-p" => match take() {
                "all" => continue,
                protocol => Some((Field::Protocol, Value::Word(protocol.into()))),
            },
            "-s" => Some((Field::Source(family == "ip"), network(take()))),
            "-i" => Some((Field::Input, Value::Word(take().into()))),
            "-o" => Some((Field::Output, Value::Word(take().into()))),
            "--dport" | "--dports" | "--destination-port" => Some((Field::Port, ports(take()))),
            "--ctstate" | "--state" => {
                let states = take()
                    .split(',')
                    .map(|state| Value::Word(state.to_lowercase()));
                Some((Field::State, Value::List(states.collect())))
            }
            _ => None,
        };
        let (field, value) = known.unwrap_or_else(|| {
            // An option that we do not know, with all that belongs to it.
            while words
                .next_if(|next| !next.starts_with('-') && *next != "!")
                .is_some()
            {}
            (Field::Unknown, Value::Unknown)
        });
        rule.conditions.push(Condition {
            field,
            value,
            inverted,
        });
        inverted = false;
    }
    rule
}

fn network(text: &str) -> Value {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let Ok(address) = address.parse::<IpAddr>() else {
        return Value::Unknown;
    };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    if length.is_empty() {
        return Value::Network(address, whole);
    }
    length
        .parse()
        .map_or(Value::Unknown, |length| Value::Network(address, length))
}

fn ports(text: &str) -> Value {
    let one = |text: &str| {
        let (from, to) = text.split_once(':').unwrap_or((text, text));
        match (from.parse(), to.parse()) {
            (Ok(from), Ok(to)) => Value::Range(from, to),
            _ => Value::Unknown,
        }
    };
    Value::List(text.split(',').map(one).collect())
}
