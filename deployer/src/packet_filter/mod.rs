//! What the packet filter of a machine does with a packet, as far as its rules are understood. Pure: the rules come as
//! `nft -j list ruleset` and `iptables -S` print them.
//!
//! A rule that is not understood may fit and may not; so there are two answers: what surely happens, and what may.

use std::collections::BTreeMap;
use std::net::IpAddr;

mod iptables;
mod nft;
#[cfg(test)]
mod tests;

pub use iptables::marked;

/// A packet on its way in or through.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// The TCP port it goes to; `None`: any.
    pub port: Option<u16>,
    /// Where it comes from; `None`: anywhere, by IPv4.
    pub from: Option<IpAddr>,
    /// The interface it comes in by; `None`: some interface of the machine, not its loopback.
    pub input: Option<&'a str>,
    /// The interface it leaves by, likewise.
    pub output: Option<&'a str>,
    /// It opens a connection; else it belongs to one.
    pub new: bool,
}

/// Whether something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fits {
    Yes,
    No,
    Maybe,
}

impl Fits {
    fn of(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }

    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Maybe,
        }
    }

    fn any(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::No, |one, other| one.not().and(other.not()).not())
    }
}

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Port,
    /// Of IPv4 (`true`) or IPv6.
    Source(bool),
    Input,
    Output,
    State,
    /// `tcp`.
    Protocol,
    /// A part of a packet that is not by TCP.
    OtherProtocol,
    Unknown,
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Word(String),
    Number(u64),
    Range(u64, u64),
    Network(IpAddr, u8),
    List(Vec<Value>),
    Unknown,
}

/// One comparison of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    field: Field,
    value: Value,
    inverted: bool,
}

/// What a rule does with a packet that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Accept,
    Drop,
    Return,
    Jump(String),
    Goto(String),
    Next,
    /// By a map: what a field is → the verdict.
    Map(Field, Vec<(Value, Verdict)>),
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    conditions: Vec<Condition>,
    verdict: Verdict,
    /// Its comment, and its handle where it has one.
    comment: String,
    handle: Option<u64>,
}

/// A chain of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// `ip`, `ip6`, `inet`.
    pub family: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// The hook it hangs on; `None`: others jump to it.
    pub hook: Option<String>,
    /// What is left over is dropped.
    drops: bool,
    rules: Vec<Rule>,
}

impl Chain {
    /// Its place in words.
    pub fn words(&self) -> String {
        format!("table {} {}, chain {}", self.family, self.table, self.name)
    }

    /// The handles of the rules with this comment.
    pub fn marked(&self, comment: &str) -> Vec<u64> {
        let ours = self.rules.iter().filter(|rule| rule.comment == comment);
        ours.filter_map(|rule| rule.handle).collect()
    }

    /// Whether a rule with this comment is in it.
    pub fn has(&self, comment: &str) -> bool {
        self.rules.iter().any(|rule| rule.comment == comment)
    }
}

/// All chains of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// The chains.
    pub chains: Vec<Chain>,
    sets: BTreeMap<String, Value>,
}

/// What may become of a packet in a chain.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    accept: bool,
    drop: bool,
    through: bool,
}

/// Chains that jump to each other without end are no filter.
const DEEP: usize = 16;

impl Filters {
    /// Reads what a machine said: its nftables rules as JSON, and what `iptables -S` and `ip6tables -S` printed. What iptables
    /// keeps in nftables is read from its own words.
    pub fn read(nft: &str, iptables: &str, ip6tables: &str) -> Self {
        let mut filters = nft::read(nft);
        for (family, said) in [("ip", iptables), ("ip6", ip6tables)] {
            let chains = iptables::read(family, said);
            if !chains.is_empty() {
                filters
                    .chains
                    .retain(|chain| !(chain.family == family && chain.table == "filter"));
                filters.chains.extend(chains);
            }
        }
        filters
    }

    /// The chains at a hook that surely drop a packet.
    pub fn dropping(&self, hook: &str, packet: Packet<'_>) -> Vec<&Chain> {
        self.at(hook, packet)
            .into_iter()
            .filter(|(_, outcome)| outcome.drop && !outcome.accept)
            .map(|(chain, _)| chain)
            .collect()
    }

    /// The chains at a hook that may drop a packet.
    pub fn doubtful(&self, hook: &str, packet: Packet<'_>) -> Vec<&Chain> {
        self.at(hook, packet)
            .into_iter()
            .filter(|(_, outcome)| outcome.drop)
            .map(|(chain, _)| chain)
            .collect()
    }

    fn at(&self, hook: &str, packet: Packet<'_>) -> Vec<(&Chain, Outcome)> {
        let six = packet.from.is_some_and(|address| address.is_ipv6());
        let family = if six { "ip6" } else { "ip" };
        let mut found = Vec::new();
        for chain in &self.chains {
            let fits = chain.family == "inet" || chain.family == family;
            if !fits || chain.hook.as_deref() != Some(hook) {
                continue;
            }
            let mut outcome = self.walk(chain, &packet, 0);
            if outcome.through {
                outcome.drop |= chain.drops;
                outcome.accept |= !chain.drops;
            }
            found.push((chain, outcome));
        }
        found
    }

