//! The command line as a user meets it: exit codes, and words on the right channel.

use std::process::{Command, Output};

use clap::Parser as _;
use deployer::cli::{Cli, Verb};
use deployer::receipt::Receipt;
use deployer::run::journal::{Journal, Mode, SECRETS_FILE};
use tempfile::TempDir;

#[expect(
    clippy::disallowed_methods,
    reason = "the deployer itself, as its users start it"
)]
fn command(home: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deployer"));
    command
        .args(arguments)
        .current_dir(home.path())
        .env("HOME", home.path())
        .env_remove("XDG_STATE_HOME")
        .env_remove("XDG_CACHE_HOME");
    command
}

fn deployer(home: &TempDir, arguments: &[&str]) -> Output {
    command(home, arguments).output().expect("deployer")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Paths below it are recorded in the receipt.
#[test]
fn a_state_directory_holds_wherever_the_next_command_is_called() {
    let words = ["deployer", "status", "--state-dir", "here"];
    let Verb::Status(status) = Cli::try_parse_from(words).expect("words").verb else {
        panic!("another verb");
    };
    let wanted = std::path::absolute("here").expect("a path");
    assert_eq!(status.target.state_dir, Some(wanted));
}

#[test]
fn an_inventory_that_is_built_in_is_there_by_its_name_and_a_file_wins() {
    let home = tempfile::tempdir().expect("directory");
    let status = || deployer(&home, &["status", "-i", "logins"]);
    let read = status();
    assert_eq!(read.status.code(), Some(1), "{}", said(&read));
    assert!(
        said(&read).contains("there is no deployment"),
        "{}",
        said(&read)
    );
    std::fs::write(home.path().join("logins"), "nodes: 7\n").expect("a file");
    let read = status();
    assert_eq!(read.status.code(), Some(64), "{}", said(&read));
    assert!(said(&read).contains("logins:1:8"), "{}", said(&read));
    let written = deployer(&home, &["init", "mine.yaml", "--like", "logins"]);
    assert_eq!(written.status.code(), Some(0), "{}", said(&written));
    let text = std::fs::read_to_string(home.path().join("mine.yaml")).expect("a file");
    assert!(text.contains("name: logins\n"), "{text}");
    let unknown = deployer(&home, &["init", "other.yaml", "--like", "login"]);
    assert_eq!(unknown.status.code(), Some(64), "{}", said(&unknown));
    assert!(
        said(&unknown).contains("built in are logins, logs, logs-bucket, trucks, utilization"),
        "{}",
        said(&unknown)
    );
}

#[test]
fn wrong_use_ends_with_64_and_says_why() {
    let home = tempfile::tempdir().expect("directory");
    for (arguments, words) in [
        (vec!["bogus"], "there is no verb `bogus`"),
        (vec!["up", "--cloud", "moon"], "this build knows the clouds"),
        (
            vec!["plan", "-i", "missing.yaml"],
            "cannot read the inventory missing.yaml",
        ),
        (vec!["verify", "-n", "0"], "0 is not in 1..=10000"),
        (vec!["ssh"], "required arguments"),
    ] {
        let output = deployer(&home, &arguments);
        assert_eq!(
            output.status.code(),
            Some(64),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(
            said(&output).contains(words),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(output.stdout.is_empty(), "{arguments:?} printed data");
    }
}

#[test]
fn machines_without_a_package_of_couchdb_are_refused_before_they_are_made() {
    let home = tempfile::tempdir().expect("directory");
    let nodes = "name: t\ncloud: aws\nnodes: { vm1: { roles: [zookeeper, kafka, couchdb] } }\nkafka: { replication: 1 }\n";
    let arm = "clouds: { aws: { region: us-east-1, architecture: arm64 } }\n";
    let focal = "clouds: { aws: { region: us-east-1, image: { pattern: \"ubuntu/focal-20.04-{arch}-*\" } } }\n";
    for (clouds, words) in [(arm, "Ubuntu on arm64"), (focal, "Ubuntu 20.04")] {
        let file = home.path().join("inventory.yaml");
        std::fs::write(file, format!("{nodes}{clouds}")).expect("written");
        for verb in ["check", "plan", "up"] {
            let output = deployer(&home, &[verb, "-i", "inventory.yaml"]);
            let said = said(&output);
            assert_eq!(output.status.code(), Some(64), "{verb}: {said}");
            let wanted = format!("vm1: Apache has no CouchDB package for {words}");
            assert!(
                said.contains(&wanted) && said.contains("image of Debian") == (clouds == arm),
                "{verb}: {said}"
            );
        }
    }
}

#[test]
fn without_a_deployment_every_verb_says_so() {
    let home = tempfile::tempdir().expect("directory");
    for verb in [
        vec!["status"],
        vec!["docs"],
        vec!["dead-letters"],
        vec!["export", "there.gz"],
        vec!["verify"],
        vec!["logs", "kafka"],
        vec!["produce"],
        vec!["secrets"],
        vec!["secrets", "show", "admin"],
        vec!["secrets", "rotate"],
    ] {
        let output = deployer(&home, &verb);
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {}", said(&output));
        assert!(
            said(&output).contains("there is no deployment"),
            "{verb:?}: {}",
            said(&output)
        );
        assert!(
            said(&output).contains("next: deployer up makes one"),
            "{verb:?}: {}",
            said(&output)
        );
    }
}

/// To an older deployer no word of `security` meant `off`: a change of passwords must not bring all the rest.
#[test]
fn secrets_of_an_older_deployment_are_not_changed_before_it_is_brought_up() {
    let home = tempfile::tempdir().expect("directory");
    let state = home.path().join("state");
    let text = "name: x\nnodes: { vm1: { roles: [zookeeper, kafka, couchdb] } }\nkafka: { replication: 1 }\n";
    let journal = Journal::open(&state, "x", "local", Mode::Create).expect("a journal");
    let older = |receipt: &mut Receipt| {
        receipt.inventory = text.into();
        receipt.secure_by_default = false;
    };
    journal.change(older).expect("stored");
    std::fs::write(
        journal.directory().join(SECRETS_FILE),
        r#"{"version": 2, "couchdb": {"admin_password": "a"}}"#,
    )
    .expect("written");
    drop(journal);
    let run = |words: &[&str]| {
        let mut arguments = words.to_vec();
        let state = state.display().to_string();
        arguments.extend(["--state-dir", state.as_str()]);
        deployer(&home, &arguments)
    };
    let listed = run(&["secrets"]);
    let out = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        out.contains("couchdb-admin") && !out.contains("zookeeper-kafka"),
        "{out}"
    );
    let shown = run(&["secrets", "show", "couchdb-admin"]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "a\n");
    let refused = run(&["secrets", "rotate", "--yes"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(
        said(&refused).contains("meant `off` then"),
        "{}",
        said(&refused)
    );
}

#[test]
fn init_writes_an_inventory_once() {
    let home = tempfile::tempdir().expect("directory");
    let first = deployer(&home, &["init"]);
    assert!(first.status.success(), "{}", said(&first));
    let text = std::fs::read(home.path().join("inventory.yaml")).expect("written");
    assert!(deployer::layout::parse(&text, "inventory.yaml").is_ok());
    let second = deployer(&home, &["init"]);
    assert_eq!(second.status.code(), Some(64));
    assert_eq!(
        std::fs::read(home.path().join("inventory.yaml")).expect("kept"),
        text
    );
    let help = deployer(&home, &["init", "--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let words: Vec<&str> = help.split([' ', ',', '.', '\n']).collect();
    for (name, text) in deployer::inventory::BUILT_IN {
        assert!(words.contains(&name), "{name}: {help}");
        let file = format!("{name}.yaml");
        let like = deployer(&home, &["init", "--like", name, &file]);
        assert!(like.status.success(), "{}", said(&like));
        let written = std::fs::read_to_string(home.path().join(&file));
        assert_eq!(written.expect("written"), text);
    }
}

#[test]
fn data_is_on_standard_output() {
    let home = tempfile::tempdir().expect("directory");
    let schema = deployer(&home, &["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).expect("JSON");
    assert!(schema["properties"]["nodes"].is_object());
    let completions = deployer(&home, &["completions", "bash"]);
    assert!(String::from_utf8_lossy(&completions.stdout).contains("_deployer"));
}

/// Runs a command line whose standard output nobody reads, and one whose output somebody does.
fn with_a_closed_pipe(home: &TempDir, arguments: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = command(home, arguments);
    command.stdout(writer).output().expect("deployer")
}

/// Whatever must reach a host names the program that is not there, and its package.
#[test]
fn a_box_without_an_ssh_client_says_what_to_install() {
    let home = tempfile::tempdir().expect("directory");
    let text = "name: a\ncloud: existing\nnodes: { vm1: {} }\nclouds: { existing: { hosts: { vm1: { address: 192.0.2.1 } } } }\n";
    std::fs::write(home.path().join("a.yaml"), text).expect("an inventory");
    for verb in ["check", "plan"] {
        let output = command(&home, &[verb, "-i", "a.yaml"])
            .env("PATH", home.path())
            .output()
            .expect("deployer");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            said(&output)
        );
        assert_eq!(output.status.code(), Some(1), "{verb}: {said}");
        for words in [
            "vm1: this box has no program `ssh`",
            "apt-get install openssh-client",
        ] {
            assert!(said.contains(words), "{verb}: {said}");
        }
    }
}

/// `deployer docs -n 1000 | head -1` and its like: that nobody reads on is no error, and the exit code says what it says else.
#[test]
fn a_closed_pipe_changes_nothing() {
    let home = tempfile::tempdir().expect("directory");
    let text = "name: a\nnodes: { vm1: {}, vm2: {} }\n";
    std::fs::write(home.path().join("a.yaml"), text).expect("an inventory");
    for arguments in [
        vec!["schema"],
        vec!["guide"],
        vec!["guide", "inventory"],
        vec!["completions", "bash"],
        vec!["completions", "zsh"],
        vec!["completions", "fish"],
        vec!["--help"],
        vec!["up", "--help"],
        vec!["--version"],
        vec!["plan", "-i", "a.yaml"],
        vec!["plan", "-i", "a.yaml", "--json"],
        vec!["render", "there", "-i", "a.yaml"],
        vec!["check", "-i", "a.yaml"],
        vec!["list"],
    ] {
        let read = deployer(&home, &arguments);
        if arguments[0] == "render" {
            std::fs::remove_dir_all(home.path().join("there")).expect("removed");
        }
        let closed = with_a_closed_pipe(&home, &arguments);
        assert!(!read.stdout.is_empty(), "{arguments:?}: {}", said(&read));
        assert_eq!(closed.status.code(), read.status.code(), "{arguments:?}");
        assert!(!said(&closed).contains("pipe"), "{}", said(&closed));
        assert!(!said(&closed).contains("panicked"), "{}", said(&closed));
    }
}

/// All other verbs print by the same hand: nothing else of the product takes standard output.
#[test]
fn standard_output_is_taken_in_one_place() {
    fn walk(directory: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).expect("sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let lines = text.lines().filter(|line| line.contains("io::stdout()"));
                found.extend(lines.map(|line| line.trim().to_owned()));
            }
        }
    }
    let mut found = Vec::new();
    walk(
        &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    assert_eq!(found, ["let out = &mut Pipe::new(std::io::stdout());"]);
}

#[test]
fn what_people_type_leads_to_what_they_mean() {
    let home = tempfile::tempdir().expect("directory");
    for (arguments, words) in [
        (
            vec!["delete"],
            "next: deployer teardown: Takes a deployment away",
        ),
        (vec!["start"], "next: deployer up: Makes the machines"),
        (vec!["exec", "vm1"], "next: deployer ssh: Opens a shell"),
        (vec!["doctor"], "next: deployer check: Looks for"),
        (vec!["restart", "kafka"], "systemctl restart NAME-kafka"),
        (vec!["up", "--dry-run"], "`deployer plan` shows"),
        (
            vec!["docs", "-n", "5000"],
            "from 1 to 1000; `deployer export FILE` writes all documents",
        ),
        (vec!["docs", "-n", "0"], "from 1 to 1000"),
        (vec!["docs", "-n", "many"], "from 1 to 1000"),
    ] {
        let output = deployer(&home, &arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        let said = said(&output);
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(!said.contains("tip:"), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?} printed data");
    }
}
