//! Real machines for what a test cloud reports: the test's side of the watchers, `machines.py` and `openstack_machines.py`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Once;

use super::skip::skip;

/// The system of all machines.
pub(crate) const IMAGE: &str = "/var/cache/deployer-tests/cloud-init-bookworm-5";

/// A program of this box, with nothing to read.
#[expect(clippy::disallowed_methods, reason = "tests start their own programs")]
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Whether machines can be booted here; says why not, and fails in CI.
pub(crate) fn may_boot() -> bool {
    let Some(why) = obstacle() else { return true };
    skip(&format!("booting machines needs {why}"));
    false
}

/// What is missing to boot machines here, if anything.
fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("root".into());
    }
    let missing = ["systemd-nspawn", "debootstrap", "nft", "unshare", "ssh"];
    let missing: Vec<&str> = missing
        .into_iter()
        .filter(|name| command(name, &["--version"]).output().is_err())
        .collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// The path of one of the programs that play a cloud.
pub(crate) fn script(name: &str) -> String {
    let clouds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clouds");
    clouds.join(name).display().to_string()
}

/// Makes the image, unless it is there.
pub(crate) fn make_image() {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        let made = command("python3", &[&script("machines.py"), "image", IMAGE]).status();
        assert!(made.expect("image").success(), "the image was not made");
    });
}

/// Boots what a cloud reports. Ends with this process: its standard input closes.
pub(crate) struct Watcher {
    process: Child,
}

impl Watcher {
    /// Starts one with this Python: a script and its arguments.
    pub(crate) fn with(python: &Path, arguments: &[&str]) -> Self {
        make_image();
        let python = python.display().to_string();
        let own_mounts = ["--mount", "--propagation", "private", &python];
        let mut child = command("unshare", &[&own_mounts, arguments].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("watcher");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let first = lines.next().expect("a line").expect("text");
        assert_eq!(first, "watching");
        std::thread::spawn(move || {
            lines.for_each(|line| eprintln!("    {}", line.unwrap_or_default()));
        });
        Self { process: child }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
