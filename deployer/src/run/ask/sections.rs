//! The sections of an answer, and the facts in them that are read line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::alternatives;
use crate::facts::{DiskFact, FileFact, TableFact, UnitFact};
use crate::few::few;
use crate::step::sha256;

/// The answer's sections of lines.
pub(super) struct Sections<'a>(BTreeMap<&'a str, Vec<&'a str>>);

impl<'a> Sections<'a> {
    pub(super) fn new(text: &'a str) -> Self {
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

    pub(super) fn lines(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.get(name).into_iter().flatten().copied()
    }

    pub(super) fn line(&self, name: &str) -> &'a str {
        self.lines(name).next().unwrap_or_default()
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.lines(name).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn identity(&self) -> String {
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

    /// What lies at the paths, with sizes.
    pub(super) fn files(&self) -> BTreeMap<String, (FileFact, u64)> {
        let mut files = BTreeMap::new();
        for line in self.lines("files") {
            let mut words = line.splitn(6, ' ');
            let mut word = || words.next().unwrap_or_default();
            let (mode, size, owner, group) = (word(), word(), word(), word());
            let (_when, path) = (word(), word());
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

    pub(super) fn units(&self, asked: &BTreeSet<String>) -> BTreeMap<String, UnitFact> {
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

    pub(super) fn packages(&self, asked: &BTreeSet<String>) -> BTreeSet<String> {
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

    pub(super) fn users(&self) -> BTreeSet<String> {
        self.lines("users")
            .filter_map(|line| line.split(':').next())
            .map(str::to_owned)
            .collect()
    }

    pub(super) fn figures(&self, asked: &BTreeSet<u16>) -> BTreeMap<u16, String> {
        let said = asked.iter().map(|port| {
            let lines: Vec<&str> = self.lines(&format!("figures {port}")).collect();
            (*port, lines.join("\n"))
        });
        said.filter(|(_, text)| !text.trim().is_empty()).collect()
    }

    pub(super) fn tables(&self) -> BTreeMap<String, TableFact> {
        let tables = self.0.iter().filter_map(|(name, listed)| {
            let mut words = name.strip_prefix("table ")?.split(' ');
            let mut word = || words.next().unwrap_or_default();
            let (table, rules, loaded) = (word(), word(), word());
            let listed: String = listed.iter().map(|line| format!("{line}\n")).collect();
            let fact = TableFact {
                rules: rules.to_owned(),
                untouched: sha256(listed.as_bytes()) == loaded,
            };
            // Of a table that is not there nothing is listed.
            (!listed.is_empty()).then(|| (table.to_owned(), fact))
        });
        tables.collect()
    }

    pub(super) fn archives(&self, asked: &BTreeSet<String>) -> BTreeMap<String, String> {
        let there = asked.iter().filter_map(|path| {
            let lines = self.0.get(format!("archive {path}").as_str())?;
            Some((path.clone(), damage(lines)))
        });
        there.collect()
    }

    /// One line for each directory asked for, in their order, after a heading.
    pub(super) fn disks(&self, asked: &BTreeSet<String>) -> BTreeMap<String, DiskFact> {
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
    pub(super) fn addresses(&self) -> BTreeMap<IpAddr, String> {
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
