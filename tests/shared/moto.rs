//! A moto server for the tests of one process, in a Python environment of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::python::environment;
use super::skip::skip;

/// A running moto. It ends with this process: its standard input closes.
pub(crate) struct Moto {
    /// Its port on loopback.
    pub port: u16,
    _process: Child,
}

/// The directory of the test clouds.
fn clouds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clouds")
}

#[allow(
    clippy::disallowed_methods,
    reason = "tests start their own servers; the agents have no such ban"
)]
fn command(program: &Path) -> Command {
    Command::new(program)
}

/// Python with everything the test clouds need, made at the first use. `None`, with one line why, where there is no Python or
/// no way to get its packages; never so in CI.
pub(crate) fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let requirements = || clouds().join("requirements.txt");
    match PYTHON.get_or_init(|| environment("moto", &requirements())) {
        Ok(python) => Some(python),
        Err(why) => {
            skip(&format!("needs moto, and {why}"));
            None
        }
    }
}

impl Moto {
    /// Starts one with these more settings in its environment. `runner` starts programs, such as in the network of a machine.
    pub(crate) fn start(runner: Option<Command>, environment: &[(&str, &str)]) -> Option<Self> {
        let python = python()?;
        let mut process = match runner {
            Some(mut runner) => {
                runner.arg(python);
                runner
            }
            None => command(python),
        };
        let mut process = process
            .arg(clouds().join("moto_server.py"))
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("stdout"))
            .read_line(&mut line)
            .expect("moto says its port");
        Some(Self {
            port: line.trim().parse().expect("a port"),
            _process: process,
        })
    }

    /// Its address, without a proxy before it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The one that tests of this process share; each test uses a region of its own.
    #[allow(dead_code, reason = "not all who start one share it")]
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Moto>> = OnceLock::new();
        python()?;
        SHARED.get_or_init(|| Self::start(None, &[])).as_ref()
    }
}
