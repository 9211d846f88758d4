//! Secrets where others look: in journals, in arguments and environments of processes, and in files that everybody may read, on all
//! machines of a deployment and on this box, and in what its commands say. There is none.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::attempts::Machine;
use crate::deployer_command::Deployer;
use crate::support::succeed;
use crate::watch::nodes;

/// Says where on a node one of the secrets is that it reads: `journal`, `processes`, or a file that everybody may read. And how many of
/// the service's own files hold one, so that it is known to find them.
const SEARCH: &str = r#"
set -uf
umask 077
P=/run/security-search; cat >$P
journalctl --no-pager -o cat | grep -q -F -f $P && echo journal
set +f
cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -q -F -f $P && echo processes
find / -xdev -path /proc -prune -o -path /sys -prune -o -type f -perm -o+r -size -4M -print0 2>/dev/null |
    xargs -0 grep -l -F -f $P 2>/dev/null
echo "held $(grep -rl -F -f $P /etc/deployer | wc -l)"
rm $P
"#;

/// The same of this box, of files that are newer than one. What machines of others write meanwhile is theirs. Arguments: secrets, the
/// deployment's id, that file.
const SEARCH_BOX: &str = r#"
set -u
cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -q -F -f "$1" && echo processes
find /etc /home /opt /root /run /srv /tmp /usr/local /var -xdev \
    -path '/var/lib/deployer/local/*' -not -path "/var/lib/deployer/local/$2*" -prune -o \
    -type f -perm -o+r -size -4M -newer "$3" -print0 2>/dev/null | xargs -0 -r grep -l -F -f "$1" 2>/dev/null
:
"#;

/// The lines of a deployment's secrets that are nobody else's, former ones too.
pub(crate) fn patterns(secrets: &Value) -> BTreeSet<String> {
    let mut patterns = BTreeSet::new();
    for (of, own) in secrets.as_object().expect("a mapping") {
        for (key, secret) in own.as_object().into_iter().flatten() {
            // Certificates are for everybody, and a server's id is no secret.
            let text = secret.as_str().expect("a text");
            let private = text
                .split("-----BEGIN CERTIFICATE")
                .next()
                .unwrap_or_default();
            let lines = private
                .lines()
                .filter(|line| line.len() > 20 && !line.starts_with("-----"));
            let known = of == "couchdb" && key == "uuid";
            patterns.extend(lines.filter(|_| !known).map(str::to_owned));
        }
    }
    patterns
}

/// None of these is told by `up`, as it was said, `plan`, `status` and the receipt, or lies open on the box or on a machine of a
/// deployment, whether they count any more or not.
pub(crate) fn none_of(patterns: &BTreeSet<String>, deployer: &Deployer, up: &str) {
    let told = [
        up.to_owned(),
        deployer.run(&["plan"]).all(),
        deployer.run(&["status", "--json"]).all(),
        std::fs::read_to_string(deployer.receipt_path()).expect("a receipt"),
    ];
    are_told(patterns, &told);
    let nodes = nodes(deployer);
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    lie_open(patterns, &deployer.id(), &nodes, &deployer.inventory());
}

/// None is in any of these texts.
pub(crate) fn are_told(patterns: &BTreeSet<String>, told: &[String]) {
    for (pattern, text) in patterns
        .iter()
        .flat_map(|line| told.iter().map(move |text| (line, text)))
    {
        assert!(!text.contains(pattern), "a secret is told: {text}");
    }
}

/// None lies open on a deployment's nodes, nor on this box in a file that is newer than one.
pub(crate) fn lie_open(patterns: &BTreeSet<String>, id: &str, nodes: &[&str], since: &Path) {
    assert!(patterns.len() > 10, "{} secrets", patterns.len());
    let lines: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let lines = lines.join("\n") + "\n";
    for node in nodes {
        let said = search(&Machine::of(id, node), &lines);
        let held = said.trim().strip_prefix("held ");
        let held = held.unwrap_or_else(|| panic!("{node}: a secret lies open: {said}"));
        assert_ne!(held, "0", "{node}: the services have theirs");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("patterns");
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(&file);
    let written = opened.and_then(|mut opened| opened.write_all(lines.as_bytes()));
    written.expect("a file for this user alone");
    let [file, since] = [file.as_path(), since].map(|path| path.display().to_string());
    let found = succeed("sh", &["-c", SEARCH_BOX, "search", &file, id, &since]);
    assert_eq!(found, "", "a secret lies open on this box");
}

fn search(machine: &Machine, lines: &str) -> String {
    let mut shell = machine.inside();
    shell.args(["sh", "-c", SEARCH]);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = shell.spawn().expect("nsenter runs");
    let mut input = shell.stdin.take().expect("its input");
    input.write_all(lines.as_bytes()).expect("it reads");
    drop(input);
    let said = shell.wait_with_output().expect("it ends");
    String::from_utf8(said.stdout).expect("text")
}
