//! The core names no product: what is known of one stands in its component. Files that name one all the same are listed in
//! `products.tsv`, each with its reason; the list only shrinks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use deployer::component::ALL;

const PRODUCTS: [&str; 5] = ["zookeeper", "kafka", "couchdb", "producer", "consumer"];

#[test]
fn the_core_names_no_product() {
    let named = named();
    let listed = listed();
    let mut wrong = Vec::new();
    for (file, lines) in &named {
        if !listed.contains_key(file) {
            let lines = lines.join("\n    ");
            wrong.push(format!(
                "{file} names a product: ask its component, or give the reason in products.tsv\n    {lines}"
            ));
        }
    }
    for file in listed.keys() {
        if !named.contains_key(file) {
            wrong.push(format!(
                "{file} names no product any more: take its row out of products.tsv"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// File → why it names products.
fn listed() -> BTreeMap<String, String> {
    let mut listed = BTreeMap::new();
    for row in include_str!("products.tsv").lines() {
        let (file, reason) = row.split_once('\t').expect("a file and its reason");
        assert!(!reason.trim().is_empty(), "{file} has no reason");
        let before = listed.insert(file.to_owned(), reason.to_owned());
        assert!(before.is_none(), "{file} is listed twice");
    }
    listed
}

/// File → its lines that name products; components are left out, and what is for tests alone.
fn named() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeSet::new();
    collect(&root, &mut files);
    let mut named = BTreeMap::new();
    for file in files {
        let path = file.strip_prefix(&root).expect("below it");
        let text = fs::read_to_string(&file).expect("a source");
        let lines: Vec<String> = product_text(&text)
            .into_iter()
            .filter(|line| {
                let line = line.to_lowercase();
                PRODUCTS.iter().any(|product| line.contains(product))
            })
            .map(|line| line.trim().to_owned())
            .collect();
        if !lines.is_empty() && !is_left_out(path) {
            named.insert(path.display().to_string(), lines);
        }
    }
    named
}

fn is_left_out(path: &Path) -> bool {
    let own = ALL.iter().any(|component| {
        let own = Path::new("component").join(component.name().replace('-', "_"));
        path.starts_with(&own) || path == own.with_extension("rs")
    });
    own || path.ends_with("tests.rs")
}

/// The lines of a file without the items that are for tests: each ends where a line at its left edge closes it.
fn product_text(text: &str) -> Vec<&str> {
    let mut kept = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            lines.find(|line| *line == "}" || (!line.starts_with(' ') && line.ends_with(';')));
        } else {
            kept.push(line);
        }
    }
    kept
}

fn collect(directory: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            collect(&path, files);
        } else if matches!(extension, Some("rs" | "sh")) {
            files.insert(path);
        }
    }
}
