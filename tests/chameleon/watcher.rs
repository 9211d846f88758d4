//! Real machines for the servers of OpenStack: the test's side of `tests/clouds/openstack_machines.py`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

use super::openstack::OpenStack;
use super::skip::skip;

const IMAGE: &str = "/var/cache/deployer-tests/cloud-init-bookworm-3";

/// This box, as its machines see it.
pub(crate) const THIS_BOX: &str = "10.99.0.254";

#[expect(clippy::disallowed_methods, reason = "tests start their own programs")]
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Whether machines can be booted here; says why not, and fails in CI.
pub(crate) fn may_boot() -> bool {
    let missing = ["systemd-nspawn", "debootstrap", "nft", "unshare", "ssh"]
        .into_iter()
        .filter(|name| command(name, &["--version"]).output().is_err())
        .collect::<Vec<_>>()
        .join(", ");
    let why = if rustix::process::geteuid().is_root() {
        missing
    } else {
        "root".into()
    };
    if !why.is_empty() {
        skip(&format!("booting machines needs {why}"));
    }
    why.is_empty()
}

/// Boots what Nova reports. Ends with this process: its standard input closes.
pub(crate) struct Watcher {
    process: Child,
}

impl Watcher {
    /// The one of this process, which ends with the last test that has it: there is room for one on a box.
    pub(crate) fn shared(cloud: &OpenStack) -> Arc<Self> {
        static RUNNING: Mutex<Weak<Watcher>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().expect("it was started");
        running.upgrade().unwrap_or_else(|| {
            let watcher = Arc::new(Self::start(cloud));
            *running = Arc::downgrade(&watcher);
            watcher
        })
    }

    fn start(cloud: &OpenStack) -> Self {
        let script = |name: &str| -> String {
            let clouds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clouds");
            clouds.join(name).display().to_string()
        };
        let made = command("python3", &[&script("machines.py"), "image", IMAGE]).status();
        assert!(made.expect("image").success(), "the image was not made");
        let python: PathBuf = cloud.home.join("venv/bin/python");
        let (python, clouds) = (
            python.display().to_string(),
            cloud.clouds.display().to_string(),
        );
        let arguments = [
            "--mount",
            "--propagation",
            "private",
            &python,
            &script("openstack_machines.py"),
            IMAGE,
            &clouds,
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
        Self { process: child }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
