//! Who may import whom, and which files may exist: read from the sources, so that the layers stay as drawn in `lib.rs`.

use std::fs;
use std::path::{Path, PathBuf};

/// Module → the modules of this crate it may import. Leaves may be imported by everyone above them.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // leaves: plain data, and texts that two layers must agree on
    ("contract", &[]),
    ("facts", &["step"]),
    ("few", &[]),
    ("figures", &[]),
    ("firewall", &[]),
    ("hosts_table", &[]),
    ("inspect", &[]),
    ("machine", &["secret"]),
    ("packet_filter", &[]),
    ("receipt", &["machine", "secret"]),
    ("secret", &[]),
    ("signing_key", &[]),
    ("step", &[]),
    ("yaml", &[]),
    // pure: what should be
    ("inventory", &["yaml"]),
    ("settings", &["inventory"]),
    ("topology", &["inventory", "machine", "settings"]),
    ("template", &[]),
    ("rehearsal", &["secret", "topology"]),
    (
        "component",
        &[
            "hosts_table",
            "machine",
            "receipt",
            "secret",
            "signing_key",
            "step",
            "template",
            "topology",
        ],
    ),
    (
        "plan",
        &[
            "component",
            "facts",
            "few",
            "firewall",
            "hosts_table",
            "inspect",
            "machine",
            "receipt",
            "step",
            "template",
            "topology",
        ],
    ),
    (
        "preflight",
        &["facts", "machine", "packet_filter", "topology"],
    ),
    // effects: making it so
    ("report", &[]),
    ("sudo", &[]),
    (
        "cloud",
        &[
            "machine",
            "packet_filter",
            "secret",
            "step",
            "sudo",
            "topology",
            "yaml",
        ],
    ),
    ("host", &["machine"]),
    ("artifact", &["component", "step", "topology"]),
    (
        "run",
        &[
            "facts",
            "few",
            "firewall",
            "host",
            "hosts_table",
            "plan",
            "receipt",
            "report",
            "secret",
            "step",
        ],
    ),
    // the edge
    ("cli", &["error", "secret", "topology"]),
    ("error", &[]),
    ("commands", &["*"]),
    ("main", &["*"]),
    ("lib", &["*"]),
];

/// Pure modules touch no file, no process, no clock of the runtime.
const PURE: &[&str] = &[
    "secret",
    "signing_key",
    "machine",
    "packet_filter",
    "pipeline",
    "step",
    "facts",
    "few",
    "receipt",
    "rehearsal",
    "template",
    "yaml",
    "topology",
    "inventory",
    "component",
    "plan",
    "preflight",
    "settings",
];
const EFFECTS: &[&str] = &[
    "tokio::",
    "openssh::",
    "reqwest::",
    "std::fs",
    "std::process",
    "std::net::Tcp",
];

fn sources() -> Vec<(String, PathBuf, String)> {
    fn walk(directory: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("source directory") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).expect("below src");
            let first = relative
                .components()
                .next()
                .expect("a name")
                .as_os_str()
                .to_string_lossy();
            let module = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
            let text = fs::read_to_string(&path).expect("source");
            (module, path, text)
        })
        .collect()
}

fn product_code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn modules_import_only_what_their_layer_allows() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!(
                "{}: module `{module}` has no place in the table of layers",
                path.display()
            ));
            continue;
        };
        for line in product_code(&text) {
            for (start, _) in line.match_indices("crate::") {
                let rest = &line[start + "crate::".len()..];
                let imported: String = rest
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if !imported.is_empty()
                    && imported != module
                    && !allowed.contains(&"*")
                    && !allowed.contains(&imported.as_str())
                {
                    wrong.push(format!(
                        "{}: `{module}` may not import `{imported}`",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_modules_have_no_effects() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        if PURE.contains(&module.as_str()) {
            for effect in EFFECTS {
                if product_code(&text).any(|line| line.contains(effect)) {
                    wrong.push(format!(
                        "{}: `{effect}` in the pure module `{module}`",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_test_file_is_a_module_of_its_binary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    for binary in ["deployer", "machines", "agent", "aws", "chameleon"] {
        let directory = root.join(binary);
        let Ok(main) = fs::read_to_string(directory.join("main.rs")) else {
            continue;
        };
        for entry in fs::read_dir(&directory).expect("test directory") {
            let path = entry.expect("entry").path();
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            if path.extension().is_some_and(|extension| extension == "rs") && name != "main" {
                assert!(
                    main.contains(&format!("mod {name};")),
                    "{} is not a module of its main.rs",
                    path.display()
                );
            }
        }
    }
}
