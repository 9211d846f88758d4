//! What of an inventory's streams could never run, as far as their words tell. Their SQL is looked at by Spark itself.

use std::collections::{BTreeMap, BTreeSet};

use super::NAME;
use super::program::{self, programs};
use super::section::{Parse, STREAMS, Stream, StreamsSection};
use crate::component::kafka::no_topic;
use crate::component::kafka::settings::RETENTION;
use crate::inventory::{Findings, Inventory, Member, TimeSpan, Words};
use crate::topology::{Topic, Topology};

/// What a query begins with.
const QUERIES: [&str; 2] = ["select", "with"];
/// The shortest time for which a stream's events must be kept: as long as its node may be away while it starts anew.
const SHORTEST_RETENTION: TimeSpan = TimeSpan::from_seconds(600);

/// Looks at all but the names of topics.
pub(super) fn check(inventory: &Inventory, members: &[Member<'_>], findings: &mut Findings<'_>) {
    let StreamsSection(streams) = inventory.sections.get();
    let runs = members.iter().find(|member| member.has(NAME));
    match runs {
        None if !streams.is_empty() => findings.lacks(
            STREAMS,
            "nobody runs them: no node has the role `spark`",
            "give it to one node",
        ),
        Some(member) if streams.is_empty() => findings.lacks(
            member.roles_key(),
            "`spark` would have nothing to run: the inventory has no `streams`",
            "add `streams`, or take the role away",
        ),
        _ => {}
    }
    for (name, stream) in streams {
        let key = format!("{STREAMS}.{name}");
        findings.check_span(
            &format!("{key}.every"),
            stream.every,
            TimeSpan::from_seconds(1),
            TimeSpan::from_seconds(3600),
        );
        check_names(&key, stream, findings);
        if let Some(program) = &stream.program {
            program::check(&key, program, stream, inventory, findings);
            continue;
        }
        if let Some(parse) = &stream.parse {
            check_parse(&format!("{key}.parse"), parse, findings);
        }
        check_query(&key, stream, findings);
    }
    program::check_names(streams, inventory, findings);
    check_writers(streams, findings);
    check_cycles(streams, findings);
}

fn check_names(key: &str, stream: &Stream, findings: &mut Findings<'_>) {
    for (own, topics) in [("from", &stream.from), ("to", &stream.to)] {
        let key = format!("{key}.{own}");
        match &topics.0[..] {
            [] => findings.add(key, "names no topic", "name one"),
            [_, _, ..] if stream.program.is_none() => findings.add(
                key,
                "names several topics, and a query has one",
                "make a stream for each of them",
            ),
            _ => {}
        }
    }
}

fn check_query(key: &str, stream: &Stream, findings: &mut Findings<'_>) {
    for (own, is_there) in [
        ("class", stream.class.is_some()),
        ("arguments", !stream.arguments.is_empty()),
    ] {
        if is_there {
            findings.add(
                format!("{key}.{own}"),
                "is of a program, and there is none",
                "add `program`, or take it away",
            );
        }
    }
    match &stream.sql {
        None => findings.lacks(
            key.to_owned(),
            "says neither `sql` nor `program`",
            "add `sql`, a query in Spark's SQL",
        ),
        Some(sql) => check_sql(&format!("{key}.sql"), sql, &stream.from, findings),
    }
}

fn check_parse(key: &str, parse: &Parse, findings: &mut Findings<'_>) {
    let Parse {
        json,
        regex,
        columns,
        ..
    } = parse;
    if json.is_some() == regex.is_some() {
        findings.add(
            key,
            "must be by one of `json` and `regex`",
            "write such as `json: \"user_id STRING, at TIMESTAMP\"`",
        );
    } else if regex.is_some() && columns.is_empty() {
        findings.add(
            key,
            "`regex` needs names for its groups",
            "add such as `columns: [level, text]`",
        );
    } else if json.is_some() && !columns.is_empty() {
        findings.add(
            format!("{key}.columns"),
            "are of `regex` alone: `json` names its own",
            "take it away",
        );
    }
    for (index, column) in parse.require.iter().enumerate() {
        let known = match json {
            Some(json) => words(json).any(|word| word == column.to_lowercase()),
            None => columns.contains(column),
        };
        if !known && !column.contains('.') {
            findings.say(
                format!("{key}.require[{index}]"),
                format!("`{column}` is none of its columns"),
            );
        }
    }
}

fn check_sql(key: &str, sql: &str, from: &Words, findings: &mut Findings<'_>) {
    const FORM: &str =
        "write such as `SELECT user_id AS key, count(*) AS value FROM logins GROUP BY user_id`";
    let lines = sql.lines().map(str::trim_start);
    let code: Vec<&str> = lines.filter(|line| !line.starts_with("--")).collect();
    let words: Vec<String> = words(&code.join("\n")).collect();
    let first = words.first().map_or("", String::as_str);
    if !QUERIES.contains(&first) {
        let message = format!("must be a query, and begins with `{first}`");
        findings.add(key, message, FORM);
        return;
    }
    for column in ["key", "value"] {
        if !words.iter().any(|word| word == column) {
            findings.add(key, format!("gives no column `{column}`"), FORM);
        }
    }
    if let Some(topic) = from.0.iter().find(|topic| !sql.contains(*topic)) {
        findings.add(
            key,
            format!("does not read `{topic}`, the topic of its `from`"),
            "name it behind `FROM`, between backquotes where it holds `-` or `.`",
        );
    }
}

/// The words of a text, in lower case.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|one: char| !one.is_alphanumeric() && one != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// Each topic has the rows of one stream at most: two would write over each other.
fn check_writers(streams: &BTreeMap<String, Stream>, findings: &mut Findings<'_>) {
    let mut writers: BTreeMap<String, &str> = BTreeMap::new();
    for (name, stream) in streams {
        for topic in stream.writes(name) {
            if let Some(other) = writers.insert(topic.clone(), name) {
                findings.add(
                    format!("{STREAMS}.{name}.to"),
                    format!("`{topic}` has the rows of the stream `{other}` already"),
                    "give each stream a topic of its own",
                );
            }
        }
    }
}

/// No stream reads what comes of its own rows.
fn check_cycles(streams: &BTreeMap<String, Stream>, findings: &mut Findings<'_>) {
    for (name, stream) in streams {
        for from in &stream.from.0 {
            check_cycle(name, stream, from, streams, findings);
        }
    }
}

fn check_cycle(
    name: &str,
    stream: &Stream,
    from: &String,
    streams: &BTreeMap<String, Stream>,
    findings: &mut Findings<'_>,
) {
    let mut way = vec![from];
    let mut reached: BTreeSet<String> = stream.writes(name).collect();
    let mut begun = BTreeSet::new();
    let reads = |reached: &BTreeSet<String>, other: &'_ Stream| {
        let mut topics = other.from.0.iter();
        topics.position(|topic| reached.contains(topic))
    };
    while !reached.contains(from)
        && let Some((next, other, at)) = streams.iter().find_map(|(next, other)| {
            let at = reads(&reached, other)?;
            begun.insert(next).then_some((next, other, at))
        })
    {
        way.push(&other.from.0[at]);
        reached.extend(other.writes(next));
    }
    if reached.contains(from) {
        way.push(from);
        let way: Vec<String> = way.iter().map(|topic| format!("`{topic}`")).collect();
        findings.add(
            format!("{STREAMS}.{name}.from"),
            format!("reads what comes of its own rows: {}", way.join(" → ")),
            "break the circle: let one of them write to another topic",
        );
    }
}

