//! What of programs in the driver's place could never run, as far as the inventory tells.

use std::collections::BTreeMap;

use super::look;
use crate::component::program::ProgramsSection;
use crate::component::spark::NAME;
use crate::component::spark::section::{STREAMS, Stream};
use crate::inventory::{Findings, Inventory};

/// Looks at what is said of a program; into its file others look.
pub(in super::super) fn check(
    key: &str,
    program: &str,
    stream: &Stream,
    inventory: &Inventory,
    findings: &mut Findings<'_>,
) {
    let of_queries = ["sql", "parse", "every", "mode"];
    for own in of_queries.map(|own| format!("{key}.{own}")) {
        if inventory.says(&own) {
            findings.add(
                own,
                "is of queries: a program does that itself",
                "take it away, or `program`",
            );
        }
    }
    let at = format!("{key}.program");
    if look::has_ending(program, "py") {
        findings.add(
            at,
            "is a program in Python, which nodes with Spark do not run: they have Java alone",
            "write it in Java or Scala, or as `sql`; one that needs no Spark can be one of `programs`",
        );
    } else if !look::is_source(program) && !look::has_ending(program, "jar") {
        findings.add(
            at,
            "is neither a jar nor a source file of Java",
            "name a file that ends with `.jar` or `.java`",
        );
    }
    let name = program.rsplit('/').next().unwrap_or(program);
    let fits = |one: char| one.is_ascii_alphanumeric() || "._-".contains(one);
    if !name.chars().all(fits) {
        findings.add(
            format!("{key}.program"),
            format!("`{name}` has more in its name than letters, digits, `.`, `_` and `-`"),
            "give the file another name",
        );
    }
    match &stream.class {
        None => findings.add(
            key,
            "says no `class`",
            "add `class:`, the class of the program whose `main` is run, with its package",
        ),
        Some(class) if !is_class(class) => findings.say(
            format!("{key}.class"),
            format!("`{class}` is not the name of a class"),
        ),
        Some(_) => {}
    }
    let control = |argument: &&String| argument.contains('\0');
    if stream.arguments.iter().any(|argument| control(&argument)) {
        findings.say(format!("{key}.arguments"), "must be texts");
    }
}

/// Whether a text is the name of a class, with its package.
fn is_class(text: &str) -> bool {
    let fits = |one: char| one.is_alphanumeric() || one == '_' || one == '$';
    let is_word = |part: &str| {
        !part.is_empty()
            && !part.starts_with(|one: char| one.is_ascii_digit())
            && part.chars().all(fits)
    };
    text.split('.').all(is_word)
}

/// No program takes the unit of another one, and none's name begins like the groups of another one, who could take part in its own.
pub(in super::super) fn check_names(
    streams: &BTreeMap<String, Stream>,
    inventory: &Inventory,
    findings: &mut Findings<'_>,
) {
    let ProgramsSection(others) = inventory.sections.get();
    let programs = || {
        streams
            .iter()
            .filter(|(_, stream)| stream.program.is_some())
    };
    for (name, _) in programs() {
        let own = format!("{name}-{NAME}");
        if others.contains_key(&own) {
            findings.add(
                format!("{STREAMS}.{name}"),
                format!("its unit would be that of `{own}`, one of `programs`"),
                "give one of them another name",
            );
        }
        let within = |(other, _): &(&String, _)| name.starts_with(&format!("{other}-"));
        if let Some((other, _)) = programs().find(within) {
            findings.add(
                format!("{STREAMS}.{name}"),
                format!("begins like the groups of `{other}`, who could take part in its own"),
                "give it a name of another beginning",
            );
        }
    }
}
