//! Real machines for what moto reports: the test's side of `tests/clouds/machines.py`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use super::moto::{self, Moto};
use super::skip::skip;

/// The system of all machines.
pub(crate) const IMAGE: &str = "/var/cache/deployer-tests/cloud-init-bookworm-3";

/// This box, as its machines see it.
pub(crate) const THIS_BOX: &str = "10.126.255.254";

#[expect(clippy::disallowed_methods, reason = "tests start their own programs")]
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Whether machines can be booted here; says why not, and fails in CI.
pub(crate) fn may_boot() -> bool {
    let Some(why) = obstacle() else { return true };
    skip(&format!("booting machines {why}"));
    false
}

/// Why machines cannot be booted here; `None`: they can.
fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".into());
    }
    let missing = ["systemd-nspawn", "debootstrap", "nft", "unshare", "ssh"];
    let missing: Vec<&str> = missing
        .into_iter()
        .filter(|name| command(name, &["--version"]).output().is_err())
        .collect();
    (!missing.is_empty()).then(|| format!("needs {}", missing.join(", ")))
}

/// Makes the image, unless it is there.
pub(crate) fn make_image() {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        let python = moto::python().expect("python").display().to_string();
        let script = moto::clouds().join("machines.py").display().to_string();
        let made = command(&python, &[&script, "image", IMAGE])
            .status()
            .expect("image");
        assert!(made.success(), "the image was not made");
    });
}

/// The bridge is one for all.
static BRIDGE: Mutex<()> = Mutex::new(());

/// Boots what moto reports. Ends with this process: its standard input closes.
pub(crate) struct Watcher {
    process: Child,
    _bridge: MutexGuard<'static, ()>,
}

impl Watcher {
    /// Starts it, once no other one of this process is there.
    pub(crate) fn start(moto: &Moto, region: &str) -> Self {
        let bridge = BRIDGE.lock().unwrap_or_else(PoisonError::into_inner);
        let python = moto::python().expect("python").display().to_string();
        let script = moto::clouds().join("machines.py").display().to_string();
        let url = moto.url();
        make_image();
        let arguments = [
            "--mount",
            "--propagation",
            "private",
            &python,
            &script,
            "watch",
            IMAGE,
            &url,
            region,
        ];
        let mut child = command("unshare", &arguments)
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
        Self {
            process: child,
            _bridge: bridge,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
