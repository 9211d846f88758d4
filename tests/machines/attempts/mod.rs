//! What is tried where security is on: attempts that must fail, each beside a control that succeeds, as lines of a shell that use
//! clients no one here wrote. One walker tries them all and prints the table.

#![expect(clippy::print_stdout, reason = "the table is what the test shows")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests run the box's own programs"
)]

mod clients;
mod machine;
mod servers;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::deployer_command::Deployer;

pub(crate) use clients::by_clients_for_python;
pub(crate) use machine::Machine;
pub(crate) use servers::{at_servers, open_znodes, znodes_are_closed};

/// What is tried: as whom, what, and whether it must succeed.
pub(crate) struct Attempt {
    who: &'static str,
    what: &'static str,
    script: &'static str,
    succeeds: bool,
}

/// A control.
pub(crate) const fn may(who: &'static str, what: &'static str, script: &'static str) -> Attempt {
    Attempt {
        who,
        what,
        script,
        succeeds: true,
    }
}

/// An attempt.
pub(crate) const fn may_not(
    who: &'static str,
    what: &'static str,
    script: &'static str,
) -> Attempt {
    Attempt {
        succeeds: false,
        ..may(who, what, script)
    }
}

/// What all scripts may use: a directory of the test's own, in which they are, and the file `said` for what a program says.
const BEGIN: &str = r#"
set -uf
umask 077
W=$(mktemp -d); trap 'rm -r "$W"' EXIT; cd "$W"
"#;

/// A file in that directory.
pub(crate) fn file(name: &str, text: &str) -> String {
    format!("cat >\"$W/{name}\" <<'END'\n{}\nEND\n", text.trim_end())
}

/// Tries all of them on a member as root, after what `words` prepares; `$1` is the deployment's name.
pub(crate) fn on_member(deployer: &Deployer, node: &str, words: &str, attempts: &[Attempt]) {
    let arguments = ["ssh", node, "--", "bash", "-s", &deployer.name];
    let said = deployer.reading(&arguments, &script(words, attempts));
    look(&format!("on {node}"), &said.code(0).out, attempts);
}

/// The same on a machine, past sshd and the code under test.
fn on_machine(machine: &Machine, name: &str, words: &str, attempts: &[Attempt]) {
    let mut shell = machine.inside();
    // Not by the environment of the box.
    let path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    shell.args(["env", "-i", path, "bash", "-s", name]);
    look(
        "on a member",
        &fed(shell, &script(words, attempts)),
        attempts,
    );
}

/// Tries all of them on this box.
pub(crate) fn on_the_box(deployer: &Deployer, words: &str, attempts: &[Attempt]) {
    let mut shell = Command::new("bash");
    shell.args(["-s", &deployer.name]);
    look(
        "on the box",
        &fed(shell, &script(words, attempts)),
        attempts,
    );
}

/// What a shell says of the script that it reads.
fn fed(mut shell: Command, script: &str) -> String {
    shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = shell.spawn().expect("it runs");
    let mut input = shell.stdin.take().expect("its input");
    input.write_all(script.as_bytes()).expect("it reads");
    drop(input);
    let said = shell.wait_with_output().expect("it ends");
    String::from_utf8(said.stdout).expect("text")
}

fn script(words: &str, attempts: &[Attempt]) -> String {
    let mut script = format!("{BEGIN}{words}");
    for (number, attempt) in attempts.iter().enumerate() {
        let tried = attempt.script;
        writeln!(
            script,
            "( {tried} ) </dev/null >\"$W/out\" 2>&1; echo \"result {number} $?\"; \
             cat \"$W/out\" \"$W/said\" 2>/dev/null | tail -n 2 | cut -c1-200; : >\"$W/said\""
        )
        .expect("text");
    }
    script
}

/// Number → exit status and the last words, by the lines that say `result NUMBER STATUS`.
fn results(said: &str) -> BTreeMap<usize, (&str, String)> {
    let mut results = BTreeMap::new();
    let mut last = None;
    for line in said.lines() {
        let head = line.strip_prefix("result ").and_then(|rest| {
            let (number, status) = rest.split_once(' ')?;
            Some((number.parse::<usize>().ok()?, status))
        });
        if let Some((number, status)) = head {
            results.insert(number, (status, String::new()));
            last = Some(number);
        } else if let Some((_, detail)) = last.and_then(|number| results.get_mut(&number)) {
            detail.push_str(line);
            detail.push('\n');
        }
    }
    results
}

/// Prints the table, and names what did not end as it must.
fn look(place: &str, said: &str, attempts: &[Attempt]) {
    let mut wrong = Vec::new();
    let results = results(said);
    for (number, attempt) in attempts.iter().enumerate() {
        let result = results.get(&number);
        let (status, detail) = result.unwrap_or_else(|| panic!("attempt {number}: {said}"));
        let verdict = if attempt.succeeds {
            "succeeds"
        } else {
            "fails"
        };
        let line = format!(
            "{place:<10} | {:<15} | {:<60} | {verdict}",
            attempt.who, attempt.what
        );
        println!("{line}");
        if (*status == "0") != attempt.succeeds {
            wrong.push(format!("{line}, but ended with {status}: {detail}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
