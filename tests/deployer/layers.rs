//! Who may import whom, and which files may exist: read from the sources, so that the layers stay as drawn in `lib.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::imports::{Source, arrows, circles, sources};

/// Module → the modules of this crate it may import. Leaves may be imported by everyone above them.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // leaves: plain data, and texts that two layers must agree on
    ("authority", &["receipt", "secret"]),
    ("causes", &[]),
    ("contract", &[]),
    ("facts", &["step"]),
    ("few", &[]),
    ("whole_file", &[]),
    ("figures", &[]),
    ("firewall", &["template"]),
    ("hosts_table", &["template"]),
    ("inspect", &["rights"]),
    ("machine", &["secret"]),
    ("packet_filter", &[]),
    ("receipt", &["machine", "secret"]),
    ("rights", &["step"]),
    ("secret", &[]),
    ("shell", &[]),
    ("signing_key", &[]),
    ("state_copy", &["machine", "receipt", "secret"]),
    ("step", &["secret"]),
    ("xml", &[]),
    ("yaml", &[]),
    // pure: what should be
    ("inventory", &["yaml"]),
    ("topology", &["inventory", "machine"]),
    ("template", &[]),
    ("guide", &["layout"]),
    ("rehearsal", &["secret", "topology", "yaml"]),
    (
        "component",
        &[
            "authority",
            "contract",
            "facts",
            "hosts_table",
            "inspect",
            "inventory",
            "machine",
            "receipt",
            "rights",
            "secret",
            "shell",
            "signing_key",
            "step",
            "template",
            "topology",
        ],
    ),
    // above the components, since it asks them
    ("layout", &["component", "inventory", "machine", "topology"]),
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
        &["component", "facts", "machine", "packet_filter", "topology"],
    ),
    // effects: making it so
    ("process", &[]),
    ("report", &[]),
    ("retry", &[]),
    ("sudo", &["process"]),
    (
        "cloud",
        &[
            "causes",
            "machine",
            "packet_filter",
            "process",
            "retry",
            "secret",
            "step",
            "sudo",
            "template",
            "topology",
            "xml",
            "yaml",
        ],
    ),
    (
        "host",
        &[
            "causes",
            "machine",
            "process",
            "retry",
            "shell",
            "whole_file",
        ],
    ),
    (
        "artifact",
        &["component", "process", "retry", "step", "whole_file"],
    ),
    (
        "run",
        &[
            "authority",
            "component",
            "facts",
            "few",
            "firewall",
            "host",
            "hosts_table",
            "plan",
            "receipt",
            "report",
            "secret",
            "state_copy",
            "step",
            "topology",
        ],
    ),
    // the ways of all verbs: what is decided, what is reached, what is seen, what is done, what is told
    (
        "prepare",
        &[
            "artifact",
            "authority",
            "cli",
            "cloud",
            "component",
            "error",
            "facts",
            "inventory",
            "layout",
            "machine",
            "plan",
            "process",
            "receipt",
            "report",
            "run",
            "secret",
            "signing_key",
            "state_copy",
            "step",
            "topology",
        ],
    ),
    (
        "reach",
        &[
            "cli",
            "cloud",
            "component",
            "error",
            "facts",
            "host",
            "inventory",
            "machine",
            "plan",
            "prepare",
            "process",
            "receipt",
            "report",
            "run",
            "secret",
            "step",
            "sudo",
            "topology",
        ],
    ),
    (
        "observe",
        &[
            "artifact",
            "causes",
            "cli",
            "cloud",
            "component",
            "contract",
            "error",
            "facts",
            "firewall",
            "host",
            "inspect",
            "machine",
            "plan",
            "preflight",
            "prepare",
            "reach",
            "receipt",
            "report",
            "retry",
            "run",
            "state_copy",
            "step",
            "topology",
            "xml",
        ],
    ),
    (
        "carry_out",
        &[
            "artifact",
            "cli",
            "cloud",
            "component",
            "contract",
            "documents",
            "error",
            "facts",
            "few",
            "host",
            "machine",
            "observe",
            "prepare",
            "reach",
            "receipt",
            "report",
            "retry",
            "run",
            "state_copy",
            "step",
            "topology",
        ],
    ),
    (
        "documents",
        &[
            "cli",
            "component",
            "contract",
            "error",
            "host",
            "reach",
            "report",
            "run",
            "topology",
        ],
    ),
    (
        "tell",
        &[
            "carry_out",
            "cli",
            "cloud",
            "component",
            "contract",
            "documents",
            "error",
            "facts",
            "figures",
            "inspect",
            "machine",
            "observe",
            "plan",
            "prepare",
            "reach",
            "receipt",
            "report",
            "run",
            "secret",
            "step",
            "template",
            "topology",
        ],
    ),
    // the edge
    (
        "cli",
        &["error", "guide", "rehearsal", "secret", "topology"],
    ),
    ("error", &[]),
    ("commands", &["*"]),
    ("entry", &["*"]),
    ("main", &["*"]),
    ("lib", &["*"]),
];

