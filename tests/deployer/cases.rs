//! The table of cases: what once failed, by id, the test that holds it now, and what happened before and happens now.
//! `tests/cases/README.md` says how it is written and printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The head of each file of rows.
const HEAD: &str = "id\ttest\tbefore\tafter";

/// A line of the table.
struct Row {
    id: String,
    test: String,
    before: String,
    after: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every id, in the order of the table.
fn known() -> Vec<String> {
    let text = read(&root().join("tests/cases/known.txt"));
    let ids = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'));
    ids.map(|(id, _)| id.to_owned()).collect()
}

fn rows() -> Vec<Row> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join("tests/cases"))
        .expect("tests/cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tsv"))
        .collect();
    paths.sort();
    let mut rows = Vec::new();
    for path in paths {
        let text = read(&path);
        let mut lines = text.lines().enumerate();
        let head = lines.next().map(|(_, line)| line);
        assert_eq!(head, Some(HEAD), "{}: its first line", path.display());
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
            let [id, test, before, after] = fields[..] else {
                panic!("{}:{}: not four fields", path.display(), number + 1);
            };
            for field in [id, test, before, after] {
                let place = format!("{}:{}", path.display(), number + 1);
                assert!(!field.is_empty(), "{place}: an empty field");
            }
            let [id, test, before, after] = [id, test, before, after].map(str::to_owned);
            rows.push(Row {
                id,
                test,
                before,
                after,
            });
        }
    }
    rows
}

/// The file of a module, seen from the directory of the module it stands in.
fn file_of(directory: &Path, module: &str) -> Option<(PathBuf, PathBuf)> {
    let below = directory.join(module);
    [directory.join(format!("{module}.rs")), below.join("mod.rs")]
        .into_iter()
        .find(|path| path.exists())
        .map(|path| (path, below))
}

