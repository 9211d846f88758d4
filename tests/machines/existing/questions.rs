//! What asks a person something: an ordinary user on a box where sudo asks for a password, with a terminal and without.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::hosts::Hosts;
use super::product::PROGRAM;
use crate::support::{may_run, succeed};

const LIMIT: Duration = Duration::from_mins(2);

/// A command line of `guest` on a box.
struct Session {
    child: std::process::Child,
    said: Arc<Mutex<String>>,
}

impl Session {
    fn begin(hosts: &Hosts, terminal: bool, command: &str) -> Self {
        let known = hosts.known_hosts("desk");
        let mut ssh = Command::new("ssh");
        ssh.arg(if terminal { "-tt" } else { "-T" });
        ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]);
        ssh.arg("-o")
            .arg(format!("UserKnownHostsFile={}", known.display()));
        ssh.arg("-i").arg(hosts.key());
        ssh.arg(format!("guest@{}", hosts.address("desk")))
            .arg(command);
        ssh.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = ssh.stderr(Stdio::inherit()).spawn().expect("ssh runs");
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let mut out = child.stdout.take().expect("its output");
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = out.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                heard.lock().expect("said").push_str(&text);
            }
        });
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().expect("said").clone()
    }

    fn until(&self, words: &str) {
        let started = Instant::now();
        while !self.said().contains(words) {
            assert!(
                started.elapsed() < LIMIT,
                "`{words}` never came:\n{}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answer(&mut self, keys: &str) {
        let input = self.child.stdin.as_mut().expect("its input");
        input.write_all(keys.as_bytes()).expect("typed");
        input.flush().expect("typed");
    }

    /// The exit code, and all that was said.
    fn end(mut self) -> (i32, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                break status;
            }
            if started.elapsed() > LIMIT {
                let _ended = self.child.kill();
                panic!("it does not end:\n{}", self.said());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        std::thread::sleep(Duration::from_millis(100));
        (status.code().unwrap_or(-1), self.said())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn root_is_asked_for_once_and_seen_or_refused_at_once() {
    if !may_run("existing: root_is_asked_for_once_and_seen_or_refused_at_once") {
        return;
    }
    let hosts = Hosts::boot(&["desk"]).await;
    let files = tempfile::tempdir().expect("a directory");
    hosts.copy("desk", &programs(files.path()), "/srv/deployer");
    hosts.root(
        "desk",
        "echo guest:secret | chpasswd; echo 'guest ALL=(ALL) ALL' >/etc/sudoers.d/guest; \
         mkdir -p /var/lib/deployer; mount -t tmpfs tmpfs /var/lib/deployer; \
         printf 'name: desk\\ncloud: existing\\nnodes: { desk: {} }\\nclouds: { existing: { hosts: { desk: { address: self } } } }\\n' >/srv/self.yaml; echo made",
    );
    let local = "/srv/deployer/deployer up --yes --cloud local";

    // L2: no terminal. It says so before it fetches anything.
    let (code, said) = Session::begin(&hosts, false, &format!("{local} 2>&1")).end();
    assert_eq!(code, 64, "{said}");
    for words in ["there is no terminal to ask on", "as root", "NOPASSWD"] {
        assert!(said.contains(words), "`{words}` is missing:\n{said}");
    }
    assert!(
        !said.contains("fetching") && !said.contains("apt-get"),
        "{said}"
    );

    // T17: no sudo either.
    hosts.root("desk", "mv /usr/bin/sudo /usr/bin/sudo.away; echo moved");
    let (code, said) = Session::begin(&hosts, false, &format!("{local} 2>&1")).end();
    hosts.root("desk", "mv /usr/bin/sudo.away /usr/bin/sudo; echo moved");
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("run it as root, or install sudo"), "{said}");

    // L1: the question stands on the screen, with a line on what for, and nothing is drawn over it.
    // On a terminal that draws, and on one that cannot (an editor's shell).
    let question = "[sudo] password for guest: ";
    for terminal in ["xterm", "dumb"] {
        let mut session = Session::begin(&hosts, true, &format!("TERM={terminal} {local}"));
        session.until(question);
        std::thread::sleep(Duration::from_millis(1500));
        let said = session.said();
        assert!(
            said.ends_with(question),
            "something was drawn over it:\n{said:?}"
        );
        assert!(
            said.contains("root is needed on this box to install them"),
            "{terminal}: {said:?}"
        );
        session.answer("\u{3}");
        let (code, _) = session.end();
        assert_ne!(code, 0);
    }

    // The same where a node is this box: asked once, and then it goes on to its end.
    let up = "/srv/deployer/deployer up --yes --inventory /srv/self.yaml";
    let mut session = Session::begin(&hosts, true, up);
    session.until(question);
    session.answer("wrong\n");
    session.until("Sorry, try again.");
    session.answer("secret\n");
    let (code, said) = session.end();
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        said.matches("root is needed on this box").count(),
        1,
        "{said}"
    );
}

/// The deployer and its agents, as small as they get.
fn programs(into: &Path) -> Vec<PathBuf> {
    let beside = Path::new(PROGRAM).parent().expect("a directory");
    let strip = |name: &str| {
        let (from, to) = (beside.join(name), into.join(name));
        let (from, to_text) = (from.to_str().expect("a path"), to.to_str().expect("a path"));
        succeed("strip", &["-o", to_text, from]);
        to
    };
    ["deployer", "producer", "consumer"].map(strip).into()
}
