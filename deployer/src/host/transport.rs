//! The one way in which a command travels to a machine, whatever login shell, start-up files, environment, umask or sudo it
//! meets there.
//!
//! The login's shell gets one line that every shell reads alike ([`line`]): all that could be read differently is a number in it.
//! What the shell's start-up files print, or sudo warns of, comes before a mark that the last layer prints, so it is known to be
//! theirs, and a command that never began is known, too.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Bytes, Command, HostError, Input, Output};
use crate::shell::quoted;

/// The program that runs a command where no login shell stands before it.
pub(super) const SHELL: &str = "/bin/sh";

/// No quote, exclamation mark or line break, and a backslash before a zero alone: csh, fish and all of sh's family read this alike in
/// single quotes. It takes no process but the shell: a question to twenty nodes on two processors is as fast as its processes are few.
const LAUNCH: &str = r#"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH; eval "$(printf %b "$1")""#;

/// Says on the error channel that the login's shell did as told.
const HERE: &[u8] = b"\x01deployer is here\x01\n";
/// Comes before all that a command prints, on both channels.
const BEGIN: &[u8] = b"\x01deployer begins\x01\n";
/// Comes after all that it prints on its first channel.
const END: &[u8] = b"\x01deployer ends\x01\n";

/// Becomes root where the login is another (`-O /`: the root directory is ours). `$1` says whether; the rest is what an `sh` behind
/// sudo takes, or this one: [`INNER`], a name, then seconds, program and arguments.
const OUTER: &str = r#"
printf '\001deployer is here\001\n' >&2
as=$1; shift
if [ "$as" = root ] && ! [ -O / ]; then exec sudo -n -- /bin/sh -c "$@"; fi
command=$1; shift 2
eval "$command"
"#;

/// Runs the command: with our umask and environment, of which only the way to the outside world stays the machine's own. Ends it on
/// the machine itself when its time is over (a dropped connection would leave it running), and turns death by a signal into
/// 128 + n, which ssh could not tell from a broken connection.
const INNER: &str = r#"umask 022
printf '\001deployer begins\001\n'
printf '\001deployer begins\001\n' >&2
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME="${HOME-/}" \
    ${http_proxy+"http_proxy=$http_proxy"} ${https_proxy+"https_proxy=$https_proxy"} \
    ${HTTP_PROXY+"HTTP_PROXY=$HTTP_PROXY"} ${HTTPS_PROXY+"HTTPS_PROXY=$HTTPS_PROXY"} \
    ${no_proxy+"no_proxy=$no_proxy"} ${NO_PROXY+"NO_PROXY=$NO_PROXY"} \
    timeout -k 5 "$@"
status=$?
printf '\001deployer ends\001\n'
exit "$status""#;

/// Longer than any file takes.
const ANY: Duration = Duration::from_hours(7 * 24);

/// What a login shell is told.
pub(super) fn line(command: &Command) -> String {
    format!("exec {SHELL} -c '{LAUNCH}' deployer '{}'", encoded(command))
}

/// The arguments of [`SHELL`].
pub(super) fn arguments(command: &Command) -> [String; 4] {
    let name = "deployer".to_owned();
    ["-c".into(), LAUNCH.into(), name, encoded(command)]
}

fn encoded(command: &Command) -> String {
    let user = if command.root { "root" } else { "login" };
    // A file that is on its way has no deadline of its own there: who sends it sees whether it moves, and the command ends with
    // the connection.
    let limit = match command.input {
        Input::File(_) => command.timeout.max(ANY),
        Input::Nothing | Input::Bytes(_) | Input::Held(_) | Input::Own => command.timeout,
    };
    let seconds = format!("{:.3}", limit.as_secs_f64());
    // In the group that it is in it may read the terminal, where there is one.
    let stays = matches!(command.input, Input::Own).then_some("--foreground");
    let words = [user, INNER, "deployer"]
        .into_iter()
        .chain(stays)
        .chain([seconds.as_str(), &command.program])
        .chain(command.arguments.iter().map(String::as_str));
    let mut script = String::from("set --");
    for word in words {
        let _ = write!(script, " {}", quoted(word));
    }
    script.push_str(OUTER);
    numbered(&script)
}

