//! What a node answered, read. Pure.
//!
//! The answer is sections of lines, each begun by `@name`; then the texts of the shown files, end to end (their sizes were said
//! before); last, the pipeline's own report.

use std::collections::BTreeMap;

use super::sections::Sections;
use super::{Exchange, HOSTS, OS_RELEASE, shown};
use crate::facts::{Facts, FileFact, Query, System};
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
