//! What sources import, read as Rust: every path in them, from the crate's root on. What is for tests alone is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree};

/// The name of a module: the names on the way to it, `crate` first.
pub(crate) type Module = Vec<String>;

/// A file of sources.
pub(crate) struct Source {
    /// Below the directory that was read.
    pub(crate) file: PathBuf,
    /// The module that it is.
    pub(crate) module: Module,
    /// What it names: from `crate` on what is of its own crate, from their own name on other crates.
    pub(crate) names: BTreeSet<Vec<String>>,
}

impl Source {
    /// Whether it is the face of a folder, or of the crate.
    pub(crate) fn is_face(&self) -> bool {
        self.file.ends_with("mod.rs") || self.module.len() == 1
    }
}

/// Reads all sources of a crate.
pub(crate) fn sources(root: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    walk(root, &mut files);
    let modules: Vec<Module> = files.iter().map(|file| module(root, file)).collect();
    let known: BTreeSet<&Module> = modules.iter().collect();
    files
        .iter()
        .zip(&modules)
        .map(|(file, module)| {
            let text = fs::read_to_string(file).expect("a source");
            let tree = syn::parse_file(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let mut reader = Reader {
                module: module.clone(),
                known: &known,
                names: BTreeSet::new(),
            };
            reader.visit_file(&tree);
            Source {
                file: file.strip_prefix(root).expect("below it").to_owned(),
                module: module.clone(),
                names: reader.names,
            }
        })
        .collect()
}

/// File → the files whose names it imports, but for the faces of the folders that it is in.
pub(crate) fn arrows(sources: &[Source]) -> BTreeMap<&Path, BTreeSet<&Path>> {
    let by_module: BTreeMap<&[String], &Source> = sources
        .iter()
        .map(|source| (source.module.as_slice(), source))
        .collect();
    let of = |name: &[String]| {
        let mut longest_first = (1..=name.len()).rev().map(|length| &name[..length]);
        longest_first.find_map(|module| by_module.get(module))
    };
    sources
        .iter()
        .map(|source| {
            let there = source.names.iter().filter_map(|name| of(name));
            let there = there.filter(|there| {
                let above = there.is_face() && source.module.starts_with(&there.module);
                !above && there.file != source.file
            });
            (&*source.file, there.map(|there| &*there.file).collect())
        })
        .collect()
}

/// Takes away whoever nobody imports and whoever imports nobody, until only circles are left and what lies between them.
pub(crate) fn circles<'a>(
    mut arrows: BTreeMap<&'a Path, BTreeSet<&'a Path>>,
) -> BTreeMap<&'a Path, BTreeSet<&'a Path>> {
    loop {
        let imported: BTreeSet<&Path> = arrows.values().flatten().copied().collect();
        let before = arrows.len();
        arrows.retain(|file, imports| imported.contains(file) && !imports.is_empty());
        let left: BTreeSet<&Path> = arrows.keys().copied().collect();
        for imports in arrows.values_mut() {
            imports.retain(|file| left.contains(file));
        }
        if arrows.len() == before {
            return arrows;
        }
    }
}

fn walk(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn module(root: &Path, file: &Path) -> Module {
    let below = file
        .strip_prefix(root)
        .expect("below it")
        .with_extension("");
    let parts = below.iter().map(|part| part.to_string_lossy().into_owned());
    let mut module: Module = std::iter::once("crate".to_owned()).chain(parts).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

struct Reader<'a> {
    module: Module,
    known: &'a BTreeSet<&'a Module>,
    names: BTreeSet<Vec<String>>,
}

impl Reader<'_> {
    fn name(&mut self, parts: &[String]) {
        let mut place = match parts.first().map(String::as_str) {
            Some("crate") => Module::new(),
            Some("self" | "super") => self.module.clone(),
            Some(first) => {
                let child = self.module.iter().cloned().chain([first.to_owned()]);
                if self.known.contains(&child.collect::<Module>()) {
                    self.module.clone()
                } else {
                    Module::new()
                }
            }
            None => return,
        };
        for part in parts {
            match part.as_str() {
                "self" => {}
                "super" => {
                    place.pop();
                }
                _ => place.push(part.clone()),
            }
        }
        self.names.insert(place);
    }

    fn tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.name(&with(&name.ident)),
            UseTree::Rename(name) => self.name(&with(&name.ident)),
            UseTree::Glob(_) => self.name(before),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(before, tree);
                }
            }
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        is_cfg
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|word| word == "test")
    })
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_item(&mut self, item: &'a Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'a ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let parts: Vec<String> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        if parts.len() > 1 {
            self.name(&parts);
        }
        visit::visit_path(self, path);
    }

    /// What a macro is given is not parsed: paths in it are found as text.
    fn visit_macro(&mut self, item: &'a Macro) {
        let text = item.tokens.to_string().replace(" :: ", "::");
        let is_in_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
        for word in text.split(|c| !is_in_path(c)) {
            let parts: Vec<String> = word.split("::").map(str::to_owned).collect();
            if parts.len() > 1 && parts.iter().all(|part| !part.is_empty()) {
                self.name(&parts);
            }
        }
        visit::visit_macro(self, item);
    }
}