    fn walk(&self, chain: &Chain, packet: &Packet<'_>, depth: usize) -> Outcome {
        let mut outcome = Outcome::default();
        for rule in &chain.rules {
            let conditions = rule.conditions.iter();
            let fits = conditions.fold(Fits::Yes, |fits, condition| {
                fits.and(self.fits(condition, packet))
            });
            if self.step(chain, &rule.verdict, fits, packet, depth, &mut outcome) {
                return outcome;
            }
        }
        outcome.through = true;
        outcome
    }

    /// Takes in what a rule may do. Whether the chain surely ends with it.
    fn step(
        &self,
        chain: &Chain,
        verdict: &Verdict,
        fits: Fits,
        packet: &Packet<'_>,
        depth: usize,
        outcome: &mut Outcome,
    ) -> bool {
        if fits == Fits::No {
            return false;
        }
        let sure = fits == Fits::Yes;
        match verdict {
            Verdict::Accept => outcome.accept = true,
            Verdict::Drop => outcome.drop = true,
            Verdict::Return => outcome.through = true,
            Verdict::Next => return false,
            Verdict::Unknown => {
                (outcome.accept, outcome.drop) = (true, true);
                return false;
            }
            Verdict::Map(field, entries) => {
                for (value, verdict) in entries {
                    let condition = Condition {
                        field: field.clone(),
                        value: value.clone(),
                        inverted: false,
                    };
                    let fits = fits.and(self.fits(&condition, packet));
                    if self.step(chain, verdict, fits, packet, depth, outcome) {
                        return true;
                    }
                }
                return false;
            }
            Verdict::Jump(name) | Verdict::Goto(name) => {
                let target = self.chains.iter().find(|other| {
                    (&other.family, &other.table, &other.name)
                        == (&chain.family, &chain.table, name)
                });
                let Some(target) = target.filter(|_| depth < DEEP) else {
                    return self.step(chain, &Verdict::Unknown, fits, packet, depth, outcome);
                };
                let there = self.walk(target, packet, depth + 1);
                outcome.accept |= there.accept;
                outcome.drop |= there.drop;
                if matches!(verdict, Verdict::Goto(_)) {
                    outcome.through |= there.through;
                    return sure;
                }
                return sure && !there.through;
            }
        }
        sure
    }

    fn fits(&self, condition: &Condition, packet: &Packet<'_>) -> Fits {
        let value = &condition.value;
        let fits = match condition.field {
            // No packet of ours has such a part, so the rule cannot fit, inverted or not.
            Field::OtherProtocol => return Fits::No,
            Field::Unknown => Fits::Maybe,
            Field::Protocol => self.word(value, "tcp"),
            Field::State => self.word(value, if packet.new { "new" } else { "established" }),
            Field::Port => packet
                .port
                .map_or(Fits::Maybe, |port| self.number(value, port.into())),
            Field::Source(four) => {
                let Some(from) = packet.from else {
                    return if four { Fits::Maybe } else { Fits::No };
                };
                if from.is_ipv4() != four {
                    return Fits::No;
                }
                self.address(value, from)
            }
            Field::Input => self.interface(value, packet.input),
            Field::Output => self.interface(value, packet.output),
        };
        if condition.inverted { fits.not() } else { fits }
    }

    fn each(&self, value: &Value, one: &dyn Fn(&Value) -> Fits) -> Fits {
        match value {
            Value::List(values) => Fits::any(values.iter().map(|value| self.each(value, one))),
            Value::Word(name) if name.starts_with('@') => self
                .sets
                .get(name)
                .map_or(Fits::Maybe, |value| self.each(value, one)),
            value => one(value),
        }
    }

    fn word(&self, value: &Value, is: &str) -> Fits {
        self.each(value, &|value| match value {
            Value::Word(word) => Fits::of(word == is),
            Value::Number(number) => Fits::of(is == "tcp" && *number == 6),
            _ => Fits::Maybe,
        })
    }

    fn number(&self, value: &Value, is: u64) -> Fits {
        self.each(value, &|value| match value {
            Value::Number(number) => Fits::of(*number == is),
            Value::Range(from, to) => Fits::of((*from..=*to).contains(&is)),
            _ => Fits::Maybe,
        })
    }

    fn address(&self, value: &Value, is: IpAddr) -> Fits {
        self.each(value, &|value| match value {
            Value::Network(network, length) => ipnet::IpNet::new(*network, *length)
                .map_or(Fits::Maybe, |network| Fits::of(network.contains(&is))),
            _ => Fits::Maybe,
        })
    }

    fn interface(&self, value: &Value, is: Option<&str>) -> Fits {
        self.each(value, &|value| match (value, is) {
            (Value::Word(word), Some(is)) => match word.strip_suffix(['*', '+']) {
                Some(begin) => Fits::of(is.starts_with(begin)),
                None => Fits::of(word == is),
            },
            (Value::Word(word), None) if word == "lo" => Fits::No,
            _ => Fits::Maybe,
        })
    }
}
