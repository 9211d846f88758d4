//! What a node answered, read. Pure.
//!
//! The answer is sections of lines, each begun by `@name`; then the texts of the shown files, end to end (their sizes were said
//! before); last, the pipeline's own report.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use super::{Exchange, HOSTS, OS_RELEASE, alternatives, shown};
use crate::facts::{DiskFact, Facts, FileFact, Query, System, TableFact, UnitFact};
use crate::few::few;
use crate::run::hosts_block;
use crate::step::{Manifest, sha256};

/// Longer texts are not sent whole; see `head` in the script.
const LONGEST_TEXT: u64 = 65_536;

/// The facts, and whether they are whole: not, when a file changed while it was read.
pub(super) fn parse(query: &Query, answer: &[u8], exchange: &Exchange) -> (Facts, bool) {
    let Some((head, rest)) = split_at(answer, b"@texts\n") else {
        return (Facts::default(), false);
    };
    let head = String::from_utf8_lossy(head);
    let sections = Sections::new(&head);
    let sizes = sections.files();
    let (texts, whole, rest) = texts(query, &sizes, rest);
    let text = |path: &str| texts.get(path).map_or("", String::as_str);

    let mut files: BTreeMap<String, FileFact> = sizes
        .into_iter()
        .map(|(path, (fact, _))| (path, fact))
        .collect();
    files.retain(|path, _| query.files.contains_key(path) || query.unread.contains(path));
    for (path, fact) in &mut files {
        if query.files.get(path) == Some(&true) {
            fact.text = texts.get(path).cloned();
        }
    }
    let pipeline = split_at(rest, b"@pipeline\n").map_or(rest, |(_, report)| report);
    let facts = Facts {
        system: if query.system {
            sections.system(text(OS_RELEASE), exchange)
        } else {
            System::default()
        },
        identity: sections.identity(),
        files,
        units: sections.units(&query.units),
        packages: sections.packages(&query.packages),
        users: sections.users(),
        tables: sections.tables(),
        archives: sections.archives(&query.archives),
        disks: sections.disks(&query.disks),
        ports: sections.ports(),
        addresses: sections.addresses(),
        figures: sections.figures(&query.figures),
        hosts_block: hosts_block::find(text(HOSTS), &query.deployment).map(str::to_owned),
        manifest: serde_json::from_str(text(&Manifest::path(&query.deployment))).ok(),
        pipeline: serde_json::from_slice(pipeline).ok(),
    };
    (facts, whole)
}

/// Cuts the texts apart by the sizes that were said, and believes only those whose checksum fits.
fn texts<'a>(
    query: &Query,
    files: &BTreeMap<String, (FileFact, u64)>,
    mut rest: &'a [u8],
) -> (BTreeMap<String, String>, bool, &'a [u8]) {
    let mut texts = BTreeMap::new();
    let mut whole = true;
    for path in shown(query) {
        let Some((fact, size)) = files.get(&path).filter(|(fact, _)| !fact.directory) else {
            continue;
        };
        let sent = usize::try_from((*size).min(LONGEST_TEXT)).unwrap_or(usize::MAX);
        let Some((bytes, after)) = rest.split_at_checked(sent) else {
            return (texts, false, rest);
        };
        rest = after;
        if *size > LONGEST_TEXT {
            continue;
        }
        if sha256(bytes) != fact.sha256 {
            whole = false;
        } else if let Ok(text) = std::str::from_utf8(bytes) {
            texts.insert(path, text.to_owned());
        }
    }
    let whole = whole && rest.starts_with(b"\n@pipeline\n");
    (texts, whole, rest)
}

fn split_at<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes
        .windows(mark.len())
        .position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

/// The answer's sections of lines.
struct Sections<'a>(BTreeMap<&'a str, Vec<&'a str>>);

impl<'a> Sections<'a> {
    fn new(text: &'a str) -> Self {
        let mut sections: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut name = "";
        for line in text.lines() {
            if let Some(next) = line.strip_prefix('@') {
                name = next;
                // One without lines was asked for, too.
                sections.entry(name).or_default();
            } else {
                sections.entry(name).or_default().push(line);
            }
        }
        Self(sections)
    }