/// Looks for a test by its path below a crate's root.
fn look(start: &Path, path: &[&str]) -> Result<(), String> {
    let mut text = read(start);
    let mut directory = start.parent().expect("a directory").to_owned();
    let (function, modules) = path.split_last().ok_or("no function is named")?;
    for module in modules {
        let declared = |end: &str| {
            let declaration = format!("mod {module}{end}");
            text.lines().any(|line| {
                let line = line.trim();
                line == declaration || line.ends_with(&format!(" {declaration}"))
            })
        };
        if declared(";") {
            let found = file_of(&directory, module);
            let (file, below) = found.ok_or(format!("module `{module}` has no file"))?;
            (text, directory) = (read(&file), below);
        } else if !declared(" {") {
            return Err(format!("there is no module `{module}`"));
        }
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = format!("fn {function}(");
    let found = lines.iter().position(|line| {
        line.strip_suffix('{').is_some()
            && (line.starts_with(&head) || line.contains(&format!(" {head}")))
    });
    let found = found.ok_or(format!("there is no `fn {function}`"))?;
    let ends = |line: &&&str| line.is_empty() || **line == "}" || line.ends_with([';', '{']);
    let attributes: Vec<&str> = lines[..found]
        .iter()
        .rev()
        .take_while(|l| !ends(l))
        .copied()
        .collect();
    if attributes.iter().any(|line| line.starts_with("#[ignore")) {
        return Err(format!("`{function}` is ignored"));
    }
    let is_test = |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    if attributes.iter().any(is_test) {
        Ok(())
    } else {
        Err(format!("`{function}` is not a test"))
    }
}

/// Whether a test of this name is compiled and runs.
pub(super) fn runs(test: &str) -> Result<(), String> {
    let path: Vec<&str> = test.split("::").collect();
    let (suite, path) = path.split_first().ok_or("it is empty")?;
    match *suite {
        "unit" => {
            let starts = [
                "deployer/src/lib.rs",
                "deployer/src/main.rs",
                "agent/src/lib.rs",
            ];
            let mut why = String::new();
            for start in starts {
                match look(&root().join(start), path) {
                    Ok(()) => return Ok(()),
                    Err(error) if why.is_empty() || error.contains("`fn ") => why = error,
                    Err(_) => {}
                }
            }
            Err(why)
        }
        "agent" | "aws" | "chameleon" | "deployer" | "machines" => {
            look(&root().join(format!("tests/{suite}/main.rs")), path)
        }
        _ => Err(format!("there is no suite `{suite}`")),
    }
}

#[test]
fn each_row_names_a_known_case_and_a_test_that_runs() {
    let known = known();
    let mut wrong = Vec::new();
    for Row { id, test, .. } in rows() {
        if !known.contains(&id) {
            wrong.push(format!("{id}: not in tests/cases/known.txt"));
        }
        if test != "-"
            && let Err(why) = runs(&test)
        {
            wrong.push(format!("{id}: {test}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_case_is_missing() {
    let there: BTreeSet<String> = rows().into_iter().map(|row| row.id).collect();
    let missing: Vec<String> = known()
        .into_iter()
        .filter(|id| !there.contains(id))
        .collect();
    assert!(missing.is_empty(), "no row for {}", missing.join(", "));
}

/// The checker itself: what is not a test that runs is told from what is.
#[test]
fn what_is_no_test_is_told() {
    let why = |test: &str| runs(test).err().unwrap_or_default();
    assert_eq!(why("deployer::cases::what_is_no_test_is_told"), "");
    assert_eq!(why("deployer::plan::no_such"), "there is no `fn no_such`");
    assert_eq!(why("deployer::nowhere::x"), "there is no module `nowhere`");
    assert_eq!(why("deployer::cases::known"), "`known` is not a test");
    assert_eq!(why("nothing::x"), "there is no suite `nothing`");
    let ignored = "deployer::artifact::kafka::maven_brings_the_pinned_jars_of_a_known_release";
    assert_eq!(
        why("unit::firewall::tests::no_such"),
        "there is no `fn no_such`"
    );
    assert!(why(ignored).ends_with("is ignored"));
}

/// What a run of all tests printed of each: `passed`, `FAILED`, or why it did not run. Both streams are in the log, and one may
/// break into a line of the other.
fn outcomes(log: &str) -> BTreeMap<String, String> {
    let mut suite = String::new();
    let mut outcomes = BTreeMap::new();
    let mut begun = None;
    for line in log.lines().map(str::trim) {
        if let Some(running) = line.strip_prefix("Running ") {
            let file = running.split(" (").next().unwrap_or_default();
            let folder = Path::new(file).parent().and_then(Path::file_name);
            suite = match folder.and_then(|name| name.to_str()) {
                Some(name) if !running.starts_with("unittests ") => name.to_owned(),
                _ => "unit".to_owned(),
            };
            continue;
        }
        let (before, said) = match line.split_once("not run: ") {
            Some((before, said)) => (before, said.split_once(": ")),
            None => (line, None),
        };
        if let Some((test, why)) = said {
            outcomes.insert(test.to_owned(), format!("*not run*: {why}"));
        }
        let (test, outcome) = match before.strip_prefix("test ") {
            Some(rest) => match rest.split_once(" ...") {
                Some((test, outcome)) => (Some(format!("{suite}::{test}")), outcome.trim()),
                None => continue,
            },
            None => (begun.take(), before),
        };
        let outcome = match outcome {
            "ok" => "passed",
            ended if ended == "FAILED" || ended.starts_with("ignored") => ended,
            // The other stream, or the test's own words, before its end.
            _ => {
                begun = test;
                continue;
            }
        };
        if let Some(test) = test {
            outcomes.entry(test).or_insert_with(|| outcome.to_owned());
        }
    }
    outcomes
}

#[test]
fn a_test_that_did_not_run_is_not_shown_as_passed() {
    let log = "   Compiling x\n     Running unittests src/lib.rs (target/debug/deps/deployer-1)\ntest a::b ... ok\n\
               \x20    Running ../tests/machines/main.rs (target/debug/deps/machines-2)\n\
               not run: machines::c::d: it needs root\ntest c::d ... ok\ntest c::e ... FAILED\n\
               test c::f ... not run: machines::c::g: it needs root\nok\ntest c::g ... ok\n\
               test c::h ... ok\nnot run: machines::c::h: it needs: a cloud\n\
               test c::i ... its own words\nok\ntest result: ok. 6 passed\n";
    let found: Vec<(String, String)> = outcomes(log).into_iter().collect();
    let expected = [
        ("machines::c::d", "*not run*: it needs root"),
        ("machines::c::e", "FAILED"),
        ("machines::c::f", "passed"),
        ("machines::c::g", "*not run*: it needs root"),
        ("machines::c::h", "*not run*: it needs: a cloud"),
        ("machines::c::i", "passed"),
        ("unit::a::b", "passed"),
    ];
    assert_eq!(
        found,
        expected.map(|(test, outcome)| (test.into(), outcome.into()))
    );
}

/// Prints the table.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the log of a run is named by the environment"
)]
fn table() {
    let log = std::env::var("DEPLOYER_TEST_LOG").ok();
    let outcomes = log.map(|log| outcomes(&read(&root().join(log))));
    let seen = |test: &str| match &outcomes {
        None => String::new(),
        Some(_) if test == "-" => " |".into(),
        Some(outcomes) => format!(
            " {} |",
            outcomes.get(test).map_or("*not run*", String::as_str)
        ),
    };
    let mut rows = rows();
    let known = known();
    rows.sort_by_key(|row| known.iter().position(|id| *id == row.id));
    let (head, line) = if outcomes.is_some() {
        (" this run |", "---|")
    } else {
        ("", "")
    };
    println!("\n| case | test | before | now |{head}\n|---|---|---|---|{line}");
    for Row {
        id,
        test,
        before,
        after,
    } in rows
    {
        let cell = |text: &str| text.replace('|', "\\|");
        let (name, now) = match test.as_str() {
            "-" => ("**not mended**".to_owned(), cell(&after)),
            _ => (format!("`{test}`"), cell(&after)),
        };
        println!(
            "| {id} | {name} | {} | {now} |{}",
            cell(&before),
            seen(&test)
        );
    }
}
