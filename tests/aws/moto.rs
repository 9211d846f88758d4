//! A moto server for the tests of one process, in a Python environment of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

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

#[expect(clippy::disallowed_methods, reason = "tests start their own servers")]
fn command(program: &Path) -> Command {
    Command::new(program)
}

/// Python with everything the test clouds need, made at the first use. `None`, with one line why, where there is no Python or
/// no way to get its packages; never so in CI.
pub(crate) fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match PYTHON.get_or_init(environment) {
        Ok(python) => Some(python),
        Err(why) => {
            skip(&format!("needs moto, and {why}"));
            None
        }
    }
}

fn environment() -> Result<PathBuf, String> {
    let requirements = clouds().join("requirements.txt");
    let text = fs::read(&requirements).expect("requirements");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let name: String = hex(&text);
    let done = home.join(format!("moto-{name}"));
    // Test programs that start together: one makes it, the others wait.
    let lock = fs::File::create(home.join("moto.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let python = done.join("bin/python");
    if done.join("complete").exists() {
        return Ok(python);
    }
    let run = |command: &mut Command| -> Result<(), String> {
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{command:?}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr)
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        Err(format!("{command:?}: {said}"))
    };
    run(command(Path::new("python3"))
        .args(["-m", "venv", "--clear"])
        .arg(&done))?;
    run(command(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(&requirements))?;
    fs::write(done.join("complete"), "").map_err(|error| error.to_string())?;
    Ok(python)
}

fn hex(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

impl Moto {
    /// Starts one with these more settings in its environment.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Option<Self> {
        let mut process = command(python()?)
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
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Moto>> = OnceLock::new();
        python()?;
        SHARED.get_or_init(|| Self::start(&[])).as_ref()
    }
}
