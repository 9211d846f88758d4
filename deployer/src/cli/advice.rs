//! What people type, and what they mean: words of other tools that are no verbs or options here.

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Cli;
use crate::error::CommandError;

/// Words that stand for a verb of ours.
const VERBS: [(&str, &[&str]); 24] = [
    (
        "teardown",
        &[
            "clean",
            "cleanup",
            "delete",
            "destroy",
            "down",
            "kill",
            "purge",
            "remove",
            "rm",
            "tear-down",
            "terminate",
            "undeploy",
            "uninstall",
        ],
    ),
    (
        "up",
        &[
            "add",
            "apply",
            "create",
            "deploy",
            "install",
            "launch",
            "make",
            "provision",
            "reconcile",
            "reload",
            "repair",
            "run",
            "setup",
            "start",
            "sync",
            "update",
            "upgrade",
        ],
    ),
    ("plan", &["diff", "dry-run", "dryrun", "preview", "what-if"]),
    (
        "status",
        &[
            "brokers", "describe", "health", "info", "inspect", "nodes", "ps", "show", "state",
            "stat", "topic", "topics",
        ],
    ),
    (
        "check",
        &["diagnose", "doctor", "lint", "preflight", "validate"],
    ),
    ("verify", &["canary", "prove", "smoke", "test"]),
    (
        "docs",
        &[
            "data",
            "databases",
            "doc",
            "documents",
            "events",
            "tail-docs",
        ],
    ),
    ("dead-letters", &["deadletters", "dlq", "errors", "failed"]),
    ("logs", &["journal", "log"]),
    ("tail", &["consume", "follow", "listen", "subscribe"]),
    ("send", &["publish"]),
    (
        "kafka",
        &[
            "acl",
            "acls",
            "configs",
            "console-consumer",
            "console-producer",
            "groups",
            "offsets",
        ],
    ),
    (
        "ssh",
        &[
            "attach", "connect", "console", "enter", "exec", "login", "shell",
        ],
    ),
    (
        "open",
        &[
            "fauxton",
            "forward",
            "port-forward",
            "proxy",
            "tunnel",
            "ui",
        ],
    ),
    ("produce", &["generate"]),
    ("list", &["ls"]),
    (
        "secrets",
        &["credentials", "password", "passwords", "rotate", "secret"],
    ),
    ("rehearse", &["drill", "rehearsal", "trial"]),
    ("extend", &["prolong", "renew"]),
    (
        "export",
        &["backup", "download", "dump", "save", "snapshot"],
    ),
    ("import", &["load", "restore", "upload"]),
    (
        "guide",
        &["explain", "faq", "howto", "man", "manual", "tutorial"],
    ),
    ("init", &["new", "template"]),
    ("render", &["config", "generate-config"]),
];

/// Words for what no verb does, and how it is done.
const WAYS: [(&[&str], &str); 6] = [
    (
        &[
            "restart", "stop", "pause", "halt", "resume", "suspend", "services", "service",
        ],
        "`deployer ssh NODE -- systemctl restart NAME-kafka` acts on one service; `deployer up` starts again what is stopped, \
         and `deployer teardown` takes all away",
    ),
    (
        &[
            "scale",
            "resize",
            "grow",
            "shrink",
            "edit",
            "set",
            "change",
            "configure",
        ],
        "change the inventory (`count`, or its nodes), then `deployer up`; `deployer plan` shows what that would do",
    ),
    (
        &["scp", "cp", "copy", "rsync"],
        "`deployer ssh NODE -- cat FILE >HERE` fetches a file of a node",
    ),
    (
        &["reassign", "rebalance", "reset"],
        "Kafka's own tools do that: `deployer kafka --help` lists some, and `deployer open kafka` prints how others reach the \
         brokers",
    ),
    (
        &["forget", "prune", "drop-node"],
        "a node goes when the inventory no longer names it: `deployer plan --prune`, then `deployer up --prune`",
    ),
    (
        &["watch", "top", "monitor"],
        "`watch deployer status` looks again and again",
    ),
];

/// Options of other tools, and how it is done here.
const OPTIONS: [(&[&str], &str); 5] = [
    (
        &["--dry-run", "--dryrun", "--check", "--diff"],
        "`deployer plan` shows what `up` would do",
    ),
    (
        &["-f", "--follow", "--since", "--until", "--tail", "--level"],
        "`deployer ssh NODE -- journalctl -f -u NAME-kafka` follows one service on its node",
    ),
    (
        &["--watch", "-w"],
        "`watch deployer status` looks again and again",
    ),
    (
        &[
            "--force",
            "--assume-yes",
            "--auto-approve",
            "--non-interactive",
            "--no-confirm",
        ],
        "`--yes` answers the questions; data is destroyed by `--destroy-data NODE` only",
    ),
    (
        &["--verbose", "-v", "--debug", "-vv"],
        "all there is to say is said; `deployer logs` has more",
    ),
];

