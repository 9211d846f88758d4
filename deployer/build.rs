//! Puts all files of `templates/` into the binary, by their names: a new one needs no line elsewhere.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks with build scripts by the environment and the standard output"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let root =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../templates");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut found = Vec::new();
    find(&root, "", &mut found);
    found.sort();
    let mut list = String::from("&[\n");
    for name in &found {
        let file = root.join(format!("{name}.tera")).display().to_string();
        writeln!(list, "({name:?}, include_str!({file:?})),").expect("text");
    }
    list.push_str("]\n");
    let out = Path::new(&env::var("OUT_DIR").expect("set by cargo")).join("templates.rs");
    fs::write(out, list).expect("written");
}

fn find(directory: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            find(&path, &format!("{prefix}{name}/"), found);
        } else if let Some(name) = name.strip_suffix(".tera") {
            found.push(format!("{prefix}{name}"));
        }
    }
}