    fn lines(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.get(name).into_iter().flatten().copied()
    }

    fn line(&self, name: &str) -> &'a str {
        self.lines(name).next().unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        self.lines(name).collect::<Vec<_>>().join("\n")
    }

    fn identity(&self) -> String {
        let lines: Vec<&str> = self.lines("self").collect();
        let [boot, start, rest @ ..] = &lines[..] else {
            return String::new();
        };
        if boot.is_empty() {
            return String::new();
        }
        // The name of the process may have blanks in it; the 20th word after it is when it began.
        let start = start
            .rsplit_once(") ")
            .and_then(|(_, words)| words.split(' ').nth(19));
        format!("{boot} {} {}", start.unwrap_or_default(), rest.join(" "))
    }

    fn system(&self, os_release: &str, exchange: &Exchange) -> System {
        let os = |key: &str| {
            let value = os_release
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .unwrap_or_default();
            value.trim_matches(['"', '\'']).to_owned()
        };
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
        let memory = number(self.line("memory").split_whitespace().nth(1)).unwrap_or(0);
        let free_mib = |line: &str| {
            let (blocks, size) = line.split_once(' ')?;
            Some(number(Some(blocks))?.saturating_mul(number(Some(size))?) >> 20)
        };
        let mut software = self.lines("software");
        System {
            os: os("ID"),
            version: os("VERSION_ID"),
            codename: os("VERSION_CODENAME"),
            architecture: self.line("machine").to_owned(),
            libc: self
                .line("libc")
                .split(' ')
                .next_back()
                .unwrap_or_default()
                .to_owned(),
            filters: ["nft", "iptables", "ip6tables"].map(|name| self.text(name)),
            memory_mib: memory / 1024,
            foreign_init: self.line("foreign-init") == "yes",
            disk_free_mib: free_mib(self.line("disk")).unwrap_or(0),
            software_free_mib: software.next().and_then(free_mib),
            software_noexec: software
                .next()
                .is_some_and(|options| options.split(',').any(|option| option == "noexec")),
            unwritable: self.lines("unwritable").map(str::to_owned).collect(),
            closed: self
                .lines("closed")
                .filter_map(|line| line.split_once('\t'))
                .map(|(path, why)| (path.to_owned(), why.to_owned()))
                .collect(),
            clock_skew_ms: self.clock_skew_ms(exchange),
        }
    }

    /// The node read its clock at the beginning of its work. What the exchange took beyond that work was spent on the way, half
    /// of it before the clock was read.
    fn clock_skew_ms(&self, exchange: &Exchange) -> i64 {
        let Ok(nanoseconds) = self.line("clock").parse::<i128>() else {
            return 0;
        };
        let mut uptimes = self
            .line("uptime")
            .split(' ')
            .map(|word| word.parse::<f64>().unwrap_or(0.0));
        let (begin, end) = (uptimes.next().unwrap_or(0.0), uptimes.next().unwrap_or(0.0));
        let work = Duration::try_from_secs_f64(end - begin).unwrap_or_default();
        let before = exchange.took.saturating_sub(work) / 2;
        let here = (exchange.asked_at + before)
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let here = i128::try_from(here.as_nanos()).unwrap_or(i128::MAX);
        i64::try_from((nanoseconds - here) / 1_000_000).unwrap_or(i64::MAX)
    }

    /// What lies at the paths, with sizes.
    fn files(&self) -> BTreeMap<String, (FileFact, u64)> {
        let mut files = BTreeMap::new();
        for line in self.lines("files") {
            let mut words = line.splitn(5, ' ');
            let mut word = || words.next().unwrap_or_default();
            let (mode, size, owner, group, path) = (word(), word(), word(), word(), word());
            let (Ok(mode), Ok(size)) = (u32::from_str_radix(mode, 16), size.parse()) else {
                continue;
            };
            let fact = FileFact {
                directory: mode & 0o170_000 == 0o040_000,
                owner: owner.into(),
                group: group.into(),
                mode: mode & 0o7777,
                sha256: String::new(),
                text: None,
            };
            files.insert(path.to_owned(), (fact, size));
        }
        for line in self.lines("sums") {
            if let Some((sum, path)) = sum_line(line)
                && let Some((fact, _)) = files.get_mut(path)
            {
                sum.clone_into(&mut fact.sha256);
            }
        }
        files
    }

    fn units(&self, asked: &BTreeSet<String>) -> BTreeMap<String, UnitFact> {
        let mut units = BTreeMap::new();
        let lines: Vec<&str> = self.lines("units").collect();
        for block in lines.split(|line| line.is_empty()) {
            let value = |key: &str| {
                let value = block
                    .iter()
                    .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
                value.unwrap_or_default()
            };
            let number = |key: &str| value(key).parse::<u32>().unwrap_or(0);
            for unit in value("Names")
                .split(' ')
                .filter(|name| asked.contains(*name))
            {
                let fact = UnitFact {
                    loaded: value("LoadState") != "not-found",
                    active: value("ActiveState").into(),
                    sub: value("SubState").into(),
                    enabled: value("UnitFileState") == "enabled",
                    main_pid: number("MainPID"),
                    restarts: number("NRestarts"),
                    reads: self.reads(unit),
                };
                units.insert(unit.to_owned(), fact);
            }
        }
        units
    }

    fn reads(&self, unit: &str) -> BTreeMap<String, String> {
        self.lines("loaded")
            .filter_map(|line| line.strip_prefix(unit)?.strip_prefix(' '))
            .filter_map(sum_line)
            .map(|(sum, path)| (path.to_owned(), sum.to_owned()))
            .collect()
    }

    fn packages(&self, asked: &BTreeSet<String>) -> BTreeSet<String> {
        let (mut installed, mut package) = (BTreeSet::new(), "");
        for line in self.lines("packages") {
            if let Some(name) = line.strip_prefix("Package: ") {
                package = name;
            } else if line.starts_with("Status: ") && line.ends_with(" installed") {
                installed.insert(package);
            }
        }
        asked
            .iter()
            .filter(|entry| alternatives(entry).any(|name| installed.contains(name)))
            .cloned()
            .collect()
    }

    fn users(&self) -> BTreeSet<String> {
        self.lines("users")
            .filter_map(|line| line.split(':').next())
            .map(str::to_owned)
            .collect()
    }

    fn figures(&self, asked: &BTreeSet<u16>) -> BTreeMap<u16, String> {
        let said = asked.iter().map(|port| {
            let lines: Vec<&str> = self.lines(&format!("figures {port}")).collect();
            (*port, lines.join("\n"))
        });
        said.filter(|(_, text)| !text.trim().is_empty()).collect()
    }

    fn tables(&self) -> BTreeMap<String, TableFact> {
        let mut tables = BTreeMap::new();
        for line in self.lines("tables") {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap_or_default();
            let (table, now, rules, loaded) = (word(), word(), word(), word());
            // Of a table that is not there nothing is listed.
            if now != sha256(b"") {
                let fact = TableFact {
                    rules: rules.to_owned(),
                    untouched: now == loaded,
                };
                tables.insert(table.to_owned(), fact);
            }
        }
        tables
    }

    fn archives(&self, asked: &BTreeSet<String>) -> BTreeMap<String, String> {
        let there = asked.iter().filter_map(|path| {
            let lines = self.0.get(format!("archive {path}").as_str())?;
            Some((path.clone(), damage(lines)))
        });
        there.collect()
    }

    /// One line for each directory asked for, in their order, after a heading.
    fn disks(&self, asked: &BTreeSet<String>) -> BTreeMap<String, DiskFact> {
        let lines = self.lines("disks").skip(1);
        let disk = |line: &str| {
            let mut words = line.split_whitespace();
            let mut number = || words.next()?.trim_end_matches('M').parse::<u64>().ok();
            let (free_mib, size_mib) = (number()?, number()?);
            let (free_inodes, inodes) = (number(), number());
            Some(DiskFact {
                free_mib,
                size_mib,
                // Some file systems make as many as are needed, and say that there are none.
                no_inodes: inodes.is_some_and(|all| all > 0) && free_inodes == Some(0),
                mount: words.collect::<Vec<_>>().join(" "),
            })
        };
        let found = asked.iter().zip(lines);
        found
            .filter_map(|(path, line)| Some((path.clone(), disk(line)?)))
            .collect()
    }

    /// Addresses that stay, by interface: those that privacy makes for a day are left out.
    fn addresses(&self) -> BTreeMap<IpAddr, String> {
        let addresses = self.lines("addresses").filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, interface, _, address, more @ ..] = &words[..] else {
                return None;
            };
            let passing = ["temporary", "deprecated", "tentative"];
            if more.iter().any(|word| passing.contains(word)) {
                return None;
            }
            let address = address.split('/').next()?.parse().ok()?;
            Some((address, (*interface).to_owned()))
        });
        addresses.collect()
    }

    /// Port → who listens, as far as the node says: nothing where it does not.
    fn ports(&self) -> BTreeMap<u16, String> {
        let mut ports: BTreeMap<u16, String> = BTreeMap::new();
        let mut known = |port: u16, owner: &str| {
            let known = ports.entry(port).or_default();
            if known.is_empty() {
                owner.clone_into(known);
            }
        };
        let users = self.users_of_units();
        for line in self.lines("ports") {
            let local = line.split_whitespace().nth(3);
            let port = local.and_then(|local| local.rsplit(':').next()?.parse().ok());
            if let Some(port) = port {
                known(port, self.owner(line, &users));
            }
        }
        // Without `ss`: the kernel's own table, `local_address` in hexadecimal, state 0A is LISTEN.
        for line in self.lines("sockets") {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, "0A", _, _, _, user, ..] = words[..] else {
                continue;
            };
            let port = local.rsplit(':').next();
            let port = port.and_then(|port| u16::from_str_radix(port, 16).ok());
            if let Some(port) = port {
                known(port, users.get(user).copied().unwrap_or_default());
            }
        }
        ports
    }

    /// The user, as a number, that each unit of ours runs as → the unit. Each of them has a user of its own; root's and those that
    /// do not run say none.
    fn users_of_units(&self) -> BTreeMap<&'a str, &'a str> {
        let lines: Vec<&str> = self.lines("units").collect();
        let blocks = lines.split(|line| line.is_empty());
        let users = blocks.filter_map(|block| {
            let value = |key: &str| {
                let mut lines = block.iter();
                lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            };
            let user = value("UID").filter(|user| user.parse::<u32>().is_ok_and(|user| user > 0));
            Some((user?, value("Names")?.split(' ').next()?))
        });
        users.collect()
    }

    /// The unit of the process that listens: by its control group, or by its user where root may not see the process; else the
    /// process's name.
    fn owner(&self, line: &'a str, users: &BTreeMap<&'a str, &'a str>) -> &'a str {
        let after = |mark: &str| {
            let rest = line.split_once(mark)?.1;
            rest.split([',', ' ', ')']).next()
        };
        let service = |group: &'a str| {
            let mut parts = group.rsplit('/');
            parts.find(|part| part.ends_with(".service"))
        };
        let by_process = || {
            let pid = after("pid=")?;
            let groups = self.lines("groups");
            let mut groups = groups.filter_map(|line| line.strip_prefix(pid)?.strip_prefix(' '));
            groups.find_map(service)
        };
        let by_user = || users.get(after("uid:")?).copied();
        by_process()
            .or_else(by_user)
            .or_else(|| service(after("cgroup:")?))
            .or_else(|| line.split('"').nth(1))
            .unwrap_or_default()
    }
}

/// What is not as it was unpacked, in words, from what was said of it; empty: all is.
fn damage(lines: &[&str]) -> String {
    const SHOWN: usize = 3;
    if lines.is_empty() {
        return String::new();
    }
    // `b2sum -c` names a file and what is wrong with it.
    let files: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.rsplit_once(": FAILED"))
        .map(|(path, _)| path.trim_start_matches("./"))
        .collect();
    if files.is_empty() {
        "its files are not those that were unpacked".into()
    } else {
        format!("changed or gone: {}", few(&files, SHOWN))
    }
}

/// A line of `sha256sum`: sum, two signs, path.
fn sum_line(line: &str) -> Option<(&str, &str)> {
    let (sum, path) = line.split_at_checked(64)?;
    Some((
        sum,
        path.strip_prefix("  ")
            .or_else(|| path.strip_prefix(" *"))?,
    ))
}