/// A text of letters, digits and what no shell minds; all else as `printf %b` takes it (POSIX: `\0` and an octal number).
fn numbered(text: &str) -> String {
    let mut numbered = String::with_capacity(2 * text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'-' | b'_' | b'.' | b'/' | b'=' => {
                numbered.push(byte.into());
            }
            _ => {
                let _ = write!(numbered, r"\0{byte:03o}");
            }
        }
    }
    numbered
}

/// Whether this line is the last before the command's own.
pub(super) fn begins(line: &str) -> bool {
    line.as_bytes().ends_with(BEGIN.trim_ascii_end())
}

/// Where in the bytes of a channel the command's own words begin; `None`: it has not begun.
fn beginning(bytes: &[u8]) -> Option<usize> {
    find(bytes, BEGIN).map(|at| at + BEGIN.len())
}

/// Takes what others printed away from what a command printed, or says why it never began.
pub(super) fn own_words(node: &str, root: bool, output: &Output) -> Result<Output, HostError> {
    let (Some(from), Some(said)) = (beginning(&output.stdout), beginning(&output.stderr)) else {
        return Err(never_began(node, root, output));
    };
    let stdout = &output.stdout[from..];
    let to = stdout.windows(END.len()).rposition(|window| window == END);
    Ok(Output {
        status: output.status,
        stdout: stdout[..to.unwrap_or(stdout.len())].to_vec(),
        stderr: output.stderr[said..].to_vec(),
    })
}

/// The same for what is handed on as it comes.
pub(super) struct OwnBytes<'a> {
    out: Bytes<'a>,
    heard: Mutex<Heard>,
}

/// What came and was not handed on.
enum Heard {
    /// All there is: the command has not begun.
    Others(Vec<u8>),
    /// What may be the mark of the command's end.
    Own(Vec<u8>),
}

impl<'a> OwnBytes<'a> {
    pub(super) fn new(out: Bytes<'a>) -> Self {
        let heard = Mutex::new(Heard::Others(Vec::new()));
        Self { out, heard }
    }

    /// Takes what came next.
    pub(super) fn hear(&self, bytes: &[u8]) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *heard {
            Heard::Others(before) => {
                before.extend_from_slice(bytes);
                if let Some(from) = beginning(before) {
                    let own = before.split_off(from);
                    *heard = Heard::Own(self.hand_on(own));
                }
            }
            Heard::Own(held) => {
                held.extend_from_slice(bytes);
                *held = self.hand_on(std::mem::take(held));
            }
        }
    }

    /// Hands on all but what may be the mark of the end, or its beginning.
    fn hand_on(&self, mut own: Vec<u8>) -> Vec<u8> {
        let longest = END.len().min(own.len());
        let held = (1..=longest).rev().find(|n| own.ends_with(&END[..*n]));
        let held = own.split_off(own.len() - held.unwrap_or(0));
        if !own.is_empty() {
            (self.out)(&own);
        }
        held
    }

    /// What [`own_words`] is to judge: the mark of the beginning, or all that came without it.
    pub(super) fn end(self) -> Vec<u8> {
        let heard = self.heard.into_inner();
        match heard.unwrap_or_else(PoisonError::into_inner) {
            Heard::Others(before) => before,
            Heard::Own(held) => {
                if !held.is_empty() && held != END {
                    (self.out)(&held);
                }
                BEGIN.to_vec()
            }
        }
    }
}

