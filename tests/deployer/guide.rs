//! What people read: the README, the guide, and what contributors read. Nothing in them is wrong without a test that says so, as far
//! as a test can know.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};
use deployer::cli::Cli;
use deployer::guide::{PAGES, page};
use deployer::layout;
use deployer::topology::{Ids, Options, Topology};
use serde_json::Value;

use crate::blocks::{Block, blocks};

/// File and first line of each block that is shown and not run, and why. All others marked `sh` are run by `machines::guide`.
const SHOWN_ONLY: [(&str, &str, &str); 15] = [
    (
        "README.md",
        "# 1. the pipeline",
        "`deployer::readme` types both, with other programs in the place of those they call",
    ),
    (
        ".github/CONTRIBUTING.md",
        "cargo fmt --all --check",
        "`.ci/run` does all of it",
    ),
    (
        "agent/README.md",
        "cd agent",
        "it tries until it is stopped",
    ),
    (
        "local.md",
        "deployer teardown",
        "the other blocks need the deployment; the test ends with it",
    ),
    (
        "streams.md",
        "deployer try login-counts",
        "it needs a file: `machines::streams` tries it",
    ),
    (
        "existing.md",
        "deployer check --cloud existing",
        "it needs hosts: `machines::existing`",
    ),
    (
        "aws.md",
        "deployer check --cloud aws",
        "it needs an account: `aws::booted`",
    ),
    (
        "chameleon.md",
        "deployer check --cloud chameleon",
        "it needs an account: `chameleon::booted`",
    ),
    (
        "rehearse.md",
        "deployer rehearse --cloud aws",
        "it needs an account: `aws::booted::rehearsal`",
    ),
    (
        "security.md",
        "deployer secrets",
        "it needs security: `machines::secrets`",
    ),
    (
        "clients.md",
        "deployer open kafka",
        "it stays open until Ctrl-C",
    ),
    (
        "clients.md",
        "deployer client-config grader",
        "it needs a user: `machines::doors`",
    ),
    (
        "clients.md",
        "deployer send orders",
        "it needs a file and a topic: `machines::doors`",
    ),
    (
        "agents.md",
        "deployer build-agents",
        "it compiles for minutes, for another machine, too",
    ),
    (
        "adopt.md",
        "deployer adopt --id",
        "it needs another laptop: `machines::adopt`",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every text that people read, by the file that it stands in.
fn texts() -> Vec<(PathBuf, String)> {
    let pages = PAGES.iter().map(|page| {
        let path = format!("deployer/guide/{}.md", page.topic);
        (path.into(), page.text().into_owned())
    });
    let others = ["README.md", ".github/CONTRIBUTING.md", "agent/README.md"];
    let others = others.map(|path| (path.into(), read(path)));
    others.into_iter().chain(pages).collect()
}

/// Every block of these texts, after `name:line`.
fn all_blocks() -> Vec<(String, PathBuf, Block)> {
    texts()
        .into_iter()
        .flat_map(|(path, text)| {
            blocks(&text).into_iter().map(move |block| {
                let place = format!("{}:{}", path.display(), block.line);
                (place, path.clone(), block)
            })
        })
        .collect()
}

/// The code between single backticks, outside of blocks.
fn spans(text: &str) -> Vec<String> {
    let mut inside = false;
    let prose: Vec<&str> = text
        .lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            inside ^= fence;
            !inside && !fence
        })
        .collect();
    let prose = prose.join("\n");
    let spans = prose.split('`').skip(1).step_by(2);
    spans
        .map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

fn verbs() -> BTreeSet<String> {
    let command = Cli::command();
    let names = command.get_subcommands().map(clap::Command::get_name);
    names.map(str::to_owned).collect()
}

#[test]
fn the_readme_is_short_and_has_a_row_for_each_verb() {
    let readme = read("README.md");
    let lines = readme.lines().count();
    assert!(lines <= 100, "{lines} lines");
    let rows = readme.lines().filter_map(|line| {
        let verb = line.strip_prefix("| `deployer ")?;
        verb.split([' ', '`']).next()
    });
    let rows: Vec<&str> = rows.collect();
    let named: BTreeSet<String> = rows.iter().map(ToString::to_string).collect();
    assert_eq!(named, verbs());
    assert_eq!(rows.len(), named.len(), "a verb has two rows");
}

#[test]
fn every_block_says_what_it_is_and_those_not_run_why() {
    let mut reasons: Vec<_> = SHOWN_ONLY.to_vec();
    for (place, path, block) in all_blocks() {
        let kind = block.kind.as_str();
        assert!(
            ["sh", "console", "yaml", "json", "text"].contains(&kind),
            "{place}: a block of `{kind}`"
        );
        let is_page = path.starts_with("deployer/guide");
        assert!(kind != "sh" || is_page, "{place}: nobody runs it");
        if kind == "console" {
            let name = if is_page {
                path.file_name()
            } else {
                Some(path.as_os_str())
            };
            let known = reasons.iter().position(|(file, first, _)| {
                name == Some(file.as_ref()) && block.text.starts_with(first)
            });
            let known = known.unwrap_or_else(|| panic!("{place}: why is it not run?"));
            reasons.remove(known);
        }
    }
    assert_eq!(reasons, [], "reasons without a block");
}

#[test]
fn what_is_typed_is_understood() {
    for (place, _, block) in all_blocks() {
        if !["sh", "console"].contains(&block.kind.as_str()) {
            continue;
        }
        for line in block.text.lines() {
            let (line, _) = line.split_once('#').unwrap_or((line, ""));
            let words: Vec<&str> = line.split_whitespace().collect();
            // What goes on in the next line is run.
            if words.first() == Some(&"deployer") && !line.ends_with('\\') {
                let words = words.iter().take_while(|word| !["|", "&&"].contains(word));
                let parsed = Cli::try_parse_from(words);
                parsed.unwrap_or_else(|error| panic!("{place}: {line}: {error}"));
            }
        }
    }
}

#[test]
fn verbs_and_topics_that_texts_name_are_there() {
    let verbs = verbs();
    for (path, text) in texts() {
        for span in spans(&text) {
            let mut words = span.split(' ');
            if words.next() != Some("deployer") {
                continue;
            }
            let path = path.display();
            if let Some(verb) = words.next().filter(|word| !word.starts_with('-')) {
                assert!(verbs.contains(verb), "{path}: `{span}`");
                let topic = words.next().filter(|_| verb == "guide");
                let topic = topic.filter(|topic| !topic.contains("TOPIC"));
                assert!(
                    topic.is_none_or(|topic| page(topic).is_some()),
                    "{path}: `{span}`"
                );
            }
        }
    }
}

/// The sources of both programs, their lines put together as the compiler does it.
fn sources() -> String {
    fn walk(directory: &Path, into: &mut String) {
        for entry in fs::read_dir(directory).expect("sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                let mut goes_on = false;
                for line in text.lines() {
                    into.push_str(if goes_on { line.trim_start() } else { line });
                    goes_on = line.ends_with('\\');
                    if goes_on {
                        into.pop();
                    } else {
                        into.push('\n');
                    }
                }
            }
        }
    }
    let mut all = String::new();
    walk(&root().join("deployer/src"), &mut all);
    walk(&root().join("agent/src"), &mut all);
    all
}

