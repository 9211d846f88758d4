//! What asks a person something: an ordinary user on a box where sudo asks for a password, with a terminal and without.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::hosts::Hosts;
use super::product::PROGRAM;
use crate::session::Session;
use crate::support::{may_run, succeed};

/// A command line of `guest` on a box.
fn begin(hosts: &Hosts, terminal: bool, command: &str) -> Session {
    let known = hosts.known_hosts("desk");
    let mut ssh = Command::new("ssh");
    ssh.arg(if terminal { "-tt" } else { "-T" });
    ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]);
    ssh.arg("-o")
        .arg(format!("UserKnownHostsFile={}", known.display()));
    ssh.arg("-i").arg(hosts.key());
    ssh.arg(format!("guest@{}", hosts.address("desk")))
        .arg(command);
    Session::of(ssh)
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
    let (code, said) = begin(&hosts, false, &format!("{local} 2>&1")).end();
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
    let (code, said) = begin(&hosts, false, &format!("{local} 2>&1")).end();
    hosts.root("desk", "mv /usr/bin/sudo.away /usr/bin/sudo; echo moved");
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("run it as root, or install sudo"), "{said}");

    // L1: the question stands on the screen, with a line on what for, and nothing is drawn over it.
    // On a terminal that draws, and on one that cannot (an editor's shell).
    let question = "[sudo] password for guest: ";
    for terminal in ["xterm", "dumb"] {
        let mut session = begin(&hosts, true, &format!("TERM={terminal} {local}"));
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
    let mut session = begin(&hosts, true, up);
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