/// What the parser's own tips would mislead about, in words that help; `None`: its own will do.
pub fn advice(error: &clap::Error) -> Option<CommandError> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand)?;
            let said = CommandError::usage(format!("there is no verb `{word}`"));
            Some(said.hint(verb(word)))
        }
        ErrorKind::UnknownArgument => {
            let option = text(ContextKind::InvalidArg)?;
            let name = option.split('=').next().unwrap_or(option);
            let (_, way) = OPTIONS.iter().find(|(names, _)| names.contains(&name))?;
            let said = CommandError::usage(format!("there is no option `{name}` here"));
            Some(said.hint(*way))
        }
        ErrorKind::InvalidValue => {
            let word = text(ContextKind::InvalidValue).filter(|word| !word.is_empty())?;
            let Some(ContextValue::Strings(known)) = error.get(ContextKind::ValidValue) else {
                return None;
            };
            let argument = text(ContextKind::InvalidArg)?;
            let noun = argument.split(' ').next_back().unwrap_or(argument);
            let noun = noun.trim_matches(['<', '>', '[', ']']).to_lowercase();
            let said = CommandError::usage(format!("there is no {noun} `{word}`"));
            let said = match text(ContextKind::SuggestedValue) {
                Some(near) => said.hint(format!("did you mean `{near}`?")),
                None => said,
            };
            Some(said.hint(format!("known: {}", known.join(", "))))
        }
        _ => None,
    }
}

/// What to type instead.
fn verb(word: &str) -> String {
    let word = word.to_lowercase().replace('_', "-");
    if let Some((_, way)) = WAYS
        .iter()
        .find(|(words, _)| words.contains(&word.as_str()))
    {
        return (*way).to_owned();
    }
    let meant = VERBS
        .iter()
        .find(|(_, words)| words.contains(&word.as_str()));
    let command = Cli::command();
    // A slip of the finger, and no more: another word of the same beginning means something else.
    let slip = || {
        let names = command.get_subcommands().map(clap::Command::get_name);
        let near = |name: &&str| {
            let slips = strsim::damerau_levenshtein(&word, name);
            slips <= 2 && slips * 3 <= name.len().max(word.len())
        };
        names
            .filter(near)
            .min_by_key(|name| strsim::damerau_levenshtein(&word, name))
    };
    match meant.map(|(verb, _)| *verb).or_else(slip) {
        Some(verb) => {
            let about = command
                .find_subcommand(verb)
                .and_then(clap::Command::get_about);
            let about = about.map(|about| format!(": {about}")).unwrap_or_default();
            format!("deployer {verb}{about}")
        }
        None => "deployer --help shows all verbs".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::{Cli, OPTIONS, VERBS, WAYS, advice};

    fn told(arguments: &[&str]) -> String {
        let error = Cli::try_parse_from(arguments).expect_err("wrong");
        let advice = advice(&error).unwrap_or_else(|| panic!("{arguments:?}: {error}"));
        assert_eq!(advice.exit_code(), 64);
        advice.block()
    }

    #[test]
    fn words_of_other_tools_lead_to_ours() {
        let command = Cli::command();
        let ours: Vec<&str> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        for (verb, words) in VERBS {
            assert!(ours.contains(&verb), "{verb}");
            for word in words {
                assert!(!ours.contains(word), "{word} is a verb");
                let said = told(&["deployer", word]);
                let expected =
                    format!("error: there is no verb `{word}`\n  next: deployer {verb}: ");
                assert!(said.starts_with(&expected), "{said}");
            }
        }
        for word in WAYS.iter().flat_map(|(words, _)| *words) {
            assert!(!ours.contains(word), "{word} is a verb");
            assert!(told(&["deployer", word]).contains('`'), "{word}");
        }
        // Each word has one meaning.
        let words = VERBS.iter().flat_map(|(_, words)| *words);
        let mut all: Vec<&&str> = words
            .chain(WAYS.iter().flat_map(|(words, _)| *words))
            .collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn slips_of_the_finger_are_told_from_other_words() {
        for (typed, meant) in [
            ("teardwon", "teardown"),
            ("stauts", "status"),
            ("UP", "up"),
            ("exprt", "export"),
        ] {
            let said = told(&["deployer", typed]);
            assert!(
                said.contains(&format!("next: deployer {meant}: ")),
                "{said}"
            );
        }
        for typed in ["bogus", "x", "it"] {
            let said = told(&["deployer", typed]);
            assert!(said.contains("deployer --help shows all verbs"), "{said}");
        }
    }

    #[test]
    fn a_word_that_is_on_no_list_is_answered_with_the_list() {
        for (arguments, words) in [
            (
                &["deployer", "guide", "troubleshootin"][..],
                "error: there is no topic `troubleshootin`\n  next: did you mean `troubleshooting`?\n  next: known: local, existing, ",
            ),
            (
                &["deployer", "guide", "xyz"],
                "error: there is no topic `xyz`\n  next: known: local, ",
            ),
            (
                &["deployer", "open", "kafak"],
                "error: there is no service `kafak`\n  next: did you mean `kafka`?\n  next: known: couchdb, kafka, ",
            ),
            (
                &["deployer", "build-agents", "--target", "riscv"],
                "error: there is no machine `riscv`\n  next: known: x86_64, aarch64\n",
            ),
        ] {
            let said = told(arguments);
            assert!(said.starts_with(words), "{said}");
        }
    }

    #[test]
    fn options_of_other_tools_lead_to_ours() {
        for (option, verb) in [
            ("--dry-run", "up"),
            ("--follow", "logs"),
            ("--force", "teardown"),
            ("--watch", "status"),
        ] {
            let mut arguments = vec!["deployer", verb, option];
            if verb == "logs" {
                arguments.insert(2, "kafka");
            }
            let said = told(&arguments);
            assert!(
                said.contains(&format!("there is no option `{option}`")),
                "{said}"
            );
        }
        assert!(OPTIONS.iter().all(|(_, way)| way.contains('`')));
    }
}