#[test]
fn pages_that_the_program_names_are_there() {
    let sources = sources();
    let named = sources.split("deployer guide ").skip(1);
    let mut count = 0;
    for rest in named {
        let is_topic = |one: char| one.is_ascii_lowercase() || one == '-';
        let topic = rest.split(|one| !is_topic(one)).next().unwrap_or_default();
        assert!(topic.is_empty() || page(topic).is_some(), "`{topic}`");
        count += usize::from(!topic.is_empty());
    }
    assert!(count > 0, "no message names a page");
    for (place, text) in [
        ("README", "README.md"),
        ("the agents' README", "agent/README"),
    ] {
        assert!(!sources.contains(text), "a message names {place}");
    }
}

/// A symptom that nothing says any more is none.
#[test]
fn symptoms_are_what_the_program_says() {
    let sources = sources();
    let text = page("troubleshooting").expect("the page").text();
    let mut count = 0;
    for line in text.lines() {
        if let Some(words) = line
            .strip_prefix("### `")
            .and_then(|line| line.strip_suffix('`'))
        {
            assert!(sources.contains(words), "nothing says `{words}`");
            count += 1;
        }
    }
    assert!(count > 20, "{count} symptoms");
}

#[test]
fn inventories_that_are_shown_are_good() {
    const NAME: &str = "name: shown\n";
    const NODES: &str = "nodes: { vm1: { count: 2, roles: [producer] }, vm2: { roles: [zookeeper, kafka, consumer] }, vm3: { roles: [kafka, couchdb] } }\n";
    let mut count = 0;
    for (place, _, block) in all_blocks() {
        if block.kind != "yaml" {
            continue;
        }
        // A part of one stands in the usual pipeline.
        let has = |key: &str| block.text.lines().any(|line| line.starts_with(key));
        let name = if has("name:") { "" } else { NAME };
        let nodes = if has("nodes:") { "" } else { NODES };
        let text = format!("{name}{nodes}{}", block.text);
        let inventory = layout::parse(text.as_bytes(), &place);
        let inventory = inventory.unwrap_or_else(|problems| panic!("{problems}"));
        let made = Topology::new(&inventory, &Options::default(), &Ids::default());
        made.unwrap_or_else(|problems| panic!("{place}: {problems}"));
        count += 1;
    }
    assert!(count > 3, "{count} inventories");
}

