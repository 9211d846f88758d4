//! What a user's own program looks like from outside, before anything is made for it.

use std::io::{Cursor, Read as _, Seek};

use zip::ZipArchive;

use crate::component::spark::jars::{SCALA, VERSION};

/// What is wrong with a program, and what to do about it.
pub type Fault = (String, String);

/// The newest class files that the oldest Java of a node reads: those of Java 17.
const NEWEST_CLASS: u16 = 61;
/// Java's version is that of its class files less so many.
const BEFORE_JAVA: u16 = 44;
/// How a class file begins.
const CLASS_MARK: [u8; 4] = [0xca, 0xfe, 0xba, 0xbe];
/// The largest class file and list of properties that is looked into.
const MOST: u64 = 16 << 20;

/// Looks into a program: a jar, or one source file of Java. `name` is how errors call it.
pub fn look(name: &str, content: &[u8], class: &str) -> Result<(), Fault> {
    if is_source(name) {
        return look_at_source(name, &String::from_utf8_lossy(content), class);
    }
    let mut jar = ZipArchive::new(Cursor::new(content)).map_err(|error| {
        (
            format!("{name} is no jar: {error}"),
            "name the jar that your build makes".to_owned(),
        )
    })?;
    let path = format!("{}.class", class.replace('.', "/"));
    let main = entry(&mut jar, &path).ok_or_else(|| no_class(name, class, &mut jar))?;
    check_java(name, &main)?;
    check_scala(name, &mut jar)
}

/// Whether a file of that name is a source file.
pub(super) fn is_source(name: &str) -> bool {
    has_ending(name, "java")
}

/// Whether a file's name has an ending.
pub(super) fn has_ending(name: &str, ending: &str) -> bool {
    let path = std::path::Path::new(name);
    path.extension()
        .is_some_and(|own| own.eq_ignore_ascii_case(ending))
}

fn look_at_source(name: &str, text: &str, class: &str) -> Result<(), Fault> {
    let (package, own) = class.rsplit_once('.').unwrap_or(("", class));
    let mut words = text.split(|one: char| !one.is_alphanumeric() && one != '_' && one != '$');
    let declared = std::iter::from_fn(|| {
        words.find(|word| ["class", "record", "enum", "interface"].contains(word))?;
        words.find(|word| !word.is_empty())
    });
    if !declared.into_iter().any(|declared| declared == own) {
        return Err((
            format!("{name} has no class `{own}`"),
            "name the class whose `main` is to run, with its package".to_owned(),
        ));
    }
    let lines = text.lines().map(str::trim);
    let mut packages = lines.filter_map(|line| line.strip_prefix("package ")?.split(';').next());
    let there = packages.next().map_or("", str::trim);
    if there != package {
        let full = if there.is_empty() {
            own.to_owned()
        } else {
            format!("{there}.{own}")
        };
        return Err((
            format!("the class of {name} is `{full}`"),
            format!("write `class: {full}`"),
        ));
    }
    Ok(())
}

/// What is in a jar under a name.
fn entry(jar: &mut ZipArchive<impl std::io::Read + Seek>, path: &str) -> Option<Vec<u8>> {
    let file = jar.by_name(path).ok()?;
    let mut content = Vec::new();
    file.take(MOST).read_to_end(&mut content).ok()?;
    Some(content)
}

/// That a jar lacks a class, with those of that name that it has in other packages.
fn no_class(name: &str, class: &str, jar: &mut ZipArchive<impl std::io::Read + Seek>) -> Fault {
    let own = class.rsplit_once('.').map_or(class, |(_, own)| own);
    let end = format!("/{own}.class");
    let same = jar.file_names().filter(|path| path.ends_with(&end));
    let mut same: Vec<String> = same
        .map(|path| path.trim_end_matches(".class").replace('/', "."))
        .collect();
    same.sort();
    let hint = match same.first() {
        Some(there) => format!("it has `{there}`: write `class: {there}`"),
        None => "name the class whose `main` is to run, with its package".to_owned(),
    };
    (format!("{name} has no class `{class}`"), hint)
}

fn check_java(name: &str, class: &[u8]) -> Result<(), Fault> {
    let (mark, version) = (class.get(..4), class.get(6..8));
    let version = version.and_then(|two| two.try_into().ok());
    let Some(version) = version
        .map(u16::from_be_bytes)
        .filter(|_| mark == Some(&CLASS_MARK))
    else {
        return Err((
            format!("the class in {name} is none that Java reads"),
            "build the jar anew".to_owned(),
        ));
    };
    if version > NEWEST_CLASS {
        let newest = NEWEST_CLASS - BEFORE_JAVA;
        return Err((
            format!(
                "{name} was built for Java {}, and nodes have Java {newest}",
                version - BEFORE_JAVA
            ),
            format!("build it with `--release {newest}`"),
        ));
    }
    Ok(())
}

/// By what classes and lists are known that hang on an older Scala: what it has and ours has not.
fn check_scala(name: &str, jar: &mut ZipArchive<impl std::io::Read + Seek>) -> Result<(), Fault> {
    let names: Vec<String> = jar.file_names().map(str::to_owned).collect();
    for path in names {
        let found = if has_ending(&path, "class") {
            entry(jar, &path).and_then(|class| scala_of_class(&class))
        } else if path.ends_with("pom.properties") || path == "library.properties" {
            entry(jar, &path).and_then(|text| scala_of_list(&String::from_utf8_lossy(&text)))
        } else {
            None
        };
        if let Some(scala) = found {
            return Err((
                format!(
                    "{name} was built for Scala {scala}, as its {path} shows; Spark {VERSION} needs {SCALA}"
                ),
                format!(
                    "build it for Scala {SCALA} and Spark {VERSION}, which is on the node: scope `provided`"
                ),
            ));
        }
    }
    Ok(())
}

/// The Scala that a class was compiled by, where it can be told by a name that the class refers to.
fn scala_of_class(class: &[u8]) -> Option<&'static str> {
    let has = |wanted: &str| {
        let wanted = wanted.as_bytes();
        class.windows(wanted.len()).any(|part| part == wanted)
    };
    // What a trait does lay in a class beside it until 2.11; these were there until 2.12.
    let traits = [
        "scala/Function1$class",
        "scala/collection/TraversableLike$class",
        "scala/App$class",
        "scala/Product$class",
        "scala/runtime/AbstractFunction1$mc",
    ];
    if traits.iter().any(|one| has(one)) {
        return Some("2.11");
    }
    let gone = [
        "scala/Serializable",
        "scala/collection/GenTraversableOnce",
        "scala/collection/mutable/ArrayOps$of",
        "scala/collection/generic/CanBuildFrom",
    ];
    gone.iter().any(|one| has(one)).then_some("2.12")
}

/// The Scala that a list of properties names, if it is another one: that of an artifact, or of Scala's own library.
fn scala_of_list(text: &str) -> Option<&'static str> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    for (key, value) in lines {
        for scala in ["2.10", "2.11", "2.12"] {
            let artifact = key == "artifactId" && value.trim().ends_with(&format!("_{scala}"));
            let library = key == "version.number" && value.starts_with(&format!("{scala}."));
            if artifact || library {
                return Some(scala);
            }
        }
    }
    None
}