fn never_began(node: &str, root: bool, output: &Output) -> HostError {
    let node = node.to_owned();
    let last = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().rfind(|line| !line.trim().is_empty());
        line.map(|line| line.trim().to_owned())
    };
    if let Some(at) = find(&output.stderr, HERE) {
        let detail = last(&output.stderr[at + HERE.len()..])
            .unwrap_or_else(|| format!("exit code {} without a word", output.status));
        return if root {
            HostError::Sudo { node, detail }
        } else {
            HostError::Shell { node, detail }
        };
    }
    let words = last(&output.stderr).or_else(|| last(&output.stdout));
    let detail = words.unwrap_or_else(|| format!("exit code {} without a word", output.status));
    HostError::Shell { node, detail }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::{LAUNCH, OwnBytes, line, own_words};
    use crate::host::{Command, HostError, Input, Output};

    #[test]
    fn every_login_shell_reads_the_line_alike() {
        let odd = Command {
            program: "printf".into(),
            arguments: vec!["it's !odd\n\\ `$(x)` \"ü\" ${y} %s".into()],
            input: Input::Nothing,
            timeout: Duration::from_secs(1),
            root: true,
        };
        assert!(!LAUNCH.contains(['\'', '\\', '!', '\n']));
        let line = line(&odd);
        let words = line.strip_prefix(&format!("exec /bin/sh -c '{LAUNCH}' deployer '"));
        let words = words.and_then(|words| words.strip_suffix('\''));
        let words = words
            .expect("all of it in single quotes")
            .replace("\\0", "");
        let plain = |sign: char| sign.is_ascii_alphanumeric() || " -_./=".contains(sign);
        assert!(words.chars().all(plain), "{words}");
    }

    fn output(status: i32, stdout: &str, stderr: &str) -> Output {
        let marked = |text: &str| {
            text.replace("HERE", "\u{1}deployer is here\u{1}\n")
                .replace("BEGIN", "\u{1}deployer begins\u{1}\n")
                .replace("END", "\u{1}deployer ends\u{1}\n")
                .into_bytes()
        };
        Output {
            status,
            stdout: marked(stdout),
            stderr: marked(stderr),
        }
    }

    #[test]
    fn what_others_print_is_not_the_commands() {
        for (stdout, stderr) in [
            ("BEGINout\nEND", "HEREBEGINerr\n"),
            ("hello\nBEGINout\nENDbye\n", "motd\nHEREBEGINerr\n"),
            (
                "\u{1b}]0;x\u{7}BEGINout\nEND",
                "HEREsudo: x is world writable\nBEGINerr\n",
            ),
        ] {
            let own = own_words("vm1", true, &output(1, stdout, stderr)).expect("it began");
            assert_eq!(
                (own.status, &*own.stdout, &*own.stderr),
                (1, &b"out\n"[..], &b"err\n"[..])
            );
        }
    }

    #[test]
    fn what_is_handed_on_as_it_comes_is_the_commands_too() {
        let all = output(0, "hello\nBEGINout\u{1}deployer e\n\u{1}more\nEND", "").stdout;
        let broken = output(0, "BEGINout\u{1}deployer", "").stdout;
        let silent = output(0, "This account is currently not available.\n", "").stdout;
        for size in 1..all.len() {
            for (stdout, own) in [
                (&all, "out\u{1}deployer e\n\u{1}more\n"),
                (&broken, "out\u{1}deployer"),
                (&silent, ""),
            ] {
                let heard = Mutex::new(Vec::new());
                let hear = |bytes: &[u8]| heard.lock().expect("lock").extend_from_slice(bytes);
                let live = OwnBytes::new(&hear);
                stdout.chunks(size).for_each(|bytes| live.hear(bytes));
                let ended = Output {
                    stdout: live.end(),
                    ..output(0, "", "BEGIN")
                };
                assert_eq!(own_words("vm1", true, &ended).is_ok(), !own.is_empty());
                assert_eq!(heard.into_inner().expect("lock"), own.as_bytes(), "{size}");
            }
        }
    }

    #[test]
    fn what_never_began_says_why() {
        let why = |root, output: Output| own_words("vm1", root, &output).expect_err("never began");
        let warned = "HEREsudo: /etc/sudoers.d/x is world writable\nsudo: a password is required\n";
        let error = why(true, output(1, "", warned));
        assert!(
            matches!(&error, HostError::Sudo { detail, .. } if detail == "sudo: a password is required"),
            "{error}"
        );
        let error = why(
            true,
            output(127, "", "HEREdeployer: 1: eval: sudo: not found\n"),
        );
        assert!(matches!(&error, HostError::Sudo { .. }), "{error}");
        let error = why(
            true,
            output(1, "This account is currently not available.\n", ""),
        );
        assert_eq!(
            error.to_string(),
            "vm1: the login's shell does not run what it is told (This account is currently not available.)"
        );
        let error = why(true, output(0, "", ""));
        assert!(
            error.to_string().contains("exit code 0 without a word"),
            "{error}"
        );
    }
}