/// Pure modules touch no file, no process, no clock of the runtime.
const PURE: &[&str] = &[
    "causes",
    "component",
    "contract",
    "facts",
    "few",
    "figures",
    "firewall",
    "guide",
    "hosts_table",
    "inspect",
    "inventory",
    "layout",
    "machine",
    "packet_filter",
    "plan",
    "preflight",
    "receipt",
    "rehearsal",
    "secret",
    "shell",
    "signing_key",
    "state_copy",
    "step",
    "template",
    "topology",
    "xml",
    "yaml",
];
const EFFECTS: &[&str] = &[
    "tokio::",
    "openssh::",
    "reqwest::",
    "std::fs::",
    "std::process::",
    "std::net::Tcp",
];

/// Read once: debug builds take a second for it.
static DEPLOYER: LazyLock<Vec<Source>> = LazyLock::new(|| sources(&root().join("deployer/src")));

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The top module that a name of this crate is in.
fn top(name: &[String]) -> &str {
    name.get(1).map_or("lib", String::as_str)
}

#[test]
fn modules_import_only_what_their_layer_allows() {
    let mut wrong = Vec::new();
    for source in DEPLOYER.iter() {
        let (module, file) = (top(&source.module), source.file.display());
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!(
                "{file}: module `{module}` has no place in the table of layers"
            ));
            continue;
        };
        let own = source.names.iter().filter(|name| name[0] == "crate");
        for imported in own.map(|name| top(name)) {
            if imported != module && !allowed.contains(&"*") && !allowed.contains(&imported) {
                wrong.push(format!("{file}: `{module}` may not import `{imported}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_modules_have_no_effects() {
    let mut wrong = Vec::new();
    for source in DEPLOYER.iter() {
        let module = top(&source.module);
        let names = source.names.iter().map(|name| name.join("::") + "::");
        for name in names.filter(|_| PURE.contains(&module)) {
            if EFFECTS.iter().any(|effect| name.starts_with(effect)) {
                let file = source.file.display();
                wrong.push(format!("{file}: `{name}` in the pure module `{module}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    let agent = sources(&root().join("agent/src"));
    for (name, sources) in [("agent", &agent), ("deployer", &*DEPLOYER)] {
        for (file, imports) in circles(arrows(sources)) {
            let imports: Vec<String> = imports
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            wrong.push(format!(
                "{name}: {} imports {}",
                file.display(),
                imports.join(", ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What two verbs need stands in a folder whose name says what it holds.
#[test]
fn no_verb_imports_another() {
    let mut wrong = Vec::new();
    for source in DEPLOYER
        .iter()
        .filter(|source| top(&source.module) == "commands")
    {
        let Some(verb) = source.module.get(2) else {
            continue;
        };
        let others = source.names.iter().filter(|name| {
            name[0] == "crate"
                && top(name) == "commands"
                && name.get(2).is_some_and(|other| other != verb)
        });
        wrong.extend(others.map(|name| format!("`{verb}` imports {}", name.join("::"))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_test_file_is_a_module_of_its_binary() {
    let tests = root().join("tests");
    let mut files = BTreeSet::new();
    collect(&tests, &mut files);
    // From each binary's face, by the modules that files name.
    let faces = files.iter().filter(|file| file.ends_with("main.rs"));
    let mut reached: BTreeSet<PathBuf> = faces.cloned().collect();
    let mut new: Vec<PathBuf> = reached.iter().cloned().collect();
    while let Some(file) = new.pop() {
        for module in modules(&file) {
            if reached.insert(module.clone()) {
                new.push(module);
            }
        }
    }
    let lost: Vec<&PathBuf> = files.difference(&reached).collect();
    assert!(lost.is_empty(), "no binary has these: {lost:#?}");
}

/// All sources below a directory, by their shortest paths.
fn collect(directory: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of tests") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(path.canonicalize().expect("a file"));
        }
    }
}

/// The files of the modules that a file names.
fn modules(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).expect("a source");
    let tree = syn::parse_file(&text).expect("Rust");
    let name = file.file_stem().expect("a name");
    let beside = file.parent().expect("a directory");
    let below = match name.to_str() {
        Some("main" | "mod") => beside.to_owned(),
        _ => beside.join(name),
    };
    let modules = tree.items.into_iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    });
    let files = modules.map(|module| {
        let said = module.attrs.iter().find_map(|attribute| {
            let path = attribute.meta.require_name_value().ok()?;
            match &path.value {
                syn::Expr::Lit(literal) if path.path.is_ident("path") => match &literal.lit {
                    syn::Lit::Str(path) => Some(beside.join(path.value())),
                    _ => None,
                },
                _ => None,
            }
        });
        let usual = [
            below.join(format!("{}.rs", module.ident)),
            below.join(format!("{}/mod.rs", module.ident)),
        ];
        let there = said.into_iter().chain(usual).find(|path| path.is_file());
        let there = there.unwrap_or_else(|| panic!("{}: {}", file.display(), module.ident));
        there.canonicalize().expect("a file")
    });
    files.collect()
}