#[test]
fn json_that_is_shown_is_json() {
    for (place, _, block) in all_blocks() {
        if block.kind == "json" {
            let parsed = serde_json::from_str::<Value>(&block.text);
            parsed.unwrap_or_else(|error| panic!("{place}: {error}"));
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for (path, text) in texts() {
        let folder = path.parent().unwrap_or(Path::new(""));
        for rest in text.split("](").skip(1) {
            let (link, _) = rest.split_once(')').expect("its end");
            if link.starts_with("https://") {
                continue;
            }
            let there = root().join(folder).join(link);
            assert!(there.exists(), "{}: {link}", path.display());
            count += 1;
        }
    }
    assert!(count > PAGES.len(), "{count} links");
}

#[test]
fn the_readme_leads_to_every_page() {
    let readme = read("README.md");
    for page in PAGES {
        let link = format!("[{0}](deployer/guide/{0}.md)", page.topic);
        assert!(readme.contains(&link), "{link}");
    }
    let files = fs::read_dir(root().join("deployer/guide")).expect("the pages");
    assert_eq!(files.count(), PAGES.len(), "a file is no page");
}

#[test]
fn pages_fit_a_terminal() {
    for found in PAGES {
        let topic = found.topic;
        assert!(found.text().starts_with("# "), "{topic} has no title");
        assert!(found.about().len() <= 80, "{topic}: {}", found.about());
        // Keys are a line each, however long; a terminal wraps them.
        let text = found.text();
        let (prose, _) = text.split_once("## Keys of").unwrap_or((&text, ""));
        for line in prose.lines() {
            assert!(line.chars().count() <= 100, "{topic}: {line}");
        }
    }
}

#[test]
fn the_inventorys_page_has_every_key_with_its_default() {
    fn walk(path: &str, schema: &Value, text: &str, count: &mut usize) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let each = schema
            .get("additionalProperties")
            .filter(|each| each.get("properties").is_some());
        if let Some(properties) = properties {
            for (name, below) in properties {
                let place = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                walk(&place, below, text, count);
            }
        } else if let Some(each) = each {
            let entry = match path {
                "topics.extra" => "TOPIC",
                "sinks" => "SINK",
                "users" => "USER",
                _ => "NODE",
            };
            walk(&format!("{path}.{entry}"), each, text, count);
        } else {
            let lines = text
                .lines()
                .filter(|line| line.starts_with(&format!("* `{path}`: ")));
            let lines: Vec<&str> = lines.collect();
            assert_eq!(lines.len(), 1, "{path}: {lines:?}");
            let ends = ["Default: ", "Must be given."];
            assert!(
                ends.iter().any(|end| lines[0].contains(end)),
                "{}",
                lines[0]
            );
            *count += 1;
        }
    }
    let text = page("inventory").expect("the page").text();
    let mut count = 0;
    walk("", &layout::schema(), &text, &mut count);
    assert!(count > 60, "{count} keys");
    for line in [
        "* `kafka.replication`: Copies of each partition, each on another broker. From 1 to 50. Default: `2`.",
        "* `name`: The deployment's name; `--name` overrides it. At most 16 lower-case letters, digits and `-`. Must be given.",
        "* `nodes.NODE.roles`: What it does. Nothing: a plain machine. Default: none.",
        "  * `consumer`: Moves events from Kafka to CouchDB.",
        "* `clouds.aws.ttl`: How long machines live before they power themselves off, such as `12h`, or `never`. Each `up` renews it. Default: `12h`.",
        "## `clouds.existing.hosts.NODE`",
    ] {
        assert!(text.lines().any(|there| there == line), "{line}\n{text}");
    }
}