/// Looks at the topics that streams read.
pub fn check_topics(
    inventory: &Inventory,
    topics: &BTreeMap<String, Topic>,
    findings: &mut Findings<'_>,
) {
    let StreamsSection(streams) = inventory.sections.get();
    for (name, stream) in streams {
        for from in &stream.from.0 {
            check_source(&format!("{STREAMS}.{name}.from"), from, topics, findings);
        }
    }
}

fn check_source(
    key: &str,
    from: &str,
    topics: &BTreeMap<String, Topic>,
    findings: &mut Findings<'_>,
) {
    let Some(topic) = topics.get(from).filter(|topic| !topic.canary) else {
        no_topic(key.to_owned(), from, topics, findings);
        return;
    };
    if let Some(kept) = kept(topic).filter(|kept| *kept < SHORTEST_RETENTION) {
        findings.add(
            key,
            format!(
                "`{from}` keeps events for {kept}: they may be gone before the stream has read them"
            ),
            format!("keep them for {SHORTEST_RETENTION} at least: `topics.extra.{from}.retention`, or `topics.retention`"),
        );
    }
}

/// How long a topic keeps events; `None`: for ever.
fn kept(topic: &Topic) -> Option<TimeSpan> {
    let text = topic.config.get(RETENTION)?;
    text.parse().ok().map(TimeSpan::from_milliseconds)
}

/// Groups whose events go are not what they were, once they are made anew; and of programs is seen what is seen.
pub(super) fn remarks(topology: &Topology) -> Vec<String> {
    let grouping = super::queries(topology).filter(|(_, stream)| {
        let words: Vec<String> = words(stream.query()).collect();
        words.windows(2).any(|two| two == ["group", "by"])
    });
    let said = grouping.filter_map(|(name, stream)| {
        let from = stream.from.0.first()?;
        let kept = kept(topology.topics.get(from)?)?;
        Some(format!(
            "the stream {name} groups the events of `{from}`, which go after {kept}: changed, or with its checkpoint lost, it begins anew \
             without those that are gone"
        ))
    });
    let programs = programs(topology).map(|program| {
        format!(
            "the stream {} is a program of yours: that it runs is seen, and what Spark says of its queries; no canary goes through it",
            program.name
        )
    });
    said.chain(programs).collect()
}
